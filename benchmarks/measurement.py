"""What a benchmark gives: measurements, and the statistics they are made with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Advance = Callable[[float], None]
"""Called by a benchmark with the part of its work that is done, 0..1."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured number. `name` is for programs and stays the same, `title` for people.

    `aim` is the most that `value` should be; None when there is nothing to hold it against. `detail` holds what else
    is worth knowing, as JSON.
    """

    name: str
    value: float
    unit: str
    aim: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without an aim."""
        return None if self.aim is None else self.value <= self.aim


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` (0..100) of the values lie, interpolated. ValueError when there are none."""
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[float]) -> float:
    """The middle value. ValueError when there are none."""
    return percentile(values, 50)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The rise of y for each unit of x, by least squares over (x, y). ValueError when all x are the same."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / max(count, 1)
    mean_y = sum(y for _, y in points) / max(count, 1)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        raise ValueError("a slope needs points at two places")
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def rounded(value: float) -> float:
    """A number with four digits that count: more than any of these measurements is good for."""
    return float(f"{value:.4g}")
