"""A camera made of GStreamer's RTSP server, under the system's Python: H.264, with a password by digest.

Prints its port. On standard input: `size W H` changes the resolution on the way, `drop` ends every connection.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

USER, PASSWORD = "admin", "s3cret"
CAPS = "video/x-raw,width={},height={},framerate=15/1"
PIPELINE = (
    f"( videotestsrc is-live=true pattern=ball ! capsfilter name=size caps={CAPS.format(320, 240)}"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! h264parse config-interval=-1"
    " ! rtph264pay name=pay0 pt=96 )"
)


class Camera:
    """It listens from its making on."""

    def __init__(self) -> None:
        self.sizes: list[Any] = []
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service("0")
        self.server.set_auth(_digest())
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(PIPELINE)
        factory.set_shared(True)
        permissions = GstRtspServer.RTSPPermissions()
        for right in ("access", "construct"):
            permissions.add_permission_for_role("watcher", f"media.factory.{right}", True)
        factory.set_permissions(permissions)
        factory.connect("media-configure", lambda _, media: self.sizes.append(media.get_element()))
        self.server.get_mount_points().add_factory("/cam", factory)
        self.server.attach(None)

    def obey(self, line: str) -> None:
        """Do what a line of the input says."""
        verb, *numbers = line.split()
        if verb == "drop":
            self.server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        elif verb == "size":
            caps = Gst.Caps.from_string(CAPS.format(*numbers))
            self.sizes[-1].get_by_name("size").set_property("caps", caps)


def _digest() -> Any:
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "watcher")
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(USER, PASSWORD, token)
    return auth


def listen(camera: Camera, loop: Any) -> None:
    """Hand the input's lines to the loop, and end it with them."""
    for line in sys.stdin:
        GLib.idle_add(lambda line=line: bool(camera.obey(line)))
    GLib.idle_add(loop.quit)


Gst.init(None)
camera, loop = Camera(), GLib.MainLoop()
threading.Thread(target=listen, args=(camera, loop), daemon=True).start()
print(camera.server.get_bound_port(), flush=True)
loop.run()
