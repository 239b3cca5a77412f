"""Fits the settings that nobody has set to the memory and processor there are.

A setting that is given wins, always. The figures of memory are measured: a server that has loaded its models holds
about 110 MB, a camera in flight at most 3 MiB (its waiting frame and two in the socket), a WebRTC peer 3 MB,
of which more is reckoned because they come in bursts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream_server.governor.limits import Limits
from stream_server.settings import Settings

_MB = 1_000_000
_BASE_BYTES = 160 * _MB
_CAMERA_BYTES = 3 * 2**20
_PEER_BYTES = 12 * _MB
_CONNECTION_BYTES = 2**20
# Below this, a host is what free tiers give.
_SMALL_BYTES = 400 * _MB
_TINY_BYTES = 220 * _MB


@dataclass(frozen=True, slots=True)
class Fitted:
    """The settings to run with, and in words what was changed in them."""

    settings: Settings
    changes: tuple[str, ...] = ()
    cameras_are_given: bool = False


def fit(settings: Settings, limits: Limits) -> Fitted:
    """The settings with whatever nobody has set fitted to the limits; nothing ever becomes more than its default,
    but for the recognition threads of a machine with many cores.
    """
    wanted: Mapping[str, Mapping[str, int]] = {
        "recognition": {
            "threads": _threads(limits),
            "detection_width_px": 480 if limits.memory_bytes < _TINY_BYTES or limits.cpus < 0.3 else 640,
            "pictures_waiting_max": 2 if limits.memory_bytes < _SMALL_BYTES else 4,
        },
        "cameras": {"max_cameras": cameras_max(limits)},
        "webrtc": {"max_peers": _within((limits.memory_bytes - 200 * _MB) // _PEER_BYTES, 1, 16)},
        "http": {
            "max_connections": _within(limits.memory_bytes // _CONNECTION_BYTES, 64, 512),
            "max_subscribers": 32 if limits.memory_bytes < _SMALL_BYTES else 64,
        },
    }
    groups: dict[str, Any] = {}
    changes = []
    for name, values in wanted.items():
        group = getattr(settings, name)
        fitted = {
            field: value
            for field, value in values.items()
            if field not in group.model_fields_set and value != getattr(group, field)
        }
        if fitted:
            groups[name] = group.model_copy(update=fitted)
            changes += [f"{name}.{field} {getattr(group, field)} -> {value}" for field, value in fitted.items()]
    cameras_are_given = "max_cameras" in settings.cameras.model_fields_set
    return Fitted(settings.model_copy(update=groups) if groups else settings, tuple(changes), cameras_are_given)


def cameras_max(limits: Limits) -> int:
    """Cameras whose frames there is room for at one time."""
    return _within((limits.memory_bytes - _BASE_BYTES) // _CAMERA_BYTES, 8, 64)


def _threads(limits: Limits) -> int:
    """As many as processors, of which a part counts: with half of one, a second thread would only wait."""
    by_memory = 1 if limits.memory_bytes < _TINY_BYTES else 2 if limits.memory_bytes < 2 * _SMALL_BYTES else 4
    return min(by_memory, _within(math.floor(limits.cpus + 0.5), 1, 4))


def _within(value: int, least: int, most: int) -> int:
    return max(least, min(most, value))
