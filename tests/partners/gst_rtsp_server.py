"""A GStreamer RTSP server, run by the system's Python: gst_rtsp_server.py PORT JSON.

JSON maps paths to {"launch": pipeline, "user": …, "password": …}; prints "ready" once it listens.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
auth = GstRtspServer.RTSPAuth()
guarded = False
for path, item in json.loads(sys.argv[2]).items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(item["launch"])
    factory.set_shared(True)
    if "user" in item:
        guarded = True
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        basic = GstRtspServer.RTSPAuth.make_basic(item["user"], item["password"])
        auth.add_basic(basic, token)
        permissions = GstRtspServer.RTSPPermissions()
        for right in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("user", right, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)
if guarded:
    server.set_auth(auth)
if not server.attach(None):
    sys.exit("the port is taken")
print("ready", flush=True)
GLib.MainLoop().run()
