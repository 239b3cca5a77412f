import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_server.governor.limits import Limits, MemoryUse, Source, machine_cpus, memory_uses, read_limits
from tests.stream_server.governor.hosts import MIB, Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def limits_of(host: Host) -> Limits:
    return read_limits(cgroups=host.cgroups, proc=host.proc, cpus_of_machine=4)


def uses_of(host: Host) -> list[MemoryUse]:
    return memory_uses(cgroups=host.cgroups, proc=host.proc)


def test_without_groups_the_machine_is_the_limit(host: Host) -> None:
    assert limits_of(host) == Limits(8 * 2**30, Source.MACHINE, 4.0, Source.MACHINE)
    assert uses_of(host) == [MemoryUse(2 * 2**30, 8 * 2**30, Source.MACHINE)]


def test_a_container_of_version_2_is_the_limit(host: Host) -> None:
    host.container(limit_mib=256, cpu_max="50000 100000")
    assert limits_of(host) == Limits(256 * MIB, Source.CGROUP_V2, 0.5, Source.CGROUP_V2)


def test_the_tightest_of_the_groups_above_counts(host: Host) -> None:
    host.is_in("0::/pod/server")
    host.group_v2("pod", memory_max=str(300 * MIB), memory_current="1", cpu_max="max 100000")
    host.group_v2("pod/server", memory_max=str(500 * MIB), memory_current="1", cpu_max="150000 100000")
    assert limits_of(host) == Limits(300 * MIB, Source.CGROUP_V2, 1.5, Source.CGROUP_V2)


def test_no_limit_of_version_2_is_none(host: Host) -> None:
    host.is_in("0::/")
    host.group_v2("", memory_max="max", memory_current="5", cpu_max="max 100000")
    assert limits_of(host).memory_source is Source.MACHINE
    assert limits_of(host).cpu_source is Source.MACHINE


def test_file_cache_is_not_used_memory(host: Host) -> None:
    host.container(limit_mib=256, used_mib=200)
    host.group_v2(
        "", memory_stat=f"anon 7\nfile 9\ninactive_file {60 * MIB}\nactive_file {30 * MIB}\nslab_reclaimable {10 * MIB}"
    )
    assert uses_of(host)[0] == MemoryUse(100 * MIB, 256 * MIB, Source.CGROUP_V2)


def test_time_spent_waiting_for_memory_is_read(host: Host) -> None:
    host.container()
    host.group_v2("", memory_pressure="some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=3.00 total=0")
    assert uses_of(host)[0].stalled_share == 0.125


def test_groups_of_version_1_are_limits(host: Host) -> None:
    host.is_in("4:memory:/jobs/a", "1:cpu,cpuacct:/jobs/a", "0::/")
    host.group_v1("memory", "", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="1")
    host.group_v1(
        "memory",
        "jobs/a",
        memory__limit_in_bytes=str(256 * MIB),
        memory__usage_in_bytes=str(220 * MIB),
        memory__stat=f"cache 1\ntotal_inactive_file {20 * MIB}\ntotal_active_file {10 * MIB}",
    )
    host.group_v1("cpu,cpuacct", "", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    host.group_v1("cpu,cpuacct", "jobs/a", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert limits_of(host) == Limits(256 * MIB, Source.CGROUP_V1, 0.5, Source.CGROUP_V1)
    assert uses_of(host)[0] == MemoryUse(190 * MIB, 256 * MIB, Source.CGROUP_V1)


def test_a_path_of_the_host_that_a_container_cannot_see_means_its_root(host: Host) -> None:
    host.is_in("4:memory:/docker/0123456789")
    host.group_v1("memory", "", memory__limit_in_bytes=str(128 * MIB), memory__usage_in_bytes="1")
    assert limits_of(host).memory_bytes == 128 * MIB


def test_a_path_that_leads_out_of_the_mount_is_not_followed(host: Host, tmp_path: Path) -> None:
    host.container(limit_mib=256)
    host.is_in("0::/../../elsewhere")
    host.put(tmp_path / "elsewhere" / "memory.max", "1\n")
    host.put(tmp_path / "elsewhere" / "memory.current", "1\n")
    assert limits_of(host).memory_bytes == 256 * MIB


@pytest.mark.parametrize("text", ["", "\n", "lots", "-", "\x00", "12 34"])
def test_nonsense_of_the_kernel_is_no_limit_and_no_error(host: Host, text: str) -> None:
    host.container()
    host.group_v2("", memory_max=text, cpu_max=text, memory_pressure=text, memory_stat=text)
    host.group_v1("memory", "", memory__limit_in_bytes=text)
    assert limits_of(host).memory_source is Source.MACHINE


@pytest.mark.parametrize(
    ("total_mib", "left_mib", "share"),
    [(8192, 6144, 0.0), (8192, 1100, 0.0), (8192, 256, 0.75), (512, 256, 0.5), (512, 51.2, 0.9)],
)
def test_a_large_machine_is_not_short_while_a_gigabyte_is_left(total_mib: int, left_mib: float, share: float) -> None:
    use = MemoryUse(round((total_mib - left_mib) * MIB), total_mib * MIB, Source.MACHINE)
    assert use.share == pytest.approx(share)


def test_where_the_kernel_says_nothing_at_all_something_is_assumed(tmp_path: Path) -> None:
    limits = read_limits(cgroups=tmp_path / "none", proc=tmp_path / "none", cpus_of_machine=2)
    assert limits.memory_bytes > 0
    assert memory_uses(cgroups=tmp_path / "none", proc=tmp_path / "none") == []


def test_this_machine_can_be_read() -> None:
    limits = read_limits(cpus_of_machine=machine_cpus())
    assert limits.memory_bytes > 2**27
    assert 0 < limits.cpus <= machine_cpus()


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A group of this machine's memory controller (v1), which the test may limit."""
    mount = Path("/sys/fs/cgroup/memory")
    lines = Path("/proc/self/cgroup").read_text().splitlines() if Path("/proc/self/cgroup").exists() else []
    mine = next((line.split(":", 2)[2] for line in lines if line.split(":", 2)[1] == "memory"), None)
    if mine is None or not os.access(mount / mine.lstrip("/"), os.W_OK):
        pytest.skip("there is no memory group that could be written")
    group = mount / mine.lstrip("/") / f"rollcall-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made: {error.strerror}")
    yield group
    group.rmdir()


def test_a_real_group_that_is_limited_while_it_runs_is_seen(real_group: Path, tmp_path: Path) -> None:
    host = Host(tmp_path)
    inside = real_group.relative_to("/sys/fs/cgroup/memory")
    host.is_in(f"4:memory:/{inside}")

    def limit() -> int:
        limits = read_limits(cgroups=Path("/sys/fs/cgroup"), proc=host.proc, cpus_of_machine=1)
        return limits.memory_bytes

    before = limit()
    (real_group / "memory.limit_in_bytes").write_text(str(64 * MIB))
    assert limit() == 64 * MIB < before
