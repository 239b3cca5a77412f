"""How much of the month's allowance the tunnel has used, kept on disk so that a restart does not forget it."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from stream_server.access.door import Traffic

log = logging.getLogger("rollcall.tunnel")

MONTHS_KEPT = 13
FILE_MAX_BYTES = 64 * 1024
TELL_AT = (0.5, 0.9, 1.0)
DEGRADED_AT = 0.9


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the provider allows in a month; 0: no limit that we know of."""

    bytes_max: int = 0
    requests_max: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a month (`2026-11`, UTC). `share` is that of the scarcer allowance, None without any."""

    month: str
    bytes_in: int
    bytes_out: int
    requests: int
    allowance: Allowance

    @property
    def share(self) -> float | None:
        """0..1, and more when more was used than is allowed.

        Bytes of both directions count: what a phone sends up, the provider sends out to us.
        """
        limits = self.allowance
        shares = []
        if limits.bytes_max:
            shares.append((self.bytes_in + self.bytes_out) / limits.bytes_max)
        if limits.requests_max:
            shares.append(self.requests / limits.requests_max)
        return max(shares, default=None)

    def in_words(self) -> str:
        """One line for people."""
        limits = self.allowance
        of_bytes = f" of {limits.bytes_max / 1e6:,.0f}" if limits.bytes_max else ""
        of_requests = f" of {limits.requests_max:,}" if limits.requests_max else ""
        share = "" if self.share is None else f" ({self.share:.0%} of the allowance)"
        megabytes = (self.bytes_in + self.bytes_out) / 1e6
        return f"{megabytes:,.1f}{of_bytes} MB and {self.requests:,}{of_requests} requests this month{share}"


@dataclass(slots=True)
class Usage:
    """Counts by month. `path` is the file that it is kept in; months of several providers stand side by side in it."""

    path: Path
    provider: str
    traffic: Traffic
    allowance: Allowance
    now: Callable[[], datetime]
    _months: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    _counted: Traffic = field(default_factory=Traffic)
    _told: float = 0.0
    _told_month: str = ""
    _changed: bool = False

    def load(self) -> None:
        """Read what was used before. A file that cannot be read is set aside, and counting begins anew."""
        try:
            with self.path.open("rb") as file:
                self._months = _checked(json.loads(file.read(FILE_MAX_BYTES)))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read and is set aside; the month's usage begins anew: %s", self.path, error)
            try:
                self.path.replace(self.path.with_suffix(".damaged"))
            except OSError as problem:
                log.warning("it cannot be set aside either: %s", problem)

    def look(self) -> Used:
        """What was used in this month so far."""
        month = f"{self.now():%Y-%m}"
        months = self._months.setdefault(self.provider, {})
        counts = months.setdefault(month, {"bytes_in": 0, "bytes_out": 0, "requests": 0})
        for name, value in asdict(self.traffic).items():
            counts[name] += value - getattr(self._counted, name)
            self._changed = self._changed or value != getattr(self._counted, name)
            setattr(self._counted, name, value)
        for old in sorted(months)[:-MONTHS_KEPT]:
            del months[old]
        return Used(month=month, allowance=self.allowance, **counts)

    def tell(self) -> None:
        """Say in the log when half, 90 % and all of the allowance is used, once a month each."""
        used = self.look()
        if used.month != self._told_month:
            self._told, self._told_month = 0.0, used.month
        reached = max((at for at in TELL_AT if used.share is not None and used.share >= at), default=0.0)
        if reached > self._told:
            self._told = reached
            log.warning("the tunnel has used %s; at the end of it the provider may refuse phones", used.in_words())

    def save(self) -> None:
        """Write it down, if anything was counted since the last time; the file is whole at any moment."""
        self.look()
        if not self._changed:
            return
        self._changed = False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        with beside.open("w") as file:
            json.dump(self._months, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


def _checked(content: object) -> dict[str, dict[str, dict[str, int]]]:
    """The content of the file, if it is what we write. Raises ValueError."""
    names = {"bytes_in", "bytes_out", "requests"}
    if not isinstance(content, dict):
        raise ValueError("it holds no months")
    for months in content.values():
        if not isinstance(months, dict) or len(months) > 10 * MONTHS_KEPT:
            raise ValueError("it holds no months")
        for counts in months.values():
            if not isinstance(counts, dict) or set(counts) != names:
                raise ValueError("a month has other counts than expected")
            if not all(isinstance(value, int) and value >= 0 for value in counts.values()):
                raise ValueError("a count is no number")
    return content
