"""What strangers may have opened."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vedette.domain.errors import BadInput, Forbidden, VedetteError
from vedette.settings import Settings
from vedette.sources.policy import check_address
from vedette.wiring import make_source


def nobody(host: str) -> tuple[str, ...]:
    """No name is known; spellings of numbers are not names and come from the system."""
    return ()


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://camera.example/live",
        "rtsps://user:secret@10.0.0.7:322/h264",
        "http://127.0.0.1:8080/a.mp4",
        "https://[2001:db8::1]/index.m3u8",
        "udp://239.0.0.1:1234",
        "synthetic://street?people=6",
    ],
)
def test_addresses_of_the_listed_schemes_are_let_through(address: str) -> None:
    check_address(address, resolve=nobody)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "concat:a.ts|b.ts",
        "data:video/mp4;base64,AAAA",
        "subfile:,,start,0,end,9,,:/etc/passwd",
        "crypto+file:/etc/passwd",
        "pipe:0",
        "tcp://10.0.0.1:22",
        "rtmp://10.0.0.1/live",
        "/etc/passwd",
        "etc/passwd",
        "~/secret.mp4",
        "-i",
    ],
)
def test_everything_else_is_refused(address: str) -> None:
    with pytest.raises(Forbidden):
        check_address(address, resolve=nobody)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "user:secret@169.254.169.254:80",
        "169.254.0.1",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[::169.254.169.254]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.254.169.254/x@camera.example",
        "169.254.169.254?x@camera.example",
    ],
)
def test_the_machines_own_link_is_never_opened_however_it_is_written(host: str) -> None:
    with pytest.raises(Forbidden):
        check_address(f"http://{host}/latest/meta-data")


def test_a_name_that_leads_to_the_machines_own_link_is_refused() -> None:
    def planted(host: str) -> tuple[str, ...]:
        return ("10.0.0.1", "169.254.169.254") if host == "harmless.example" else ()

    with pytest.raises(Forbidden):
        check_address("rtsp://harmless.example/live", resolve=planted)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http:///path",
        "rtsp:camera/live",
        "http://a\\@b/",
        "http://a b/",
        "rtsp://\x00/",
        "x" * 5000,
    ],
)
def test_what_is_no_address_is_bad_input(address: str) -> None:
    with pytest.raises((BadInput, Forbidden)):
        check_address(address, resolve=nobody)


def test_files_are_read_below_named_folders_alone(tmp_path: Path) -> None:
    inside, outside = tmp_path / "clips", tmp_path / "private"
    inside.mkdir()
    outside.mkdir()
    (inside / "a.mp4").write_bytes(b"x")
    (outside / "b.mp4").write_bytes(b"x")
    (inside / "link.mp4").symlink_to(outside / "b.mp4")
    (inside / "good-link.mp4").symlink_to(inside / "a.mp4")

    check_address(str(inside / "a.mp4"), folders=[inside])
    check_address(str(inside / "good-link.mp4"), folders=[inside])
    for refused in (
        outside / "b.mp4",
        inside / "link.mp4",
        inside / ".." / "private" / "b.mp4",
        inside / "missing.mp4",
        inside,
        Path(f"{inside}-more") / "a.mp4",
    ):
        with pytest.raises(Forbidden):
            check_address(str(refused), folders=[inside])


def test_no_refusal_tells_a_password(tmp_path: Path) -> None:
    for address in (
        "rtmp://admin:geheim@10.0.0.1/live",
        "http://admin:geheim@169.254.169.254/",
        "http://admin:geheim@/",
        "/videos/admin:geheim@x.mp4",
    ):
        with pytest.raises(VedetteError) as refused:
            check_address(address, folders=[tmp_path], resolve=nobody)

        assert "geheim" not in str(refused.value)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Serve `tmp_path` over HTTP; give the address."""
    serve = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", f"file://{self.directory}/secret.ts")
            self.end_headers()
        else:
            super().do_GET()


def playlist(folder: Path, segment: str) -> None:
    (folder / "index.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f"#EXTINF:5.0,\n{segment}\n#EXT-X-ENDLIST\n",
        encoding="ascii",
    )


def packets_of(address: str) -> int:
    """Open as a runner does; give how many packets were read before an end or an error."""
    check_address(address)
    source = make_source(address, Settings(open_timeout_s=3, read_timeout_s=3))
    read = 0
    with contextlib.closing(source), contextlib.suppress(VedetteError):
        source.open()
        for packet in source.packets():
            read += packet.payload is not None
    return read


@pytest.fixture
def secret(tmp_path: Path, clip_path: Callable[[str], Path]) -> Path:
    """Give a video that lies on this machine and is nobody's business."""
    path = tmp_path / "secret.ts"
    path.write_bytes(clip_path("b-frames.ts").read_bytes())
    return path


def test_a_playlist_of_http_is_read(tmp_path: Path, web: str, secret: Path) -> None:
    """What the refusals below are measured against: so a playlist is served and read."""
    playlist(tmp_path, f"{web}/{secret.name}")

    assert packets_of(f"{web}/index.m3u8") > 0


@pytest.mark.parametrize(
    "form", ["file://{0}", "file:{0}", "{0}", "concat:{0}", "subfile:,,start,0,end,0,,:{0}"]
)
def test_a_playlist_that_points_inside_this_machine_gives_nothing(
    tmp_path: Path, web: str, secret: Path, form: str
) -> None:
    playlist(tmp_path, form.format(secret))

    assert packets_of(f"{web}/index.m3u8") == 0


def test_a_redirection_to_a_file_gives_nothing(web: str, secret: Path) -> None:
    assert packets_of(f"{web}/moved.ts") == 0
