import json
from typing import Any

import pytest

from storage.consents import TEXT_LENGTH_MAX


@pytest.mark.parametrize("letter", ["a", "\N{GRINNING FACE}"])
async def test_the_longest_text_may_be_published_however_it_is_written(api: Any, letter: str) -> None:
    body = json.dumps({"text": letter * TEXT_LENGTH_MAX})
    text = await api.call("POST", "/consent-texts", 201, content=body, headers={"Content-Type": "application/json"})
    assert len(text["text"]) == TEXT_LENGTH_MAX


async def test_more_than_the_longest_text_is_refused(api: Any) -> None:
    body = json.dumps({"text": "\N{GRINNING FACE}" * (TEXT_LENGTH_MAX + 200)})
    problem = await api.call("POST", "/consent-texts", 413, content=body, headers={"Content-Type": "application/json"})
    assert problem["code"] == "content_too_large"
