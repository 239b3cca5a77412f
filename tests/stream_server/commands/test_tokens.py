"""What `rollcall tokens` prints; that it reaches a server is part of tests/integration/test_sign_in.py."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from stream_server.access.rights import SCOPES
from stream_server.commands import tokens as tokens_module
from stream_server.commands.tokens import tokens
from stream_server.messages.accounts import TokenCreate


def token_until(name: str, expires_at: datetime | None) -> dict[str, Any]:
    return {
        "id": "7",
        "name": name,
        "scopes": ["read", "punch"],
        "created_by": "user:ada",
        "expires_at": None if expires_at is None else expires_at.isoformat(),
    }


def test_the_list_says_who_made_a_token_and_whether_it_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    listed = [
        token_until("Old", now - timedelta(days=1)),
        token_until("New", now + timedelta(days=1)),
        token_until("Ever", None),
    ]

    async def call(*_: object) -> Any:
        return {"tokens": listed}

    monkeypatch.setattr(tokens_module, "_call", call)
    old, new, ever = CliRunner().invoke(tokens, ["list"]).output.splitlines()
    assert "expired 2" in old
    assert "until 2" in new
    assert "until revoked" in ever
    for line in (old, new, ever):
        assert "read, punch" in line
        assert line.endswith("made by user:ada")


def test_a_token_may_have_every_scope_at_once() -> None:
    assert TokenCreate(name="All", scopes=SCOPES).scopes == SCOPES
