from stream_server.governor.fitting import cameras_max, fit
from stream_server.governor.limits import Limits, Source
from stream_server.settings import Settings
from tests.stream_server.governor.hosts import MIB


def host(memory_mib: int, cpus: float) -> Limits:
    return Limits(memory_mib * MIB, Source.CGROUP_V2, cpus, Source.CGROUP_V2)


def test_a_machine_of_two_cores_keeps_the_defaults() -> None:
    settings = Settings(_env_file=None)
    fitted = fit(settings, host(8192, 2.0))
    assert fitted.settings is settings
    assert fitted.changes == ()


def test_a_free_container_gets_less_of_everything() -> None:
    settings = fit(Settings(_env_file=None), host(256, 0.5)).settings
    assert settings.recognition.threads == 1
    assert settings.recognition.pictures_waiting_max == 2
    assert settings.recognition.detection_width_px == 640
    assert settings.cameras.max_cameras <= 36
    assert 0 < settings.webrtc.max_peers < 8
    assert settings.http.max_connections == 256


def test_the_smallest_hosts_look_for_faces_in_smaller_pictures() -> None:
    assert fit(Settings(_env_file=None), host(192, 1.0)).settings.recognition.detection_width_px == 480
    assert fit(Settings(_env_file=None), host(512, 0.1)).settings.recognition.detection_width_px == 480


def test_many_cores_get_more_threads_and_never_more_than_four() -> None:
    assert fit(Settings(_env_file=None), host(8192, 3.0)).settings.recognition.threads == 3
    assert fit(Settings(_env_file=None), host(8192, 64.0)).settings.recognition.threads == 4


def test_what_is_set_wins() -> None:
    given = Settings(
        _env_file=None,
        recognition={"threads": 3, "detection_width_px": 960},
        cameras={"max_cameras": 50},
        http={"max_connections": 400},
    )
    fitted = fit(given, host(192, 0.5))
    assert fitted.settings.recognition.threads == 3
    assert fitted.settings.recognition.detection_width_px == 960
    assert fitted.settings.cameras.max_cameras == 50
    assert fitted.settings.http.max_connections == 400
    assert fitted.cameras_are_given
    assert all("max_cameras" not in change for change in fitted.changes)


def test_auto_is_not_set() -> None:
    given = Settings(_env_file=None, recognition={"threads": "auto"}, cameras={"max_cameras": "auto"})
    fitted = fit(given, host(256, 0.5))
    assert fitted.settings.recognition.threads == 1
    assert not fitted.cameras_are_given


def test_every_change_is_told() -> None:
    assert "recognition.threads 2 -> 1" in fit(Settings(_env_file=None), host(256, 0.5)).changes


def test_there_is_always_room_for_some_cameras() -> None:
    assert cameras_max(host(64, 0.1)) == 8
    assert cameras_max(host(100_000, 8)) == 64
