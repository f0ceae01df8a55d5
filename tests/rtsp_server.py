"""A real RTSP server (GStreamer) as a child process under the distribution's Python.

Run as a script it *is* that server; imported, it starts and stops one. Its pictures are a ball, or
time codes: each then tells the wall time at which it was made.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import time_code

DISTRIBUTION_PYTHON = "/usr/bin/python3"
PATH = "/camera"
FPS = 25
BALL, TIME_CODES = "ball", "time codes"
_START_S = 240.0


class RTSPServer:
    """One running server with one picture source at `/camera`, small, 25 pictures a second."""

    def __init__(
        self,
        *,
        user: str = "",
        password: str = "",
        codec: str = "h264",
        port: int = 0,
        pictures: str = BALL,
    ) -> None:
        self.user, self.password = user, password
        options = {
            "user": user, "password": password, "codec": codec, "port": str(port),
            "pictures": pictures,
        }  # fmt: skip
        self._child = subprocess.Popen(
            [DISTRIBUTION_PYTHON, __file__, json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.defpath, "HOME": os.environ.get("HOME", "/")},
        )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line.startswith("port "), f"the RTSP server did not start: {line!r}"
        self.port = int(line.split()[1])

    def url(self, path: str = PATH, *, user: str = "", password: str = "") -> str:
        login = f"{user}:{password}@" if user else ""
        return f"rtsp://{login}127.0.0.1:{self.port}{path}"

    def freeze(self) -> None:
        self._child.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._child.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._child.kill()
        self._child.wait(_START_S)
        if self._child.stdout is not None:
            self._child.stdout.close()


def missing() -> str:
    """Tell what this machine lacks to run the server; empty if nothing."""
    if not Path(DISTRIBUTION_PYTHON).exists():
        return f"no {DISTRIBUTION_PYTHON}"
    probe = subprocess.run(
        [DISTRIBUTION_PYTHON, __file__, "probe"],
        capture_output=True,
        text=True,
        timeout=_START_S,
        check=False,
    )
    if probe.returncode == 0:
        return ""
    return (
        "apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0 "
        f"gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly ({probe.stderr.strip()[-80:]})"
    )


def _libraries():
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    for element in ("videotestsrc", "appsrc", "x264enc", "rtph264pay", "jpegenc", "rtpjpegpay"):
        if Gst.ElementFactory.find(element) is None:
            raise SystemExit(f"no GStreamer element {element}")
    return GLib, Gst, GstRtspServer


def _serve(options: dict[str, str]) -> None:
    loop_library, stream_library, server_library = _libraries()
    server = server_library.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options["port"])
    encoded = {
        "h264": "x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast ! rtph264pay"
        " config-interval=1",
        "mjpeg": "jpegenc ! rtpjpegpay",
    }[options["codec"]]
    factory = server_library.RTSPMediaFactory()
    if options["pictures"] == TIME_CODES:
        source = (
            "appsrc name=clock is-live=true do-timestamp=true format=time caps="
            f"video/x-raw,format=I420,width={time_code.WIDTH},height={time_code.HEIGHT},"
            f"framerate={FPS}/1"
        )
        factory.connect("media-configure", _show_time, loop_library, stream_library)
    else:
        source = (
            "videotestsrc is-live=true pattern=ball ! "
            f"video/x-raw,format=I420,width=96,height=64,framerate={FPS}/1"
        )
    factory.set_launch(f"( {source} ! {encoded} name=pay0 pt=96 )")
    factory.set_shared(True)
    if options["user"]:
        auth = server_library.RTSPAuth()
        token = server_library.RTSPToken()
        token.set_string(server_library.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
        basic = server_library.RTSPAuth.make_basic(options["user"], options["password"])
        auth.add_basic(basic, token)
        server.set_auth(auth)
        permissions = server_library.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(PATH, factory)
    server.attach(None)
    print(f"port {server.get_bound_port()}", flush=True)
    loop_library.MainLoop().run()


def _show_time(_factory, media, loop_library, stream_library) -> None:
    """Push pictures of the time into a new stream for as long as it takes them."""
    source = media.get_element().get_child_by_name("clock")

    def push() -> bool:
        picture = time_code.i420(time.time_ns() // 1_000_000)
        taken = source.emit("push-buffer", stream_library.Buffer.new_wrapped(picture))
        return taken == stream_library.FlowReturn.OK

    loop_library.timeout_add(1000 // FPS, push)


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        _libraries()
    else:
        _serve(json.loads(sys.argv[1]))
