import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_server.access.door import Traffic
from stream_server.tunnel.usage import Allowance, Usage, Used

NOVEMBER = datetime(2026, 11, 23, 12, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOVEMBER

    def __call__(self) -> datetime:
        return self.now


Make = Callable[..., Usage]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(traffic: Traffic, *, clock: Clock | None = None, provider: str = "ngrok", **allowance: int) -> Usage:
        usage = Usage(tmp_path / "data" / "usage.json", provider, traffic, Allowance(**allowance), clock or Clock())
        usage.load()
        return usage

    return make


def test_what_was_counted_is_kept_over_a_restart(make: Make) -> None:
    traffic = Traffic()
    usage = make(traffic)
    traffic.bytes_in, traffic.bytes_out, traffic.requests = 100, 20, 3
    assert usage.look() == usage.look()  # looking counts nothing twice
    usage.save()
    traffic.bytes_in += 5
    usage.save()
    used = make(Traffic(bytes_in=1000)).look()
    assert (used.month, used.bytes_in, used.bytes_out, used.requests) == ("2026-11", 1105, 20, 3)


def test_a_month_begins_at_nothing_and_the_last_year_is_kept(make: Make) -> None:
    clock, traffic = Clock(), Traffic()
    usage = make(traffic, clock=clock)
    for month in range(24):
        clock.now = datetime(2026 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        traffic.requests += 7
        assert usage.look().requests == 7
    usage.save()
    kept = json.loads(usage.path.read_text())["ngrok"]
    assert sorted(kept)[0] == "2026-12"
    assert len(kept) == 13


def test_providers_are_counted_apart(make: Make) -> None:
    make(Traffic(requests=2)).save()
    make(Traffic(requests=9), provider="cloudflared").save()
    assert make(Traffic()).look().requests == 2


def test_the_scarcer_allowance_decides(make: Make) -> None:
    traffic = Traffic(bytes_in=300, bytes_out=200, requests=10)
    assert make(traffic, bytes_max=1000, requests_max=100).look().share == 0.5
    assert make(traffic, bytes_max=1000, requests_max=11).look().share == pytest.approx(10 / 11)
    assert make(traffic).look().share is None


def test_it_is_said_in_words() -> None:
    used = Used("2026-11", 100_000_000, 20_000_000, 300, Allowance(1_000_000_000, 20_000))
    assert used.in_words() == "120.0 of 1,000 MB and 300 of 20,000 requests this month (12% of the allowance)"
    assert Used("2026-11", 1_500_000, 0, 3, Allowance()).in_words() == "1.5 MB and 3 requests this month"


def test_half_nine_tenths_and_all_of_it_are_told_once_a_month(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    clock, traffic = Clock(), Traffic()
    usage = make(traffic, clock=clock, requests_max=100)
    told = []
    with caplog.at_level(logging.WARNING):
        for requests in (10, 49, 50, 51, 89, 92, 95, 150, 151):
            traffic.requests = requests
            caplog.clear()
            usage.tell()
            told += [requests] * len(caplog.records)
        assert told == [50, 92, 150]
        clock.now = DECEMBER
        traffic.requests += 60
        caplog.clear()
        usage.tell()
        assert "60 of 100 requests" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"ngrok": 1}',
        b'{"ngrok": {"2026-11": {"bytes_in": 1}}}',
        b'{"ngrok": {"2026-11": {"bytes_in": -1, "bytes_out": 0, "requests": 0}}}',
        b'{"ngrok": {"2026-11": {"bytes_in": "1", "bytes_out": 0, "requests": 0}}}',
        b"\xff\xfe",
    ],
)
def test_a_file_that_cannot_be_read_is_set_aside_and_counting_begins_anew(
    content: bytes, make: Make, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "usage.json"
    path.parent.mkdir()
    path.write_bytes(content)
    usage = make(Traffic(requests=1))
    assert usage.look().requests == 1
    usage.save()
    assert path.with_suffix(".damaged").read_bytes() == content
    assert make(Traffic()).look().requests == 1


def test_nothing_is_written_when_nothing_was_counted(make: Make) -> None:
    usage = make(Traffic())
    usage.save()
    assert not usage.path.exists()
