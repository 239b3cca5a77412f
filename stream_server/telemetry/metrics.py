"""What `/metrics` tells Prometheus: plain figures that the parts keep anyway. Nothing here asks the database.

No person, no address and no token is in any name or label. Ids of cameras are, of those that stream now: no more than
may stream at one time, and not at all with ROLLCALL_METRICS__CAMERAS=false. docs/reference/metrics.md lists everything,
and a test holds it to this module.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from stream_server.governor.pressure import Pressure
from stream_server.memory import peak_rss_mb, rss_mb
from stream_server.telemetry.stage_times import Times

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from stream_server.services import Services

_DROPS = ("paced", "replaced", "expired", "left")
_OUTCOMES = ("known", "review", "unknown", "unusable", "pending")


class Figures:
    """All families of one scrape; what the registry of the library asks for."""

    def __init__(self, services: "Services") -> None:
        self._services = services

    def collect(self) -> "Iterator[Metric]":
        """One family after the other."""
        services = self._services
        yield from _of_frames(services)
        yield from _of_stages(services)
        yield from _of_storage(services)
        yield from _of_memory(services)
        yield from _of_connections(services)
        if services.settings.metrics.cameras:
            yield from _of_cameras(services)


def write(services: "Services") -> bytes:
    """The figures as text, format 0.0.4."""
    # With the first scrape: who has no Prometheus does not pay for it.
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(services))
    return generate_latest(registry)


def _of_frames(services: "Services") -> "Iterator[Metric]":
    sampler = services.sampler
    totals = sampler.totals()
    yield counter("rollcall_frames_received", "Frames that cameras sent.", totals.received)
    yield counter("rollcall_frames_processed", "Frames that were recognised.", totals.processed)
    yield counter("rollcall_frames_failed", "Frames that could not be recognised.", totals.failed)
    yield labelled_counter(
        "rollcall_frames_dropped",
        "Frames that were never looked at, by reason.",
        "reason",
        {reason: getattr(totals, f"dropped_{reason}") for reason in _DROPS},
    )
    yield gauge("rollcall_pace_fps", "Frames a second asked of each camera now.", sampler.pace_fps)
    yield gauge("rollcall_queue_frames", "Frames that wait to be recognised.", sampler.waiting)
    age_s = sampler.oldest_waiting_s(time.monotonic())
    yield gauge("rollcall_queue_age_seconds", "How long the oldest of them has waited.", age_s)
    cost_ms = sampler.frame_cost_ms
    if cost_ms is not None:
        yield gauge("rollcall_frame_cost_seconds", "Time of a thread that a frame takes, smoothed.", cost_ms / 1e3)
    yield gauge("rollcall_recognition_threads", "Recognition threads.", services.executor.threads)
    yield counter(
        "rollcall_pictures_refused", "Single pictures refused: too many waited.", services.executor.refused_single
    )


def _of_stages(services: "Services") -> "Iterator[Metric]":
    from prometheus_client.core import HistogramMetricFamily

    times = services.times
    family = HistogramMetricFamily(
        "rollcall_stage_seconds", "Time that a frame (`store`: a sighting) takes at each stage.", labels=["stage"]
    )
    for stage, taken in times.stages.items():
        family.add_metric([stage], taken.buckets(), taken.sum_s)
    yield family
    yield histogram("rollcall_frame_wait_seconds", "How long frames waited until they were recognised.", times.waits)
    yield labelled_counter(
        "rollcall_frames_searched",
        "Recognised frames, by how much of them was searched for faces.",
        "part",
        {part.value: count for part, count in times.searched.items()},
    )
    yield labelled_counter(
        "rollcall_faces",
        "Faces in recognised frames, by what was said of them.",
        "outcome",
        {outcome: times.faces.get(outcome, 0) for outcome in _OUTCOMES},
    )
    people = services.people
    yield gauge("rollcall_gallery_people", "People who are compared with.", people.people)
    yield gauge("rollcall_gallery_templates", "Their templates.", people.templates)


def _of_storage(services: "Services") -> "Iterator[Metric]":
    recorder = services.recorder
    outcomes = {
        "stored": recorder.stored,
        "withheld": recorder.withheld,
        "refused": recorder.refused,
        "lost": recorder.dropped,
    }
    yield labelled_counter("rollcall_sightings", "Decided sightings, by what became of them.", "outcome", outcomes)
    yield gauge("rollcall_database_up", "1 while the database can be reached.", services.bus.connected)
    yield gauge("rollcall_spooling", "1 while sightings go to the disk.", recorder.spooling)
    yield gauge("rollcall_spool_sightings", "Decided sightings that are not in the database yet.", recorder.pending)
    yield gauge("rollcall_events_last_id", "The newest event that this server has seen.", services.bus.last_id)
    webhooks = services.deliveries
    yield labelled_counter(
        "rollcall_webhook_attempts",
        "Attempts of this server to deliver an event to a webhook.",
        "outcome",
        {"taken": webhooks.taken, "failed": webhooks.failed},
    )
    yield gauge("rollcall_webhooks_failing", "Webhooks whose last attempt from here has failed.", len(webhooks.failing))


def _of_memory(services: "Services") -> "Iterator[Metric]":
    governor = services.governor
    yield gauge("rollcall_memory_resident_bytes", "Resident memory of the server process.", rss_mb() * 1e6)
    yield gauge("rollcall_memory_peak_bytes", "The most that was ever resident.", peak_rss_mb() * 1e6)
    yield gauge("rollcall_memory_used_bytes", "Used of the limit, without file cache.", governor.use.used_bytes)
    yield gauge("rollcall_memory_limit_bytes", "The limit that is nearest.", governor.use.limit_bytes)
    yield gauge("rollcall_memory_used_ratio", "How near it is: pressure rises with it.", governor.use.share)
    yield gauge("rollcall_cpu_limit", "Processors that the server may use.", governor.limits.cpus)
    yield labelled_gauge(
        "rollcall_memory_pressure",
        "1 for how short memory is now.",
        "state",
        {state.value: state is governor.pressure for state in Pressure},
    )
    yield labelled_counter(
        "rollcall_memory_pressure_rises",
        "How often memory became so short.",
        "state",
        {state.value: count for state, count in governor.rises.items()},
    )
    yield gauge("rollcall_models_loaded", "1 while the networks are in memory.", services.executor.loaded)
    yield labelled_gauge(
        "rollcall_alerts",
        "Alerts that are raised now, by kind.",
        "alert",
        {kind.value: count for kind, count in services.alerts.counts().items()},
    )
    yield labelled_gauge("rollcall_build_info", "1, with the version.", "version", {version("rollcall"): 1})


def _of_connections(services: "Services") -> "Iterator[Metric]":
    hub = services.hub
    yield gauge("rollcall_cameras_connected", "Cameras that stream now.", hub.connected)
    yield gauge("rollcall_cameras_max", "Cameras that may stream at one time.", hub.max_cameras)
    yield counter("rollcall_cameras_refused", "Cameras that found no room.", hub.refused)
    yield counter("rollcall_webrtc_refused", "WebRTC peers that found no room.", services.webrtc.refused)
    yield counter("rollcall_messages_dropped", "Messages to cameras that read too slowly.", hub.messages_dropped)
    states = services.pulls.supervisor.counts()
    readers = states.pop("readers", 0)
    yield labelled_gauge("rollcall_pulled_cameras", "Cameras that the server opens, by state.", "state", states)
    yield gauge("rollcall_readers", "Processes that read such cameras.", readers)
    yield labelled_gauge(
        "rollcall_sockets",
        "Long connections that are open, by kind.",
        "kind",
        {
            "camera": hub.connected,
            "events": services.bus.followers,
            "webrtc": services.webrtc.count,
        },
    )


def _of_cameras(services: "Services") -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    received = CounterMetricFamily("rollcall_camera_frames_received", "Frames of each camera.", labels=["camera"])
    dropped = CounterMetricFamily("rollcall_camera_frames_dropped", "Frames never looked at.", labels=["camera"])
    for camera_id, counts in services.hub.all_counts().items():
        received.add_metric([camera_id], counts.received)
        dropped.add_metric([camera_id], counts.dropped)
    live = GaugeMetricFamily(
        "rollcall_pulled_camera_up", "1 while pictures come of a camera that the server opens.", labels=["camera"]
    )
    for camera_id, state in services.pulls.supervisor.states().items():
        live.add_metric([camera_id], state.value == "live")
    yield from (received, dropped, live)


def gauge(name: str, help_: str, value: float) -> "Metric":
    """A figure that goes up and down."""
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, help_, value=float(value))


def counter(name: str, help_: str, value: float) -> "Metric":
    """A figure that only grows; it gets the ending `_total`."""
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(name, help_, value=value)


def histogram(name: str, help_: str, times: Times) -> "Metric":
    """Durations in buckets."""
    from prometheus_client.core import HistogramMetricFamily

    return HistogramMetricFamily(name, help_, buckets=times.buckets(), sum_value=times.sum_s)


def labelled_gauge(name: str, help_: str, label: str, values: Mapping[str, float]) -> "Metric":
    """Gauges told apart by one label."""
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(name, help_, labels=[label]), values.items())


def labelled_counter(name: str, help_: str, label: str, values: Mapping[str, float]) -> "Metric":
    """Counters told apart by one label."""
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(name, help_, labels=[label]), values.items())


def _filled(family: Any, values: Iterable[tuple[str, float]]) -> "Metric":
    for value, figure in values:
        family.add_metric([value], float(figure))
    filled: Metric = family
    return filled
