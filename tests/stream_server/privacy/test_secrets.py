import base64
import stat
from pathlib import Path

import pytest

from stream_server.privacy.secrets import SecretBox, SecretKeyUnusable, SecretUnreadable

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox.from_settings(KEY, tmp_path)


def test_a_secret_comes_back_and_is_not_in_the_box(box: SecretBox) -> None:
    sealed = box.seal("geheim", "camera door")
    assert b"geheim" not in sealed
    assert box.open(sealed, "camera door") == "geheim"
    assert box.seal("geheim", "camera door") != sealed


def test_a_secret_is_bound_to_what_it_belongs_to(box: SecretBox) -> None:
    sealed = box.seal("geheim", "camera door")
    for wrong in (lambda: box.open(sealed, "camera yard"), lambda: SecretBox(bytes(32)).open(sealed, "camera door")):
        with pytest.raises(SecretUnreadable):
            wrong()


@pytest.mark.parametrize("damage", [b"", b"\x01", b"\x02" + b"x" * 40, b"\x01" + b"x" * 40])
def test_a_damaged_secret_is_said_to_be_unreadable(box: SecretBox, damage: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        box.open(damage, "camera door")


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    sealed = SecretBox.from_settings(None, folder).seal("geheim", "x")
    assert stat.S_IMODE((folder / "secret-key").stat().st_mode) == 0o600
    assert SecretBox.from_settings(None, folder).open(sealed, "x") == "geheim"


@pytest.mark.parametrize("key", ["short", "é", base64.b64encode(b"x" * 31).decode()])
def test_a_key_that_is_none_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    with pytest.raises(SecretKeyUnusable) as refused:
        SecretBox.from_settings(key, tmp_path)
    assert "ROLLCALL_SECRETS__KEY" in str(refused.value)
    assert key not in str(refused.value)


def test_what_an_old_key_has_sealed_opens_while_the_new_one_seals(tmp_path: Path) -> None:
    new = base64.b64encode(bytes(range(1, 33))).decode()
    before = SecretBox.from_settings(KEY, tmp_path)
    sealed = before.seal("geheim", "x")
    both = SecretBox.from_settings(new, tmp_path, [KEY])
    assert both.open(sealed, "x") == "geheim"
    anew = both.seal("geheim", "x")
    assert anew.startswith(both.current_prefix)
    assert not sealed.startswith(both.current_prefix)
    with pytest.raises(SecretUnreadable):
        before.open(anew, "x")
    assert SecretBox.from_settings(new, tmp_path).open(anew, "x") == "geheim"


def test_what_was_sealed_before_keys_had_ids_still_opens() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = bytes(12)
    sealed = b"\x01" + nonce + AESGCM(bytes(range(32))).encrypt(nonce, b"geheim", b"camera door")
    assert SecretBox(bytes(range(32))).open(sealed, "camera door") == "geheim"


def test_any_changed_byte_is_noticed(box: SecretBox) -> None:
    sealed = box.seal_bytes(b"0123456789", "x")
    for place in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        with pytest.raises(SecretUnreadable):
            box.open_bytes(bytes(damaged), "x")
