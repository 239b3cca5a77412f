import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from stream_server.privacy.keys import KeyRing, KeysAreSet, SecretKeyUnusable, key_id

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_given_keys_are_found_by_their_ids_and_the_first_is_in_use(tmp_path: Path) -> None:
    ring = KeyRing.from_settings(encoded(NEW), [encoded(OLD)], tmp_path)
    assert ring.current == (key_id(NEW), NEW)
    assert ring.find(key_id(OLD)) == OLD
    assert ring.find(b"none") is None
    assert ring.all() == (NEW, OLD)
    assert list(tmp_path.iterdir()) == []  # a key that is given is not kept


def test_an_id_tells_nothing_of_its_key() -> None:
    assert len(key_id(OLD)) == 4
    assert key_id(OLD) not in OLD
    assert key_id(OLD) != key_id(NEW)


def test_several_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(KeyRing.from_settings(None, [], tmp_path / "data").current[1]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (8, 1)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret-key"]


def test_a_ring_follows_a_new_key_in_its_file_and_still_opens_with_the_old_one(tmp_path: Path) -> None:
    server = KeyRing.from_settings(None, [], tmp_path)
    before = server.current
    KeyRing.from_settings(None, [], tmp_path).add_new()
    assert server.current != before
    assert server.find(before[0]) == before[1]
    again = KeyRing.from_settings(None, [], tmp_path)
    assert again.all() == server.all()
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


def test_old_keys_are_forgotten_and_the_one_in_use_stays(tmp_path: Path) -> None:
    ring = KeyRing.from_settings(None, [], tmp_path)
    ring.add_new()
    assert ring.forget_old() == 1
    assert KeyRing.from_settings(None, [], tmp_path).all() == (ring.current[1],)


def test_a_lost_file_takes_no_key_from_a_server_that_runs(tmp_path: Path) -> None:
    ring = KeyRing.from_settings(None, [], tmp_path)
    current = ring.current
    (tmp_path / "secret-key").unlink()
    assert ring.current == current


def test_an_old_key_may_be_given_beside_the_file(tmp_path: Path) -> None:
    ring = KeyRing.from_settings(None, [encoded(OLD)], tmp_path)
    assert ring.find(key_id(OLD)) == OLD
    assert ring.current[1] != OLD


def test_keys_of_the_environment_are_changed_there(tmp_path: Path) -> None:
    ring = KeyRing.from_settings(encoded(OLD), [], tmp_path)
    for change in (ring.add_new, ring.forget_old):
        with pytest.raises(KeysAreSet):
            change()


@pytest.mark.parametrize("text", ["", "short", "\u00e9", base64.b64encode(b"x" * 31).decode()])
def test_a_file_that_holds_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret-key").write_text(text)
    with pytest.raises(SecretKeyUnusable) as refused:
        KeyRing.from_settings(None, [], tmp_path)
    assert "secret-key" in str(refused.value)
    assert not text or text not in str(refused.value)


def test_a_key_is_only_made_where_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(SecretKeyUnusable):
        KeyRing.from_settings(None, [], tmp_path, make=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keys", [[], [b"short"]])
def test_a_ring_without_keys_is_a_mistake_of_ours(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing(keys)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o644, True), (0o640, True)])
def test_a_file_that_others_may_read_is_warned_of(
    tmp_path: Path, mode: int, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    KeyRing.from_settings(None, [], tmp_path)
    (tmp_path / "secret-key").chmod(mode)
    KeyRing.from_settings(None, [], tmp_path)
    assert ("chmod 600" in caplog.text) == warned


def test_garbage_in_the_file_of_a_running_server_is_told_and_only_sealing_stops(tmp_path: Path) -> None:
    ring = KeyRing.from_settings(None, [], tmp_path)
    wanted, key = ring.current
    assert ring.problem() == ""
    path = tmp_path / "secret-key"
    kept = path.read_text()
    path.write_text("garbage\n")
    assert "cannot be used" in ring.problem()
    assert str(tmp_path) not in ring.problem()
    assert ring.find(wanted) == key
    assert ring.find(b"none") is None
    assert ring.all() == (key,)
    for change in (lambda: ring.current, ring.add_new, ring.forget_old):
        with pytest.raises(SecretKeyUnusable):
            change()
    assert path.read_text() == "garbage\n"
    path.unlink()
    assert "is gone" in ring.problem()
    path.write_text(kept)
    assert (ring.problem(), ring.current) == ("", (wanted, key))


def test_given_keys_have_no_file_that_could_be_wrong(tmp_path: Path) -> None:
    assert KeyRing.from_settings(encoded(NEW), [], tmp_path).problem() == ""


def test_a_file_says_how_long_ago_it_was_written(tmp_path: Path) -> None:
    ring = KeyRing.from_settings(None, [], tmp_path)
    os.utime(tmp_path / "secret-key", (1000, 1000))
    assert ring.written_s_ago(1007) == 7
    assert ring.written_s_ago(900) == 0  # the clock was set back
    assert KeyRing([OLD]).written_s_ago(1007) == 0
