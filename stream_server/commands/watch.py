"""`rollcall watch`: stream a video file, or any stream that FFmpeg can read, to a running server."""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import click

from stream_server.client import local_client
from stream_server.commands.command import Command, json_option, server_option
from stream_server.demo.feed import Message, open_feed
from stream_server.settings import load_settings

# After the last frame: time for the server to finish it and for the event to come back.
_LINGER_S = 1.5
_KEEP_MAX = 10_000
# The video is compressed already: what a second time takes away, small faces need.
_JPEG_QUALITY = 92


@click.command(cls=Command)
@click.argument("source", metavar="FILE_OR_URL")
@server_option
@click.option("--camera", default="watch", show_default=True, help="Camera to stream as; it is added when it is new.")
@click.option(
    "--fps", type=click.FloatRange(0.1, 60), default=10.0, show_default=True, help="Frames a second to send, at most."
)
@json_option
def watch(source: str, server: str | None, camera: str, fps: float, as_json: bool) -> None:
    """Stream a video to a server as if it were a camera, and show who is marked."""
    summary = asyncio.run(_watch(source, server, camera, fps, quiet=as_json))
    if as_json:
        click.echo(json.dumps(summary))
    else:
        click.echo(f"{summary['sent']} frames sent, {len(summary['attendance'])} people marked")
    if summary["errors"]:
        sys.exit(1)


async def _watch(source: str, server: str | None, camera: str, fps: float, *, quiet: bool) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    # A stream may go on for weeks.
    attendance: deque[Message] = deque(maxlen=_KEEP_MAX)
    errors: deque[Message] = deque(maxlen=_KEEP_MAX)
    columns = (SpinnerColumn(), TextColumn("streaming"), TextColumn("{task.completed} frames"), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet)

    def on_message(message: Message) -> None:
        if message["type"] == "attendance":
            attendance.append(message)
            if not quiet:
                click.echo(f"{message['first_seen'][11:19]}  {message['person']['name']}  {message['status']}")
        elif message["type"] == "error":
            errors.append(message)
            click.echo(f"{message['code']}: {message['detail']}", err=True)

    async with local_client(server, load_settings()) as client, open_feed(client, camera, on_message) as feed:
        with progress:
            task = progress.add_task("streaming", total=None)

            def frames() -> Iterator[tuple[float, bytes]]:
                for item in _encoded(source, fps, feed.welcome):
                    yield item
                    progress.update(task, completed=feed.sent + 1)

            await feed.play(frames())
            await asyncio.sleep(_LINGER_S)
        return {"camera": camera, "sent": feed.sent, "attendance": list(attendance), "errors": list(errors)}


def _encoded(source: str, fps: float, welcome: Message) -> Iterator[tuple[float, bytes]]:
    from stream_server.demo.views import encode_jpeg, video_frames

    for at_s, image_bgr in video_frames(source, fps, max_width_px=welcome["width_px"]):
        yield at_s, encode_jpeg(image_bgr, max(_JPEG_QUALITY, welcome["quality"]))
