"""Looks for ONVIF cameras: WS-Discovery, then each camera's smallest stream (GetProfiles, GetStreamUri).

Runs as a process of its own, `python -m stream_server.ingest.pull.onvif`: the libraries take some 40 MB, once in a
while. It reads one JSON document with the wishes and writes one with the answers. Needs the extra `onvif`.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from recognition.errors import RollcallError, UnavailableError
from stream_server.ingest.pull.address import AddressRules, parse, resolve, shown

DEVICE_TIMEOUT_S = 8.0
RUN_TIMEOUT_S = 60.0
DEVICES_MAX = 64
# The type that every ONVIF camera answers to (ONVIF Core Specification, 7.3.2).
CAMERA_TYPE = ("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")


class OnvifMissing(UnavailableError):
    """The extra is not installed, or its process has failed."""

    code = "onvif_unavailable"


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that answered: the address of its service and, where it told, that of its smallest stream."""

    device: str
    stream: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    reason: str = ""


async def discover(timeout_s: float, username: str, password: str, rules: AddressRules) -> list[FoundCamera]:
    """The cameras that answer within `timeout_s`, looked for by a process of its own. Raises OnvifMissing."""
    wishes = {
        "timeout_s": timeout_s,
        "username": username,
        "password": password,
        "allow_private": rules.allow_private,
        "allow_loopback": rules.allow_loopback,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stream_server.ingest.pull.onvif",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path), "LANG": "C.UTF-8"},
    )
    try:
        async with asyncio.timeout(RUN_TIMEOUT_S):
            said, _ = await process.communicate(json.dumps(wishes).encode())
        answer = json.loads(said)
    except (TimeoutError, ValueError) as error:
        raise OnvifMissing("looking for cameras failed", hint="try again") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if "missing" in answer:
        raise OnvifMissing(
            f"the package {answer['missing']} is not installed",
            hint="`make extras` installs it, or `.venv/bin/pip install -e '.[onvif]'` in the project's folder",
        )
    return [FoundCamera(**camera) for camera in answer["cameras"]]


def smallest(profiles: list[Any]) -> Any | None:
    """The profile with the fewest pixels that is wide enough for faces; the smallest of all when none is."""
    sized = [profile for profile in profiles if _size(profile) is not None]
    enough = [profile for profile in sized if (_size(profile) or (0, 0))[0] >= 480]
    candidates = enough or sized
    return min(candidates, key=lambda profile: _pixels(_size(profile))) if candidates else None


def at_checked_host(url: str, rules: AddressRules) -> str:
    """A device's address with its name replaced by the IP that was checked. Raises as `parse` and `resolve` do."""
    address, _, _ = parse(url, rules)
    return address.at_ip(resolve(address, rules)[0])


async def ask(device_url: str, username: str, password: str, rules: AddressRules) -> FoundCamera:
    """Ask one camera for its smallest stream."""
    from onvif import ONVIFCamera

    shown_url = shown(device_url)
    camera = None
    try:
        checked = urlsplit(at_checked_host(device_url, rules))
        camera = ONVIFCamera(checked.hostname, checked.port or 80, username, password)
        async with asyncio.timeout(DEVICE_TIMEOUT_S):
            await camera.update_xaddrs()
            # What the device says of itself may lead elsewhere: its services are asked where the device itself is.
            for name, url in dict(camera.xaddrs).items():
                camera.xaddrs[name] = urlunsplit(urlsplit(url)._replace(netloc=checked.netloc))
            media = await camera.create_media_service()
            profile = smallest(await media.GetProfiles())
            if profile is None:
                return FoundCamera(shown_url, reason="it offers no video")
            setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
            answer = await media.GetStreamUri({"ProfileToken": profile.token, "StreamSetup": setup})
        stream, _, _ = parse(str(answer.Uri), rules)
        width, height = _size(profile) or (None, None)
        return FoundCamera(shown_url, shown(stream.url), width, height)
    except RollcallError as error:
        return FoundCamera(shown_url, reason=str(error))
    except Exception as error:
        # Whatever a stranger's device answers; the others are still asked. Its words may repeat what was sent.
        return FoundCamera(shown_url, reason=f"it did not tell its streams ({type(error).__name__})")
    finally:
        if camera is not None:
            await camera.close()


def _size(profile: Any) -> tuple[int, int] | None:
    try:
        resolution = profile.VideoEncoderConfiguration.Resolution
        return int(resolution.Width), int(resolution.Height)
    except (AttributeError, TypeError, ValueError):
        return None


def _pixels(size: tuple[int, int] | None) -> int:
    return 0 if size is None else size[0] * size[1]


def _look_around(timeout_s: float) -> list[str]:
    from wsdiscovery import QName
    from wsdiscovery.discovery import ThreadedWSDiscovery

    discovery = ThreadedWSDiscovery()
    discovery.start()
    try:
        services = discovery.searchServices(types=[QName(*CAMERA_TYPE)], timeout=timeout_s)
        found = [str(url) for service in services[:DEVICES_MAX] for url in service.getXAddrs()[:1]]
    finally:
        discovery.stop()
    return list(dict.fromkeys(found))


async def _main() -> dict[str, Any]:
    wishes = json.load(sys.stdin)
    rules = AddressRules(wishes["allow_private"], wishes["allow_loopback"])
    try:
        urls = await asyncio.to_thread(_look_around, wishes["timeout_s"])
        asked = await asyncio.gather(*(ask(url, wishes["username"], wishes["password"], rules) for url in urls))
    except ModuleNotFoundError as error:
        return {"missing": error.name}
    return {"cameras": [asdict(camera) for camera in asked]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main())))
