"""GStreamer's webrtcbin as a WHIP client. Run by the system's Python, which has the bindings:

webrtc_gstreamer.py URL TOKEN MJPEG [actpass|passive]

Streams until it is ended. `passive` insists on the DTLS server's part, with GStreamer's RSA certificate.
"""

import sys
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = (
    "multifilesrc location={file} loop=true caps=image/jpeg,framerate=15/1 ! jpegparse ! identity sync=true ! jpegdec "
    "! videoconvert ! vp8enc deadline=1 keyframe-max-dist=30 target-bitrate=800000 ! rtpvp8pay "
    "! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! webrtcbin name=peer bundle-policy=max-bundle"
)


def main(url: str, token: str, file: str, setup: str = "actpass") -> None:
    Gst.init(None)
    pipeline = Gst.parse_launch(PIPELINE.format(file=file))
    peer = pipeline.get_by_name("peer")
    loop = GLib.MainLoop()

    def offered(promise: Gst.Promise, *_: object) -> None:
        reply = promise.get_reply()  # owns the offer, and must live as long
        peer.emit("set-local-description", reply.get_value("offer"), None)

    def gathered(*_: object) -> None:
        GLib.idle_add(ask)  # this is a thread of GStreamer's, which must not wait

    def ask() -> None:
        if peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        offer = peer.get_property("local-description").sdp.as_text().replace("a=setup:actpass", f"a=setup:{setup}")
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(url, offer.encode(), headers, method="POST")
        with urllib.request.urlopen(request) as response:
            text = response.read()
        _, message = GstSdp.SDPMessage.new_from_text(text.decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        peer.emit("set-remote-description", answer, None)

    peer.connect(
        "on-negotiation-needed", lambda _: peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered))
    )
    peer.connect("notify::ice-gathering-state", gathered)
    peer.connect(
        "notify::connection-state", lambda *_: print(peer.get_property("connection-state").value_nick, flush=True)
    )
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", lambda _, message: (print(*message.parse_error(), file=sys.stderr), loop.quit()))
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
