"""Finding ONVIF cameras: which stream is chosen, and a camera that answers SOAP as the real ones do."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from stream_server.ingest.pull.address import AddressNotAllowed, AddressRules
from stream_server.ingest.pull.onvif import OnvifMissing, ask, at_checked_host, discover, smallest

LOOPBACK = AddressRules(allow_loopback=True)
ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
    'xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">'
    "<s:Body>{}</s:Body></s:Envelope>"
)
SERVICE = (
    "<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{0}/wsdl</tds:Namespace>"
    # As many cameras do: the address that it believes to have, and not the one that it has.
    "<tds:XAddr>http://10.9.9.9/onvif/{0}</tds:XAddr>"
    "<tds:Version><tt:Major>2</tt:Major><tt:Minor>0</tt:Minor></tds:Version></tds:Service>"
)
PROFILE = (
    '<trt:Profiles token="{0}" fixed="true"><tt:Name>{0}</tt:Name><tt:VideoEncoderConfiguration token="v">'
    "<tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>"
    "<tt:Resolution><tt:Width>{1}</tt:Width><tt:Height>{2}</tt:Height></tt:Resolution><tt:Quality>1</tt:Quality>"
    "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration></trt:Profiles>"
)
ANSWERS = {
    "GetServices": "<tds:GetServicesResponse>" + SERVICE.format("media") + "</tds:GetServicesResponse>",
    "GetProfiles": "<trt:GetProfilesResponse>"
    + PROFILE.format("main", 1920, 1080)
    + PROFILE.format("sub", 640, 360)
    + "</trt:GetProfilesResponse>",
    "GetStreamUri": (
        "<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://8.8.8.8:554/sub?password=geheim</tt:Uri>"
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
        "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>"
    ),
}


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
    class Device(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            name = next((name for name in ANSWERS if f"{name}" in body), None)
            data = ENVELOPE.format(ANSWERS[name]).encode() if name else b""
            self.send_response(200 if name else 500)
            self.send_header("Content-Type", "application/soap+xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Device)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/onvif/device_service"
    server.shutdown()
    server.server_close()
    thread.join()


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
