"""The commands that do the main job by themselves."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream_server.child import ChildServer
from stream_server.client import ServerClient


def rollcall(models_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": "", "ROLLCALL_MODELS__DIR": str(models_dir), **settings}
    return subprocess.run(
        [sys.executable, "-m", "stream_server", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("detector", ["auto", "blazeface"])
def test_the_demo_marks_who_should_be_marked_and_says_so_as_json(models_dir: Path, detector: str) -> None:
    done = rollcall(models_dir, "demo", "--json", "--seconds", "5", ROLLCALL_RECOGNITION__DETECTOR=detector)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["ok"] is True
    assert {"Cleo Costa"} <= {record["person"] for record in summary["attendance"]}  # enrolled with another photograph
    assert len(summary["attendance"]) == summary["events"] == 7
    assert set(summary["attendance"][0]) == {"person", "status", "first_seen", "camera"}
    frames = summary["frames"]
    assert set(frames) == {"received", "processed", "dropped"}
    assert 0 < frames["processed"] <= frames["received"]


def test_the_demo_with_a_video_of_two_people_marks_each_once_and_nobody_else(
    models_dir: Path, shared_faces: Path, yunet_path: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    people.mkdir()
    for picture in (shared_faces / "video").glob("*.png"):
        (people / picture.name).write_bytes(picture.read_bytes())
    for folder in (shared_faces / "bbt").iterdir():
        (people / folder.name).symlink_to(folder)
    clip = shared_faces / "video" / "short_hamilton_clip.mp4"
    done = rollcall(models_dir, "demo", "--json", "--people", str(people), "--video", str(clip))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert sorted(record["person"] for record in summary["attendance"]) == ["alex-lacamoire", "lin-manuel-miranda"]


async def test_watch_streams_a_video_file_to_a_running_server(
    client: ServerClient, running_server: ChildServer, models_dir: Path, pictures: Any, enrol: Any, tmp_path: Path
) -> None:
    await enrol("On Video", pictures.crop("sample1.jpg", 0))
    video = tmp_path / "view.mp4"
    _write_video(video, pictures)
    token = {"ROLLCALL_AUTH__TOKEN": running_server.token}
    arguments = ("watch", str(video), "--server", running_server.url, "--camera", "clip", "--fps", "5", "--json")
    done = rollcall(models_dir, *arguments, **token)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [message["person"]["name"] for message in summary["attendance"]] == ["On Video"]
    assert summary["sent"] >= 10


def test_watch_says_what_is_wrong_with_a_file_that_is_no_video(
    running_server: ChildServer, models_dir: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no video")
    token = {"ROLLCALL_AUTH__TOKEN": running_server.token}
    done = rollcall(models_dir, "watch", str(text), "--server", running_server.url, **token)
    assert done.returncode == 1
    assert "cannot be played" in done.stderr
    assert "Traceback" not in done.stderr


async def test_watch_says_so_when_the_server_goes_away(
    own_server: Any, models_dir: Path, pictures: Any, tmp_path: Path
) -> None:
    server = own_server()
    await asyncio.to_thread(server.upgrade)
    await server.start()
    video = tmp_path / "view.mp4"
    _write_video(video, pictures)
    watching = asyncio.create_task(
        asyncio.to_thread(
            *(rollcall, models_dir, "watch", str(video), "--server", server.url, "--json"),
            ROLLCALL_AUTH__TOKEN=server.token,
        )
    )
    async with server.client() as client, asyncio.timeout(30):
        while (await client.readiness())["frames"]["received"] < 3:
            await asyncio.sleep(0.05)
    server.kill()
    done = await watching
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "server_away"


def test_watch_without_a_server_says_how_to_start_one(models_dir: Path, tmp_path: Path) -> None:
    done = rollcall(models_dir, "watch", "x.mp4", "--server", "http://127.0.0.1:1", ROLLCALL_AUTH__TOKEN="x" * 16)
    assert done.returncode == 3
    assert "rollcall serve" in done.stderr


def test_people_are_added_with_photographs_and_a_refused_one_is_named(
    running_server: ChildServer, models_dir: Path, pictures: Any, blank_jpeg: bytes, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(pictures.crop("sample6.jpg", 0))
    bad.write_bytes(blank_jpeg)
    options = ("--server", running_server.url, "--json")
    token = {"ROLLCALL_AUTH__TOKEN": running_server.token}
    unasked = rollcall(models_dir, "people", "add", "Cli Clark", str(good), *options, **token)
    assert unasked.returncode == 2
    assert "--consent" in unasked.stderr
    done = rollcall(models_dir, "people", "add", "Cli Clark", str(good), str(bad), "--consent", *options, **token)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["templates"] == 1
    assert [refused["code"] for refused in result["refused"]] == ["no_face"]
    listed = json.loads(rollcall(models_dir, "people", "list", *options, **token).stdout)
    assert result["id"] in [person["id"] for person in listed["people"]]
    httpx.delete(
        f"{running_server.url}/api/v1/people/{result['id']}",
        headers={"Authorization": f"Bearer {running_server.token}"},
    ).raise_for_status()


def _write_video(path: Path, pictures: Any) -> None:
    import av

    from stream_server.demo.views import MovingView

    view = MovingView(pictures.image("sample1.jpg"), seed=3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=15)
        stream.width, stream.height, stream.bit_rate = 640, 480, 4_000_000
        for number in range(45):
            frame = av.VideoFrame.from_ndarray(view.frame(number / 15), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
