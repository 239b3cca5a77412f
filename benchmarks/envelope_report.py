"""The report of an envelope run, as a page for people and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.envelope import (
    AIM_ANSWER_S,
    AIM_MB_PER_MIN,
    AIM_READY_S,
    AIM_RSS_MB,
    CORES,
    MEMORY_BYTES,
    Envelope,
)
from benchmarks.measurement import percentile
from benchmarks.report import machine_line

REPORT_FILE = "ENVELOPE.md"


def as_json(came: Envelope, machine: Mapping[str, Any]) -> dict[str, Any]:
    """All of it."""
    # Of a Counter, asdict makes one of its pairs.
    counts = {"joins": dict(came.joins), "complaints": dict(came.complaints)}
    return {**asdict(came), **counts, "failures": came.failures, "machine": dict(machine)}


def page(came: Envelope, machine: Mapping[str, Any]) -> str:
    """`ENVELOPE.md`."""
    answers, usage = came.answers, came.usage
    taken = answers.taken_s or [float("nan")]
    verdict = [f"- {failure}" for failure in came.failures] or ["It lived, and every aim was met."]
    share = 100 * usage.throttled_periods / max(1, usage.periods)
    lines = [
        "# 256 MB and half a core",
        "",
        "Written by `make bench-envelope`; [how it works](../docs/how-to/benchmark.md#envelope).",
        "",
        f"{came.seconds / 60:g} minutes within {MEMORY_BYTES // 2**20} MiB of memory, no swap, and {CORES:g} of a core,"
        f" held by control groups of version {came.cgroup_version}. PostgreSQL and the cameras ran outside.",
        "",
        *verdict,
        "",
        "| What | Measured | Aim |",
        "|---|---:|---:|",
        f"| Killed for want of memory | {usage.oom_kills} | 0 |",
        f"| Most memory of the server | {came.peak_rss_mb:.0f} MB | {AIM_RSS_MB:.0f} MB |",
        f"| Most memory of all its processes, as the kernel counts it for the limit | {came.peak_group_mb:.0f} MB | |",
        f"| Its rise, the first third left out | {came.slope_mb_a_minute:.2f} MB/min | {AIM_MB_PER_MIN:g} MB/min |",
        f"| Start to ready | {came.ready_s:.1f} s | {AIM_READY_S:.0f} s |",
        f"| Answer to a frame, p50 | {percentile(taken, 50) * 1000:.0f} ms | |",
        f"| Answer to a frame, p95 | {percentile(taken, 95) * 1000:.0f} ms | {AIM_ANSWER_S * 1000:.0f} ms |",
        f"| Frames of the phones: sent, answered, dropped | "
        f"{answers.sent}, {len(answers.taken_s)}, {answers.dropped} | |",
        f"| Frames of the IP camera that were looked at | {came.ip_camera_frames} | |",
        f"| People marked present | {came.marked} | |",
        f"| Pace asked of a camera | {came.paces[0]:g} to {came.paces[1]:g} fps | |",
        f"| Tenths of a second in which it had used up its half core | {share:.0f} % | |",
        f"| Stopped within, with exit code | {came.stopped_s:.1f} s, {came.exit_code} | 10 s, 0 |",
        "",
        "| Asked by the office | Times | p50 | p95 |",
        "|---|---:|---:|---:|",
        *(
            f"| {what} | {len(times)} | {percentile(times, 50) * 1000:.0f} ms | {percentile(times, 95) * 1000:.0f} ms |"
            for what, times in came.office.items()
        ),
        "",
        "| A phone that would rather use WebRTC | Times |",
        "|---|---:|",
        *(f"| {what} | {count} |" for what, count in came.joins.items()),
        "",
        f"Machine: {machine_line(machine)}; load average of the minute before {machine.get('load_before', 0):g}.",
    ]
    return "\n".join(lines) + "\n"
