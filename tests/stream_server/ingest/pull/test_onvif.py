"""Finding ONVIF cameras: which stream is chosen, and a camera that answers SOAP as the real ones do."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from stream_server.ingest.pull.address import AddressNotAllowed, AddressRules
from stream_server.ingest.pull.onvif import OnvifMissing, ask, at_checked_host, discover, smallest
from tests.partners.onvif_camera import onvif_camera

LOOPBACK = AddressRules(allow_loopback=True)


def profile(width: int | None, height: int = 1) -> Any:
    if width is None:
        return SimpleNamespace(VideoEncoderConfiguration=None)
    resolution = SimpleNamespace(Width=width, Height=height)
    return SimpleNamespace(VideoEncoderConfiguration=SimpleNamespace(Resolution=resolution))


@pytest.mark.parametrize(
    ("widths", "chosen"),
    [([1920, 640, 320], 640), ([1920, 320], 1920), ([320, 160], 160), ([None, 704], 704), ([None], None), ([], None)],
)
def test_the_smallest_stream_that_is_wide_enough_is_chosen(widths: list[int | None], chosen: int | None) -> None:
    found = smallest([profile(width) for width in widths])
    assert (found and found.VideoEncoderConfiguration.Resolution.Width) == chosen


def test_a_device_in_a_forbidden_place_is_not_asked() -> None:
    with pytest.raises(AddressNotAllowed):
        at_checked_host("http://10.0.0.7/onvif/device_service", AddressRules())
    assert at_checked_host("http://127.0.0.1:81/x", LOOPBACK) == "http://127.0.0.1:81/x"


@pytest.fixture
def device() -> Iterator[str]:
    with onvif_camera("rtsp://8.8.8.8:554/sub?password=geheim") as address:
        yield address


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_camera_tells_its_smaller_stream(device: str) -> None:
    pytest.importorskip("onvif", reason="the extra onvif is not installed", exc_type=ImportError)
    found = await ask(device, "user", "geheim", LOOPBACK)
    assert (found.stream, found.width_px, found.height_px) == ("rtsp://8.8.8.8:554/sub?password=***", 640, 360), found
    assert "geheim" not in repr(found)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_device_that_is_none_says_so() -> None:
    pytest.importorskip("onvif", reason="the extra onvif is not installed", exc_type=ImportError)
    found = await ask("http://127.0.0.1:9/onvif", "user", "geheim", LOOPBACK)
    assert found.stream is None
    assert found.reason
    assert "geheim" not in found.reason


async def test_looking_around_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        import wsdiscovery  # noqa: F401
    except ImportError:
        with pytest.raises(OnvifMissing, match=r"rollcall\[onvif\]"):
            await discover(0.5, "", "", AddressRules())
    else:
        assert isinstance(await discover(0.5, "", "", AddressRules()), list)
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(OnvifMissing):
        await discover(0.5, "", "", AddressRules())
