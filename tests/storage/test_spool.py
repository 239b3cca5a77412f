import contextlib
import errno
import multiprocessing
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from recognition.types import Sighting
from storage.errors import SpoolInUse, StorageUnavailable
from storage.spool import Spool

MakeSighting = Callable[..., Sighting]


@pytest.fixture
def sightings(make_sighting: MakeSighting, noon: datetime) -> list[Sighting]:
    return [make_sighting(uuid4(), sighting_id=UUID(int=n), captured_at=noon + timedelta(seconds=n)) for n in range(50)]


def ids(sightings: list[Sighting]) -> list[int]:
    return [sighting.sighting_id.int for sighting in sightings]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def test_what_is_appended_comes_back_in_order_and_unchanged(tmp_path: Path, sightings: list[Sighting]) -> None:
    sightings[3] = replace(sightings[3], runner_up_distance=None, distance=0.1 + 0.2)
    with Spool(tmp_path / "spool") as spool:
        assert all(spool.append(sighting) for sighting in sightings)
        assert spool.pending == 50
        assert spool.peek(20) == sightings[:20]
        assert spool.peek(20) == sightings[:20]
        spool.acknowledge(20)
        assert spool.peek() == sightings[20:]
        spool.acknowledge(30)
        assert (spool.pending, spool.peek(), spool.size_bytes) == (0, [], 0)
        assert segments(tmp_path / "spool") == []
        assert spool.append(sightings[0])
        assert spool.peek() == sightings[:1]


def test_what_is_not_acknowledged_survives_a_restart(tmp_path: Path, sightings: list[Sighting]) -> None:
    for part in (sightings[:20], sightings[20:]):
        with Spool(tmp_path) as spool:
            for sighting in part:
                spool.append(sighting)
    with Spool(tmp_path) as spool:
        spool.peek(25)
        spool.acknowledge(25)
        assert spool.pending == 25
    with Spool(tmp_path) as spool:
        assert spool.pending == 25
        assert spool.peek() == sightings[25:]


def test_a_batch_may_be_acknowledged_in_parts(tmp_path: Path, sightings: list[Sighting]) -> None:
    with Spool(tmp_path) as spool:
        for sighting in sightings:
            spool.append(sighting)
        spool.peek(10)
        spool.acknowledge(3)
        spool.acknowledge(0)
        spool.acknowledge(4)
        assert ids(spool.peek(2)) == [7, 8]
        with pytest.raises(ValueError, match="3 acknowledged, 2 were given"):
            spool.acknowledge(3)


def test_a_torn_last_line_is_left_out_and_counted(tmp_path: Path, sightings: list[Sighting]) -> None:
    with Spool(tmp_path) as spool:
        for sighting in sightings[:3]:
            spool.append(sighting)
    (segment,) = segments(tmp_path)
    os.truncate(segment, segment.stat().st_size - 10)

    with Spool(tmp_path) as spool:
        assert (spool.pending, spool.damaged) == (2, 1)
        spool.append(sightings[3])
        assert ids(spool.peek()) == [0, 1, 3]
        spool.acknowledge(3)
        assert spool.pending == 0
    assert segments(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"\n", b"garbage\n", b"\x00" * 4096, b"12345678 {}\n"])
def test_damage_in_the_middle_costs_only_what_it_hits(tmp_path: Path, sightings: list[Sighting], damage: bytes) -> None:
    with Spool(tmp_path) as spool:
        for sighting in sightings[:3]:
            spool.append(sighting)
    (segment,) = segments(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + damage + lines[1][:20] + b"X" + lines[1][21:] + lines[2])

    with Spool(tmp_path) as spool:
        assert ids(spool.peek()) == [0, 2]
        assert spool.damaged >= 1
        spool.acknowledge(2)
        assert spool.pending == 0


def test_a_full_spool_refuses_the_new_and_keeps_the_old(tmp_path: Path, sightings: list[Sighting]) -> None:
    with Spool(tmp_path, max_records=5) as spool:
        assert [spool.append(sighting) for sighting in sightings[:7]] == [True] * 5 + [False] * 2
        assert (spool.pending, spool.dropped, spool.last_problem) == (5, 2, "the spool is full")
        spool.peek(1)
        spool.acknowledge(1)
        assert spool.append(sightings[7])
        assert ids(spool.peek()) == [1, 2, 3, 4, 7]


def test_a_spool_is_bounded_in_bytes_too(tmp_path: Path, sightings: list[Sighting]) -> None:
    with Spool(tmp_path, max_bytes=1000) as spool:
        kept = sum(spool.append(sighting) for sighting in sightings)
        assert 0 < kept < 10
        assert spool.size_bytes <= 1000
        assert spool.dropped == 50 - kept


def test_many_segments_are_read_across_and_deleted_when_done(
    tmp_path: Path, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.spool._SEGMENT_BYTES", 1500)
    with Spool(tmp_path) as spool:
        for sighting in sightings:
            spool.append(sighting)
        many = len(segments(tmp_path))
        assert many > 5
        assert spool.peek(30) == sightings[:30]
        spool.acknowledge(30)
        assert len(segments(tmp_path)) < many
    with Spool(tmp_path) as spool:
        assert spool.peek() == sightings[30:]


def test_a_lost_position_only_repeats(tmp_path: Path, sightings: list[Sighting]) -> None:
    with Spool(tmp_path) as spool:
        for sighting in sightings[:4]:
            spool.append(sighting)
        spool.peek(2)
        spool.acknowledge(2)
    (tmp_path / "position").write_text("nonsense")
    with Spool(tmp_path) as spool:
        assert ids(spool.peek()) == [0, 1, 2, 3]


def test_a_disk_that_refuses_is_counted_and_does_no_harm_to_the_rest(
    tmp_path: Path, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with Spool(tmp_path) as spool:
        spool.append(sightings[0])
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", fail)
            assert not spool.append(sightings[1])
            assert not spool.append(sightings[2])
        assert spool.append(sightings[3])
        assert ids(spool.peek()) == [0, 3]
        assert (spool.pending, spool.dropped) == (2, 2)
        assert spool.last_problem == "the disk refused: Input/output error"
        spool.acknowledge(2)
        assert spool.pending == 0
    assert segments(tmp_path) == []


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_disk_that_lets_nothing_be_written_closed_or_deleted_is_counted_and_not_raised(
    tmp_path: Path, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def close_and_fail(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    with Spool(tmp_path) as spool:
        for kept in (0, 1):
            with monkeypatch.context() as patched:
                for name in ("os.write", "os.ftruncate", "pathlib.Path.unlink"):
                    patched.setattr(name, refuse)
                patched.setattr("os.close", close_and_fail)
                assert not spool.append(sightings[2 * kept])
            assert (spool.pending, spool.dropped) == (kept, kept + 1)
            assert spool.append(sightings[2 * kept + 1])
        assert ids(spool.peek()) == [1, 3]
        spool.acknowledge(2)
        assert spool.pending == 0
    assert segments(tmp_path) == []


def test_a_disk_on_which_no_file_can_be_made_is_counted_and_not_raised(
    tmp_path: Path, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Spool(tmp_path) as spool:
        with monkeypatch.context() as patched:
            patched.setattr("os.open", refuse)
            assert not spool.append(sightings[0])
        assert (spool.pending, spool.dropped) == (0, 1)
        assert spool.last_problem == "the disk refused: Read-only file system"


@pytest.mark.parametrize("call", ["pathlib.Path.unlink", "pathlib.Path.write_text", "pathlib.Path.replace"])
def test_a_disk_that_cannot_forget_is_an_outage_and_repeats_nothing_before_a_restart(
    tmp_path: Path, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr("storage.spool._SEGMENT_BYTES", 600)  # two sightings
    with Spool(tmp_path) as spool:
        for sighting in sightings[:9]:
            spool.append(sighting)
        spool.peek()
        with monkeypatch.context() as patched:
            patched.setattr(call, refuse)
            with pytest.raises(StorageUnavailable):
                spool.acknowledge(7)
        assert spool.pending == 2
        assert ids(spool.peek()) == [7, 8]
        spool.acknowledge(2)
        assert (spool.pending, spool.peek()) == (0, [])
    assert segments(tmp_path) == []


def test_a_line_that_could_not_be_taken_back_is_not_counted_as_waiting(
    tmp_path: Path, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Spool(tmp_path) as spool:
        spool.append(sightings[0])
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", refuse)
            patched.setattr("os.ftruncate", refuse)
            assert not spool.append(sightings[1])
        spool.append(sightings[2])
        assert spool.pending == 2
        spool.acknowledge(len(spool.peek()))
        assert (spool.pending, spool.peek(), spool.size_bytes) == (0, [], 0)
    assert segments(tmp_path) == []


def test_foreign_files_in_the_folder_are_left_alone(tmp_path: Path, sightings: list[Sighting]) -> None:
    (tmp_path / "backup.jsonl").write_text("not ours")
    with Spool(tmp_path) as spool:
        assert spool.append(sightings[0])
        assert (spool.pending, spool.damaged) == (1, 0)
    assert (tmp_path / "backup.jsonl").read_text() == "not ours"


def test_counts_may_be_read_while_another_thread_writes(tmp_path: Path, sightings: list[Sighting]) -> None:
    with Spool(tmp_path) as spool, spool._guard:
        # Whoever asks for the counts is often the event loop, which must not wait for a slow disk.
        assert (spool.pending, spool.size_bytes, spool.dropped, spool.damaged, spool.last_problem) == (0, 0, 0, 0, "")


def test_every_sighting_and_every_new_file_is_synced_before_append_returns(
    tmp_path: Path, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def watch(descriptor: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real(descriptor)

    monkeypatch.setattr("os.fsync", watch)
    with Spool(tmp_path) as spool:
        spool.append(sightings[0])
        spool.append(sightings[1])
    assert synced == ["folder", "file", "file"]


def test_only_the_owner_may_read_it(tmp_path: Path, sightings: list[Sighting]) -> None:
    folder = tmp_path / "spool"
    with Spool(folder) as spool:
        for sighting in sightings[:2]:
            spool.append(sighting)
        spool.peek(1)
        spool.acknowledge(1)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        files = list(folder.iterdir())
        assert len(files) == 3
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_two_servers_cannot_share_a_spool(tmp_path: Path) -> None:
    with Spool(tmp_path):
        with pytest.raises(SpoolInUse) as refused:
            Spool(tmp_path)
        assert "data folder of its own" in refused.value.hint
    Spool(tmp_path).close()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable) as refused:
        Spool(tmp_path / "file")
    assert refused.value.hint


def _append_until_killed(folder: Path, sighting: Sighting, pipe: "multiprocessing.connection.Connection") -> None:
    spool = Spool(folder)
    number = 0
    while True:
        spool.append(replace(sighting, sighting_id=UUID(int=number)))
        pipe.send(number)
        number += 1


def test_a_killed_process_loses_nothing_that_was_appended(tmp_path: Path, sightings: list[Sighting]) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_append_until_killed, args=(tmp_path, sightings[0], theirs))
    process.start()
    theirs.close()
    last = 0
    while last < 20:
        last = ours.recv()
    process.kill()
    process.join()
    with contextlib.suppress(EOFError):
        while True:
            last = ours.recv()
    process.close()
    ours.close()
    with Spool(tmp_path) as spool:
        found = ids(spool.peek(100_000))
    assert found[: last + 1] == list(range(last + 1))


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))


def test_somebodys_sightings_are_overwritten_on_the_disk_and_those_of_others_come_in_order(
    tmp_path: Path, make_sighting: Callable[..., Sighting]
) -> None:
    ada, eve = uuid4(), uuid4()
    mixed = [make_sighting(ada if number % 2 else eve) for number in range(10)]
    with Spool(tmp_path) as spool:
        for sighting in mixed:
            spool.append(sighting)
        spool.acknowledge(len(spool.peek(2)))  # of each one that is only not deleted yet
        assert spool.people() == {ada, eve}
        assert spool.forget({ada}) == 5
        assert spool.people() == {eve}
        assert str(ada).encode() not in contents(tmp_path)
        assert spool.pending == 4
        assert spool.peek(100) == [sighting for sighting in mixed[2:] if sighting.person_id == eve]
        after = make_sighting(ada)
        spool.append(after)
        assert spool.pending == 5
    with Spool(tmp_path) as again:
        assert (again.pending, again.damaged) == (5, 0)
        assert again.peek(100)[-1] == after


@pytest.mark.parametrize("acknowledged", [0, 1, 2, 3])
def test_what_is_forgotten_while_somebody_holds_it_is_counted_once(
    tmp_path: Path, make_sighting: Callable[..., Sighting], acknowledged: int
) -> None:
    ada, eve = uuid4(), uuid4()
    with Spool(tmp_path) as spool:
        for person_id in (eve, ada, eve):
            spool.append(make_sighting(person_id))
        assert len(spool.peek(3)) == 3
        assert spool.forget({ada}) == 1
        spool.acknowledge(acknowledged)
        left = spool.peek(3)
        assert [sighting.person_id for sighting in left] == [eve] * {0: 2, 1: 1, 2: 1, 3: 0}[acknowledged]
        assert spool.pending == len(left)
        spool.acknowledge(len(left))
        assert spool.pending == 0
        assert spool.people() <= {eve}


def test_a_spool_of_which_all_is_forgotten_is_empty_and_takes_more(
    tmp_path: Path, make_sighting: Callable[..., Sighting]
) -> None:
    ada = uuid4()
    with Spool(tmp_path) as spool:
        for _ in range(3):
            spool.append(make_sighting(ada))
        assert spool.forget({ada}) == 3
        assert (spool.pending, spool.peek(10), spool.forget({ada})) == (0, [], 0)
        later = make_sighting(ada)
        spool.append(later)
        assert spool.peek(10) == [later]
        spool.acknowledge(1)
        assert spool.pending == 0
