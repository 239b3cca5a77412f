"""Bulk enrolment: the pictures of a folder or zip, one after the other, to a running server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from recognition.errors import RequestError
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.roster.archives import Archive, ArchiveLimits, opened
from stream_server.roster.photo_names import is_picture, possible_ids

PICTURE_BYTES_MAX = 16 * 2**20
LIMITS = ArchiveLimits(entries_max=50_000, total_bytes_max=16 * 2**30)


class Pictures:
    """The pictures of a folder or archive: their names, and the bytes of one at a time."""

    def __init__(self, folder: Path | None, archive: Archive | None) -> None:
        self._folder = folder
        self._archive = archive
        if archive is not None:
            names = list(archive.names)
        else:
            assert folder is not None
            names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        self.names = sorted(filter(is_picture, names))

    def read(self, name: str) -> bytes:
        """The bytes of a picture. Raises RequestError when it is too large or damaged."""
        if self._archive is not None:
            return self._archive.read(name, PICTURE_BYTES_MAX)
        assert self._folder is not None
        path = self._folder / name
        if path.stat().st_size > PICTURE_BYTES_MAX:
            raise RequestError(f"{name} has more than {PICTURE_BYTES_MAX // 2**20} MiB", hint="make it smaller")
        return path.read_bytes()


@contextmanager
def pictures_of(source: Path) -> Iterator[Pictures]:
    """Look into a folder or archive. Raises ArchiveRefused."""
    if source.is_dir():
        yield Pictures(source, None)
        return
    with source.open("rb") as file, opened(file, LIMITS) as archive:
        yield Pictures(None, archive)


async def enrol_all(source: Path, client: ServerClient, *, quiet: bool) -> dict[str, Any]:
    """Enrol with every picture; returns how many were enrolled, and what was refused with its reason."""
    refused: list[dict[str, str]] = []
    enrolled = 0
    with pictures_of(source) as pictures:
        console = Console(stderr=True, quiet=quiet)
        for name in track(pictures.names, description="Enrolling", console=console):
            try:
                await _enrol(client, pictures, name)
                enrolled += 1
            except RequestError as error:
                told = {"code": error.code, "detail": error.detail, "hint": error.hint}
                refused.append({"photograph": name, **told})
    return {"enrolled": enrolled, "refused": refused}


async def _enrol(client: ServerClient, pictures: Pictures, name: str) -> None:
    for external_id in possible_ids(name):
        found = await client.call("GET", "/api/v1/people", params={"external_id": external_id})
        if found["people"]:
            photo = await asyncio.to_thread(pictures.read, name)
            await client.enrol(found["people"][0]["id"], photo)
            return
    raise ServerSaidNo(
        f"nobody has the external id {possible_ids(name)[0]!r}",
        hint="name the file by the person's external id",
        code="person_not_found",
    )
