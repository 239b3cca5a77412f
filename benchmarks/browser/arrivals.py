"""From somebody before the camera to their name on the dashboard: a camera page in one Chromium, the office in another.

Measured is what people in the room would call the delay. It begins when Chromium's camera takes the first picture with
the group (the camera page reads that from a strip in the picture), and ends when the dashboard has painted the name.
Between lie the page's wait until a picture is due, making and sending it, recognition of a group of four, as many
pictures as the server wants to be sure, storing, the event, and the dashboard's work. Both pages go by the
clock of this machine.

Everybody is enrolled anew in each round, while the camera shows an empty room, as somebody the server has never seen:
each name is a first one. A name that comes only after its group has gone counts with its full time; one that never
comes is counted as missing.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.browser import window
from benchmarks.browser.film import FILM_FPS, GAP_S, PAUSE, PAUSE_S, SCENE_S, WATCH_THE_STRIP, write_film
from benchmarks.load import erase, gallery_of
from benchmarks.measurement import Advance, Measurement, percentile, rounded
from benchmarks.pictures import Scene, scenes
from recognition.errors import InternalError
from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo

AIM_P95_MS = 1000.0
ROUNDS, QUICK_ROUNDS = 4, 1
# Notes in `window.shown` when each name in the list of the latest was painted.
_WATCH_THE_NAMES = """() => {
  window.shown = {};
  const look = () => {
    for (const element of document.querySelectorAll('.items .item-name')) {
      const name = element.textContent;
      if (name in window.shown) continue;
      window.shown[name] = null;
      // The frame that shows it has been painted when a task gets its turn behind it.
      requestAnimationFrame(() => setTimeout(() => (window.shown[name] = Date.now())));
    }
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


@dataclass
class Arrivals:
    """What came of the rounds: delays in ms, and how many names never came or had no fair chance."""

    delays_ms: list[float] = field(default_factory=list)
    # Who was never named, with how often.
    missing: Counter[str] = field(default_factory=Counter)
    # Rounds in which the machine was too slow to enrol everybody within the pause.
    not_ready: int = 0


def delays(expected: dict[str, int], began_ms: dict[int, float], shown_ms: dict[str, float | None]) -> dict[str, float]:
    """The delay of each expected name (name: scene) that was shown after its scene began."""
    found = {}
    for name, scene in expected.items():
        began, shown = began_ms.get(scene), shown_ms.get(name)
        if began is not None and shown is not None:
            found[name] = shown - began
    return found


async def measure(
    server: ChildServer, models_dir: Path, folder: Path, *, quick: bool, advance: Advance
) -> list[Measurement]:
    """Percentiles over all names."""
    seen = scenes(models_dir)
    film = await asyncio.to_thread(write_film, folder / "film.mjpeg", seen)
    came = Arrivals()
    rounds = QUICK_ROUNDS if quick else ROUNDS
    async with (
        server.client() as client,
        window.browser(film) as phone,
        window.browser() as desk,
    ):
        camera = await (await window.stranger(phone, server)).new_page()
        board = await (await window.owner(desk, server)).new_page()
        await board.goto("/")
        await board.get_by_role("heading", name="Today").wait_for()
        await board.evaluate(_WATCH_THE_NAMES)
        await window.stream(camera, server, "entrance")
        await camera.evaluate(WATCH_THE_STRIP)
        done = 0
        while done < rounds:
            if await _round(client, camera, board, seen, came, done):
                done += 1
            elif came.not_ready > rounds:
                raise InternalError("this machine is too busy: nobody can be enrolled within a pause of the film")
            advance(done / rounds)
        carrier = await camera.locator(".figures dd").first.inner_text()
    if not came.delays_ms:
        raise InternalError("no name came to the dashboard")
    detail = {
        "names": len(came.delays_ms),
        "missing": dict(came.missing),
        "rounds_not_ready": came.not_ready,
        "carrier": carrier,
        "film": {"fps": FILM_FPS, "scene_s": SCENE_S, "gap_s": GAP_S, "pause_s": PAUSE_S},
        "highest": rounded(max(came.delays_ms)),
    }
    title = "Somebody before the camera to their name on the dashboard"
    return [
        Measurement(
            f"browser.appearance_to_name.p{part}",
            rounded(percentile(came.delays_ms, part)),
            "ms",
            aim,
            detail,
            title=f"{title}, p{part}",
        )
        for part, aim in ((50, None), (95, AIM_P95_MS))
    ]


async def _round(
    client: ServerClient, camera: Any, board: Any, seen: Sequence[Scene], came: Arrivals, number: int
) -> bool:
    """One turn of the film; False when people were not enrolled in time, and nothing was measured."""
    await _pause(camera)
    await camera.evaluate("() => { window.scenes = window.scenes.slice(-1); }")
    people: dict[UUID, tuple[str, int]] = {}
    try:
        people = await _enrol(client, seen, number)
        await gallery_of(client, len(people))
        if len(await camera.evaluate("window.scenes")) > 1:
            came.not_ready += 1
            return False
        # The pause that comes next is the second one that is noted.
        async with asyncio.timeout(4 * (PAUSE_S + len(seen) * (SCENE_S + GAP_S))):
            while True:
                if [scene for scene, _ in await camera.evaluate("window.scenes")].count(PAUSE) == 2:
                    break
                await asyncio.sleep(0.25)
        began = {scene: at for scene, at in await camera.evaluate("window.scenes") if 0 < scene < PAUSE}
        expected = dict(people.values())
        found = delays(expected, began, await board.evaluate("window.shown"))
        came.delays_ms += found.values()
        came.missing.update(name.partition(",")[0] for name in expected.keys() - found.keys())
        return True
    finally:
        await erase(client, list(people))
        await gallery_of(client, 0)


async def _pause(camera: Any) -> None:
    """Wait until the long pause has begun, and a good part of it is still to come."""
    async with asyncio.timeout(180):
        while True:
            if await camera.evaluate(
                f"(() => {{ const last = window.scenes.at(-1);"
                f" return last && last[0] === {PAUSE} && Date.now() - last[1] < {1000 * PAUSE_S / 3}; }})()"
            ):
                return
            await asyncio.sleep(0.1)


async def _enrol(client: ServerClient, seen: Sequence[Scene], number: int) -> dict[UUID, tuple[str, int]]:
    """Everybody in the scenes who can be enrolled: their name in this round, and the number of their scene."""
    enrolled = {}
    for scene, shown in enumerate(seen, start=1):
        for person, photo in shown.people.items():
            name = f"{person}, round {number + 1}"
            person_id = await client.add_person(name, consent=True)
            with contextlib.suppress(ServerSaidNo):  # photographed from the side
                await client.enrol(person_id, photo)
                enrolled[person_id] = (name, scene)
                continue
            await erase(client, [person_id])
    return enrolled
