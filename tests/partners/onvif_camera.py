"""An ONVIF camera: answers SOAP as the real ones do, and to those who look for cameras in the network."""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

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
        "<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>STREAM</tt:Uri>"
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
        "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>"
    ),
}

LOOK_GROUP, LOOK_PORT = "239.255.255.250", 3702
MATCH = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:MessageID>urn:uuid:{message}</a:MessageID>'
    "<a:RelatesTo>{asked}</a:RelatesTo>"
    "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
    "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action>"
    '<d:AppSequence InstanceId="1" MessageNumber="1"/></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>'
    "<a:EndpointReference><a:Address>urn:uuid:0b8c5a51-2f0b-4f3e-9c5a-6f2f5f0c1a01</a:Address></a:EndpointReference>"
    "<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes/><d:XAddrs>{device}</d:XAddrs>"
    "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
)


@contextmanager
def onvif_camera(stream: str) -> Iterator[str]:
    """The address of a camera that names `stream` as its smaller one."""

    class Device(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            name = next((name for name in ANSWERS if name in body), None)
            data = ENVELOPE.format(ANSWERS[name].replace("STREAM", stream)).encode() if name else b""
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
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/onvif/device_service"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def answers_who_looks(device: str) -> Iterator[None]:
    """Tell those who look for cameras in the network (WS-Discovery) that this one is there."""
    over = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("", LOOK_PORT))
        for _, name in socket.if_nameindex():
            # ip_mreqn: the group, any address, this interface.
            member = struct.pack("=4s4si", socket.inet_aton(LOOK_GROUP), bytes(4), socket.if_nametoindex(name))
            with contextlib.suppress(OSError):  # an interface that speaks no multicast
                listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        listening.settimeout(0.1)

        def answer() -> None:
            while not over.is_set():
                try:
                    probe, asker = listening.recvfrom(65536)
                except TimeoutError:
                    continue
                asked = re.search(rb"MessageID[^>]*>([^<]+)<", probe)
                if asked and b"Probe<" in probe.replace(b"Probe>", b"Probe<"):
                    match = MATCH.format(message=uuid4(), asked=asked[1].decode(), device=device)
                    listening.sendto(match.encode(), asker)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
