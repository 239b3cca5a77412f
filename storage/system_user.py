"""PostgreSQL refuses to run as root: where Rollcall does (most containers) the server has its own user."""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.errors import StorageUnavailable

USER_NAME = "rollcall-pg"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom the server runs as and the data belongs to."""

    uid: int
    gid: int


def owner_for(data_dir: Path) -> Owner | None:
    """None when we are not root and the server runs as ourselves; else the user for it, made when missing.

    Raises StorageUnavailable when the system has no such user and none can be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        status = data_dir.stat()
    except FileNotFoundError:
        pass
    else:
        if status.st_uid != 0:  # a volume from another container may carry a number that has no name here
            return Owner(status.st_uid, status.st_gid)
    try:
        entry = pwd.getpwnam(USER_NAME)
    except KeyError:
        entry = _make_user()
    return Owner(entry.pw_uid, entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", USER_NAME], check=True, capture_output=True, timeout=30
        )
        return pwd.getpwnam(USER_NAME)
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        raise StorageUnavailable(
            f"PostgreSQL cannot run as root, and the user {USER_NAME} could not be made",
            hint=f"run Rollcall as an ordinary user, make the user {USER_NAME}, or set DATABASE_URL",
        ) from error


def open_the_way(owner: Owner | None, *folders: Path) -> None:
    """Let the server's user pass through (not list) the folders that lead to `folders`, where it cannot yet.

    Nothing is touched that already lets it pass, and nothing at all when we are not root.
    """
    if owner is None:
        return
    for folder in folders:
        for path in (folder, *folder.parents):
            status = path.stat()
            if not _may_enter(status, owner):
                path.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)


def close_folder(owner: Owner | None, folder: Path) -> None:
    """Let nobody else look into a folder of ours; the server's user may pass through it."""
    # A folder that somebody else gave us, such as a volume, is theirs to close.
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700 if owner is None else 0o711)


def open_private(path: Path) -> BinaryIO:
    """An empty file that only its owner may read, also where there was another before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def open_programs(owner: Owner | None, program: Path, folder: Path) -> None:
    """Let the server's user read what was installed below `folder`, if it may not run `program` there.

    A package that was installed under a strict umask belongs to root alone.
    """
    if owner is None or _may_enter(program.stat(), owner):
        return
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _may_enter(status: os.stat_result, owner: Owner) -> bool:
    if status.st_uid == owner.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == owner.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
