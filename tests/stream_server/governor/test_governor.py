import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stream_server import memory
from stream_server.governor.fitting import fit
from stream_server.governor.governor import NARROW_PX, Governor, fit_to_host
from stream_server.governor.limits import Limits, Source
from stream_server.governor.pressure import Pressure
from stream_server.sampler import Pacing, Sampler
from stream_server.settings import Settings
from tests.stream_server.governor.hosts import Host


class Models:
    def __init__(self) -> None:
        self.frame_width_max_px: int | None = None
        self.released = 0

    def release(self) -> None:
        self.released += 1


class Executor:
    def __init__(self) -> None:
        self.loaded = True
        self.idle = 0.0

    def idle_s(self, now_mono: float) -> float:
        return self.idle

    def release(self) -> None:
        self.loaded = False


class World:
    """A governor on a made host, and what it governs."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.host = Host(folder)
        self.host.container(limit_mib=256, used_mib=100)
        self.sampler = Sampler(Pacing(max_fps=10.0))
        self.hub = SimpleNamespace(refuse_new=None, max_cameras=64)
        self.models, self.executor = Models(), Executor()
        self.now = 100.0
        self.given_back = 0
        values = Settings(_env_file=None, **settings)
        fitted = fit_to_host(values, cgroups=self.host.cgroups, proc=self.host.proc)
        parts: Any = self
        self.governor = Governor(
            fitted=fitted,
            sampler=self.sampler,
            hub=parts.hub,
            models=parts.models,
            executor=parts.executor,
            reader_pids=lambda: (),
            cgroups=self.host.cgroups,
            proc=self.host.proc,
            give_back=self.give_back,
            rss_mb=lambda: 150.0,
            mono=lambda: self.now,
        )

    def give_back(self) -> bool:
        self.given_back += 1
        return True

    def uses(self, used_mib: int, *, limit_mib: int = 256, after_s: float = 1.0) -> None:
        self.host.container(limit_mib=limit_mib, used_mib=used_mib)
        self.now += after_s
        self.governor.read()
        self.governor.act()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_with_room_nothing_is_held_back(world: World) -> None:
    world.uses(100)
    assert world.governor.pressure is Pressure.NONE
    assert world.governor.complaint is None
    assert (world.sampler.ease, world.models.frame_width_max_px, world.hub.refuse_new) == (1.0, None, None)


def test_soft_pressure_slows_and_narrows_but_takes_cameras(world: World) -> None:
    pace_fps = world.sampler.pace_fps
    world.uses(215)
    assert world.governor.pressure is Pressure.SOFT
    assert world.sampler.pace_fps == pace_fps / 2
    assert world.models.frame_width_max_px == NARROW_PX
    assert world.hub.refuse_new is None
    assert "memory is short (225 of 268 MB (cgroup v2)" in (world.governor.complaint or "")


def test_soft_pressure_has_the_models_loaded_anew_for_smaller_pictures_once(world: World) -> None:
    world.uses(215)
    world.executor.loaded = True
    world.uses(216)
    assert world.models.released == 1


def test_hard_pressure_takes_no_further_camera_and_says_why(world: World) -> None:
    world.uses(250)
    assert world.governor.pressure is Pressure.HARD
    assert world.hub.refuse_new is not None
    assert "98 % of its memory" in world.hub.refuse_new


def test_when_memory_is_there_again_everything_is_as_before(world: World) -> None:
    world.uses(250)
    for _ in range(30):
        world.uses(100)
    assert world.governor.pressure is Pressure.NONE
    assert (world.sampler.ease, world.models.frame_width_max_px, world.hub.refuse_new) == (1.0, None, None)
    assert world.governor.rises == {Pressure.SOFT: 0, Pressure.HARD: 1}


def test_a_limit_that_is_lowered_while_the_server_runs_counts_at_once(world: World) -> None:
    world.uses(150)
    assert world.hub.max_cameras == 34
    world.uses(150, limit_mib=160)
    assert world.governor.pressure is Pressure.HARD
    assert world.hub.max_cameras == 8
    world.uses(150, limit_mib=512)
    assert world.hub.max_cameras == 64
    assert world.governor.limits.memory_bytes == 512 * 2**20


def test_a_number_of_cameras_that_was_given_stays(tmp_path: Path) -> None:
    world = World(tmp_path, cameras={"max_cameras": 50})
    world.hub.max_cameras = 50
    world.uses(100, limit_mib=160)
    assert world.hub.max_cameras == 50


def test_processors_that_are_taken_away_lower_the_pace(world: World) -> None:
    world.host.container(cpu_max="25000 100000")
    world.governor.read()
    world.governor.act()
    assert world.sampler.cpus == 0.25


def test_models_that_nobody_needs_are_let_go(world: World) -> None:
    world.executor.idle = 899.0
    world.uses(100)
    assert world.models.released == 0
    world.executor.idle = 901.0
    world.uses(100)
    assert (world.models.released, world.executor.loaded, world.governor.models_released) == (1, False, 1)
    world.uses(100)
    assert world.models.released == 1


def test_models_stay_for_ever_where_that_is_set(tmp_path: Path) -> None:
    world = World(tmp_path, models={"idle_s": 0})
    world.executor.idle = 1e6
    world.uses(100)
    assert world.executor.loaded


def test_idle_models_go_soon_when_memory_is_short(world: World) -> None:
    world.uses(215)
    world.executor.loaded, world.executor.idle = True, 31.0
    world.uses(215)
    assert not world.executor.loaded


def test_a_limit_that_the_operator_sets_is_held_against_what_the_processes_hold(tmp_path: Path) -> None:
    world = World(tmp_path, governor={"memory_max_mb": 64})
    world.uses(10)
    assert world.governor.limits == Limits(64_000_000, Source.SETTING, 0.5, Source.CGROUP_V2)
    assert world.governor.use.source is Source.SETTING
    assert world.governor.use.used_bytes == pytest.approx(memory.rss_mb() * 1e6, rel=0.2)


def test_what_would_stay_is_refused_where_it_does_not_fit_below_the_limit(world: World) -> None:
    assert world.governor.refusal_of(54_000_000) == "the server would come to hold 244 of 268 MB"
    world.host.container(limit_mib=320, used_mib=100)  # raised a moment ago
    assert world.governor.refusal_of(54_000_000) is None
    world.host.container(limit_mib=320, used_mib=250)
    assert world.governor.refusal_of(54_000_000) == "316 of 336 MB (cgroup v2) would be used"
    assert world.governor.refusal_of(1_000_000) is None


async def test_under_pressure_memory_is_given_back_now_and_then(world: World) -> None:
    world.host.container(used_mib=215)
    running = asyncio.create_task(world.governor.run())
    async with asyncio.timeout(10):
        while not world.given_back:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.governor.trims == world.given_back == 1


def test_settings_are_fitted_to_the_tighter_of_group_and_setting(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.container(limit_mib=4096, cpu_max="max 100000")
    settings = Settings(_env_file=None, governor={"memory_max_mb": 200})
    fitted = fit_to_host(settings, cgroups=host.cgroups, proc=host.proc)
    assert fitted == fit(settings, Limits(200_000_000, Source.SETTING, fitted_cpus(), Source.MACHINE))
    assert fitted.settings.recognition.threads == 1


def fitted_cpus() -> float:
    from stream_server.governor.limits import machine_cpus

    return float(machine_cpus())
