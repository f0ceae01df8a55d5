"""A camera whose groups of pictures go on whoever comes: real ones do not begin anew for a viewer.

/usr/bin/python3 group_camera.py     prints `port N` and serves RTSP at /camera until it is ended

GStreamer's server asks the encoder for a key frame whenever somebody new plays; that wish is
thrown away here. Under the distribution's Python, which alone has GStreamer.
"""

from __future__ import annotations

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  (its version is chosen first)

# 25 pictures a second, a key frame every two seconds.
PICTURES_PER_S = 25
GROUP = 50
LAUNCH = (
    "( videotestsrc is-live=true pattern=ball ! "
    f"video/x-raw,format=I420,width=320,height=180,framerate={PICTURES_PER_S}/1 ! "
    f"x264enc name=encoder tune=zerolatency key-int-max={GROUP} speed-preset=ultrafast ! "
    "rtph264pay name=pay0 pt=96 config-interval=1 )"
)
WISH = "GstForceKeyUnit"


def main() -> None:
    """Serve."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH)
    factory.set_shared(True)
    factory.connect("media-configure", keep_to_groups)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print(f"port {server.get_bound_port()}", flush=True)
    GLib.MainLoop().run()


def keep_to_groups(_factory, media) -> None:  # type: ignore[no-untyped-def]
    """Throw wishes for a key frame away before they come to the encoder."""
    pad = media.get_element().get_child_by_name("encoder").get_static_pad("src")
    pad.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, drop_wishes)


def drop_wishes(_pad, probe):  # type: ignore[no-untyped-def]
    """Tell what becomes of an event."""
    content = probe.get_event().get_structure()
    is_wish = content is not None and content.get_name() == WISH
    return Gst.PadProbeReturn.DROP if is_wish else Gst.PadProbeReturn.OK


if __name__ == "__main__":
    main()
