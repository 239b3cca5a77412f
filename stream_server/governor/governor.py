"""Watches memory and eases off in time: the server lives on with less, rather than being ended with everything.

Soft pressure halves the pace, narrows the search for faces and gives back what can be; hard pressure also takes no
further camera. The dashboard, the record and the cameras that stream are never refused.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stream_server import memory
from stream_server.executor import RecognitionExecutor
from stream_server.governor.fitting import Fitted, cameras_max, fit
from stream_server.governor.limits import (
    CGROUPS,
    PROC,
    Limits,
    MemoryUse,
    Source,
    machine_cpus,
    memory_uses,
    read_limits,
)
from stream_server.governor.pressure import Pressure, PressureGauge, Thresholds
from stream_server.models import LoadedModels
from stream_server.sampler import Sampler
from stream_server.session import CameraHub
from stream_server.settings import Settings

log = logging.getLogger("rollcall.governor")

LOOK_EVERY_S = 1.0
TRIM_EVERY_S = 5.0
SHORT_OF_MEMORY_IDLE_S = 30.0
NARROW_PX = 320
_PACE = {Pressure.NONE: 1.0, Pressure.SOFT: 0.5, Pressure.HARD: 0.25}
_MB = 1_000_000
# What a server comes to hold with a few cameras, resident; one that has just started holds 40 MB less.
WORKING_BYTES = 190 * _MB


def fit_to_host(settings: Settings, *, cgroups: Path = CGROUPS, proc: Path = PROC) -> Fitted:
    """The settings, with what nobody has set fitted to this host."""
    limits = limits_with(settings, read_limits(cgroups=cgroups, proc=proc, cpus_of_machine=machine_cpus()))
    return fit(settings, limits)


def limits_with(settings: Settings, limits: Limits) -> Limits:
    """The limits, or the tighter one of memory that the operator has set."""
    most_mb = settings.governor.memory_max_mb
    if most_mb is None or most_mb * _MB >= limits.memory_bytes:
        return limits
    return Limits(most_mb * _MB, Source.SETTING, limits.cpus, limits.cpu_source)


class Governor:
    """Keeps the server within its limits, which may change while it runs."""

    def __init__(
        self,
        *,
        fitted: Fitted,
        sampler: Sampler,
        hub: CameraHub,
        models: LoadedModels,
        executor: RecognitionExecutor,
        reader_pids: Callable[[], tuple[int, ...]],
        cgroups: Path = CGROUPS,
        proc: Path = PROC,
        give_back: Callable[[], bool] = memory.give_back,
        rss_mb: Callable[[], float] = memory.rss_mb,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fitted` are the settings that the server runs with."""
        self.fitted = fitted
        self._settings = settings = fitted.settings
        self._sampler = sampler
        self._hub = hub
        self._models = models
        self._executor = executor
        self._reader_pids = reader_pids
        self._cgroups = cgroups
        self._proc = proc
        self._give_back = give_back
        self._rss_mb = rss_mb
        self._mono = mono
        self._gauge = PressureGauge(
            Thresholds(
                settings.governor.soft_share, settings.governor.hard_share, ease_for_s=settings.governor.ease_for_s
            )
        )
        self._trimmed_mono = -TRIM_EVERY_S
        self.trims = 0
        self.models_released = 0
        self.limits = self._read_limits()
        self.use = self._tightest_use()
        self._follow_limits(None)

    @property
    def pressure(self) -> Pressure:
        """How short memory is."""
        return self._gauge.state

    @property
    def rises(self) -> dict[Pressure, int]:
        """How often each state was come to from a lower one."""
        return self._gauge.rises

    @property
    def complaint(self) -> str | None:
        """What is less than it should be for want of memory, in words; None when nothing is."""
        if self.pressure is Pressure.NONE:
            return None
        used = f"{self.use.used_bytes / _MB:.0f} of {self.use.limit_bytes / _MB:.0f} MB ({self.use.source}) are used"
        eased = f"memory is short ({used}): frames are fewer, and faces below about {self._faces_lost_px} px are missed"
        return eased if self.pressure is Pressure.SOFT else f"{eased}; no further camera is taken"

    def refusal_of(self, more_bytes: int) -> str | None:
        """Why there is no room for so many bytes that would stay, in words; None when there is.

        Looked at now, and by resident memory too: mapped files that are in use can be dropped only to be read again,
        and some hosts count them.
        """
        resident_mb = self._rss_mb() + sum(memory.private_mb(pid) for pid in self._reader_pids())
        resident_bytes = max(WORKING_BYTES, round(resident_mb * _MB)) + more_bytes
        limits, use, soft = self._read_limits(), self._tightest_use(), self._settings.governor.soft_share
        if resident_bytes > soft * limits.memory_bytes:
            return f"the server would come to hold {resident_bytes / _MB:.0f} of {limits.memory_bytes / _MB:.0f} MB"
        if replace(use, used_bytes=use.used_bytes + more_bytes).share > soft:
            used_mb, limit_mb = (use.used_bytes + more_bytes) / _MB, use.limit_bytes / _MB
            return f"{used_mb:.0f} of {limit_mb:.0f} MB ({use.source}) would be used"
        return None

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            await asyncio.to_thread(self.read)
            self.act()
            if self.pressure is not Pressure.NONE and self._mono() - self._trimmed_mono >= TRIM_EVERY_S:
                self._trimmed_mono = self._mono()
                self.trims += 1
                await asyncio.to_thread(self._give_back)
            await asyncio.sleep(LOOK_EVERY_S)

    def read(self) -> None:
        """Read limits and use anew; touches nothing else, so that it can be done in a thread."""
        self.limits, self.use = self._read_limits(), self._tightest_use()

    def act(self) -> None:
        """Do what the last reading asks for."""
        before = self.pressure
        if self._gauge.look(self.use.share, self._mono(), stalled_share=self.use.stalled_share or 0.0):
            tell = log.info if self.pressure is Pressure.NONE else log.warning
            tell("memory pressure is %s: %s", self.pressure, self.complaint or "as much as ever is done again")
        self._follow_limits(self.limits)
        is_short = self.pressure is not Pressure.NONE
        self._sampler.ease = _PACE[self.pressure]
        self._models.frame_width_max_px = NARROW_PX if is_short else None
        self._hub.refuse_new = (
            f"the server has used {100 * self.use.share:.0f} % of its memory and takes no further camera"
            if self.pressure is Pressure.HARD
            else None
        )
        if is_short and before is Pressure.NONE:
            # OpenCV keeps what the full width needed: loaded anew for the narrow one they hold 18 MB less.
            self._release_models("memory is short: the models are loaded anew, for smaller pictures")
        self._let_models_go(is_short)

    def _let_models_go(self, is_short: bool) -> None:
        idle_s = self._settings.models.idle_s
        if is_short:
            idle_s = min(idle_s or SHORT_OF_MEMORY_IDLE_S, SHORT_OF_MEMORY_IDLE_S)
        if idle_s and self._executor.loaded and self._executor.idle_s(self._mono()) >= idle_s:
            self._release_models(f"the models were not used for {idle_s:.0f} s and are let go until the next picture")

    def _release_models(self, why: str) -> None:
        if not self._executor.loaded:
            return
        self._executor.release()
        self._models.release()
        self.models_released += 1
        self._trimmed_mono = -TRIM_EVERY_S  # what they held is given back at the next look
        log.info("%s", why)

    def _follow_limits(self, limits: Limits | None) -> None:
        """Fit what can be changed in a running server."""
        limits = limits or self.limits
        self._sampler.cpus = limits.cpus
        if not self.fitted.cameras_are_given and (room := cameras_max(limits)) != self._hub.max_cameras:
            log.info("%d cameras may stream at one time: %.0f MB", room, limits.memory_bytes / _MB)
            self._hub.max_cameras = room

    @property
    def _faces_lost_px(self) -> int:
        # The detector finds faces from about 10 px on, at the width that it searches.
        return round(10 * max(1.0, self._settings.cameras.width_px / NARROW_PX))

    def _read_limits(self) -> Limits:
        limits = read_limits(cgroups=self._cgroups, proc=self._proc, cpus_of_machine=machine_cpus())
        return limits_with(self._settings, limits)

    def _tightest_use(self) -> MemoryUse:
        uses = memory_uses(cgroups=self._cgroups, proc=self._proc)
        if self._settings.governor.memory_max_mb is not None:
            held_mb = memory.rss_mb() + sum(memory.private_mb(pid) for pid in self._reader_pids())
            limit_bytes = self._settings.governor.memory_max_mb * _MB
            uses.append(MemoryUse(round(held_mb * _MB), limit_bytes, Source.SETTING))
        return max(uses, key=lambda use: use.share, default=MemoryUse(0, 1, Source.MACHINE))
