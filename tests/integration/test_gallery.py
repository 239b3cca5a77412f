"""Backup and import on the command line, beside a running server."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np

from stream_server.child import ChildServer
from stream_server.client import ServerClient


async def run(server: ChildServer, *arguments: str, code: int = 0) -> Any:
    done = await asyncio.to_thread(server.run_command, "gallery", *arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


async def test_a_gallery_moves_to_another_server_and_a_running_one_notices(
    own_server: Any, client: ServerClient, running_server: ChildServer, enrol: Any, pictures: Any, tmp_path: Path
) -> None:
    passphrase, file = tmp_path / "passphrase", tmp_path / "gallery.backup"
    passphrase.write_text("correct horse battery\n")
    person_id = await enrol("Backed Up", pictures.crop("sample1.jpg", 0))
    written = await run(running_server, "export", str(file), "--passphrase-file", str(passphrase))
    assert written["people"] >= 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"Backed Up" not in file.read_bytes()
    async with own_server() as other, other.client() as there:
        report = await run(other, "import", str(file), "--passphrase-file", str(passphrase))
        assert report["templates"] >= 1
        async with asyncio.timeout(20):
            while (await there.readiness())["gallery"]["templates"] < report["templates"]:
                await asyncio.sleep(0.05)
        assert (await there.call("GET", f"/api/v1/people/{person_id}"))["name"] == "Backed Up"
        seen = await there.call("POST", "/api/v1/recognise", photo=pictures.crop("sample1.jpg", 0))
        assert [face["name"] for face in seen["faces"]] == ["Backed Up"]
        file.write_bytes(file.read_bytes()[:-5])
        refused = await run(other, "import", str(file), "--passphrase-file", str(passphrase), code=1)
        assert refused["error"]["code"] == "backup_unusable"


async def test_old_encodings_are_imported_with_a_dry_run_and_a_pickle_is_refused(
    own_server: Any, tmp_path: Path
) -> None:
    values = np.random.default_rng(1).normal(size=128)
    encoding = [float(value) for value in values / np.linalg.norm(values) * 1.4]
    file = tmp_path / "encodings.json"
    file.write_text(json.dumps({"names": ["Ada", "Bob"], "encodings": [encoding, encoding[:5]]}))
    async with own_server() as server, server.client() as client:
        dry = await run(server, "import-encodings", str(file), "--consent", "--dry-run", code=1)
        assert dry["counts"] == {"imported": 1, "refused": 1}
        assert (await client.call("GET", "/api/v1/people"))["people"] == []
        await run(server, "import-encodings", str(file), "--consent", code=1)
        (person,) = (await client.call("GET", "/api/v1/people"))["people"]
        assert (person["name"], person["templates"], person["consent"]) == ("Ada", 1, "granted")
        file.write_bytes(b"\x80\x04}\x94.")
        refused = await run(server, "import-encodings", str(file), code=1)
        assert refused["error"]["code"] == "encodings_pickled"
