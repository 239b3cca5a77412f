import os
import stat
from pathlib import Path

import pytest

from storage.system_user import USER_NAME, Owner, open_programs, open_the_way, owner_for

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing owners needs root")
NOBODY = Owner(65534, 65534)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_ordinary_user_runs_the_server_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert owner_for(tmp_path) is None
    before = mode(tmp_path)
    open_the_way(None, tmp_path)
    open_programs(None, tmp_path, tmp_path)
    assert mode(tmp_path) == before


@as_root
def test_root_gives_the_server_a_user_of_its_own_and_keeps_the_one_that_owns_the_data(tmp_path: Path) -> None:
    import pwd

    made = owner_for(tmp_path / "missing")
    assert made is not None
    assert pwd.getpwnam(USER_NAME).pw_uid == made.uid != 0
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 4242, 4243)  # a volume that another container has made
    assert owner_for(data) == Owner(4242, 4243)


@as_root
def test_only_what_is_closed_is_opened_and_only_for_passing_through(tmp_path: Path) -> None:
    closed, opened, own = tmp_path / "closed", tmp_path / "closed" / "open", tmp_path / "closed" / "open" / "own"
    own.mkdir(parents=True)
    closed.chmod(0o700)
    opened.chmod(0o755)
    own.chmod(0o700)
    os.chown(own, NOBODY.uid, NOBODY.gid)
    before = mode(tmp_path)
    open_the_way(NOBODY, own)
    assert [mode(path) for path in (closed, opened, own)] == [0o701, 0o755, 0o700]
    assert mode(tmp_path) == before | 0o001


@as_root
def test_programs_installed_for_root_alone_become_readable(tmp_path: Path) -> None:
    program, library = tmp_path / "bin" / "postgres", tmp_path / "lib" / "libpq.so"
    for path, bits in ((program, 0o700), (library, 0o600)):
        path.parent.mkdir(mode=0o700)
        path.touch()
        path.chmod(bits)
    open_programs(NOBODY, program, tmp_path)
    assert (mode(program), mode(library), mode(library.parent)) == (0o705, 0o604, 0o705)
    library.chmod(0o600)
    open_programs(NOBODY, program, tmp_path)  # the program may be run now, so nothing more is touched
    assert mode(library) == 0o600
