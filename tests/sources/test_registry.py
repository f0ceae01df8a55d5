"""Addresses: which source opens them, what they are called, and what nobody may read of them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.domain.errors import BadInput, SourceError, SourceUnreachable
from vedette.settings import Settings
from vedette.sources.address import (
    local_path,
    redact,
    split_address,
    stream_name,
    without_credentials,
)
from vedette.sources.base import Source
from vedette.sources.file import FileSource
from vedette.sources.http import HTTPSource
from vedette.sources.registry import WEBCAM, SourceRegistry
from vedette.sources.rtsp import RTSPSource
from vedette.sources.udp import UDPSource
from vedette.sources.webcam import WebcamSource

KINDS: dict[str, type[Source]] = {
    "file": FileSource,
    "rtsp": RTSPSource,
    "rtsps": RTSPSource,
    "http": HTTPSource,
    "https": HTTPSource,
    "udp": UDPSource,
    WEBCAM: WebcamSource,
}


@pytest.fixture
def registry() -> SourceRegistry:
    return SourceRegistry(
        {
            scheme: lambda address, kind=kind: kind(address, Settings())  # type: ignore[misc]
            for scheme, kind in KINDS.items()
        }
    )


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("clip.mp4", FileSource),
        ("/videos/a b.mkv", FileSource),
        ("file:///videos/a%20b.mkv", FileSource),
        ("rtsp://10.0.0.7/stream", RTSPSource),
        ("RTSPS://10.0.0.7/stream", RTSPSource),
        ("https://example.org/clip.mp4", HTTPSource),
        ("udp://239.0.0.1:5000", UDPSource),
        ("/dev/video0", WebcamSource),
        ("/dev/video0.mp4", FileSource),
    ],
)
def test_the_scheme_decides_who_opens_an_address(
    address: str, kind: type[Source], registry: SourceRegistry
) -> None:
    assert type(registry.source(address)) is kind


@pytest.mark.parametrize(
    "address",
    ["concat:a.mp4|b.mp4", "subfile:,,start,0,end,9,,:a.mp4", "ftp://ann:s3cret@host/a.mp4",
     "lavfi:testsrc", "data:video/mp4;base64,AAAA", "pipe:0"],
)  # fmt: skip
def test_an_unknown_scheme_is_refused_and_the_known_ones_are_named(
    address: str, registry: SourceRegistry
) -> None:
    with pytest.raises(BadInput, match="rtsp://") as refused:
        registry.source(address)

    assert address.split(":", maxsplit=1)[0] in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_no_address_at_all_is_refused(registry: SourceRegistry) -> None:
    with pytest.raises(BadInput, match="no source named"):
        registry.source("")


def test_a_file_may_have_a_colon_in_its_name(
    registry: SourceRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "10:30.mp4").touch()
    (tmp_path / "concat:x").touch()

    assert type(registry.source("10:30.mp4")) is FileSource
    assert type(registry.source("concat:x")) is FileSource


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("rtsp://ann:pw@10.0.0.7:554/main", "10.0.0.7:554/main"),
        ("rtsp://ann:p@w/d@10.0.0.7/main", "10.0.0.7/main"),
        ("http://host/a%20b.mp4?token=abc", "host/a b.mp4"),
        ("udp://239.0.0.1:5000", "239.0.0.1:5000"),
        ("rtsp://host/user=admin&password=pw&channel=1", "host/user=***&password=***&channel=1"),
    ],
)
def test_a_stream_is_called_by_host_and_path(address: str, name: str) -> None:
    assert name == stream_name(address)


def test_a_file_is_called_by_its_last_part() -> None:
    assert FileSource("/videos/yard/door 2.mp4", Settings()).name == "door 2.mp4"
    assert FileSource("file:///videos/door%202.mp4", Settings()).name == "door 2.mp4"


@given(st.text(), st.sampled_from(["rtsp://", "rtsp:/", "rtsp:", ""]))
def test_no_password_survives_whatever_is_in_it(password: str, scheme: str) -> None:
    address = f"{scheme}ann:Q{password}Q@10.0.0.7/main"
    message = f"failed: '{address}' (401)"

    assert without_credentials(address) == f"{scheme or 'ann:'}10.0.0.7/main"
    assert stream_name(address) == "10.0.0.7/main"
    assert f"Q{password}Q" not in redact(message)
    assert "10.0.0.7/main" in redact(message)


@given(st.text())
def test_an_address_is_split_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(BadInput):
        split_address(f"rtsp://{text}")


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://ann:hunter'2@127.0.0.1:1/main", "rtsp://ann:hunter 2@127.0.0.1:1/main",
        "rtsp:/ann:hunter2@127.0.0.1/main", "rtsp:ann:hunter2@127.0.0.1/main",
        "ann:hunter2@127.0.0.1/main", "ann_x:hunter2@127.0.0.1/main", "ann_x:hunter2@127.0.0.1",
        "//ann:hunter2@127.0.0.1/main", " rtsp://ann:hunter2@127.0.0.1/main",
        "rtsp://ann:hunter℀@127.0.0.1:1/main", "rtsp://ann:[hunter2@127.0.0.1:1/main",
        "rtsp://ann:hunter2@[::1/main", "rtsp://127.0.0.1:1/user=ann_pas=hunter2",
        "rtsp://ann:hunter2%40127.0.0.1/main", "ftp://ann:hunter2@127.0.0.1/main",
    ],
)  # fmt: skip
def test_a_mistaken_address_is_told_without_its_password(
    address: str, registry: SourceRegistry
) -> None:
    names: list[str] = []

    def open_it() -> None:
        source = registry.source(address)
        names.append(source.name)
        source.open()

    with pytest.raises((BadInput, SourceError)) as failed:
        open_it()

    assert "hunter" not in f"{names} {failed.value} {failed.value.__cause__}"


@pytest.mark.parametrize("address", ["rtsp://[::1/main", "http://a]b/", "synthetic://[street"])
def test_a_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(BadInput, match="malformed"):
        split_address(address)


def test_a_file_source_tells_which_path_it_reads(tmp_path: Path) -> None:
    (tmp_path / "film:1.mp4").touch()
    home = os.path.expanduser("~")  # noqa: PTH111

    assert local_path("a b.mp4") == Path("a b.mp4")
    assert local_path("~/a@b.mp4") == Path(home, "a@b.mp4")
    assert local_path("file:///films/a%20@b.mp4") == Path("/films/a @b.mp4")
    assert local_path(f"{tmp_path}/film:1.mp4") == tmp_path / "film:1.mp4"
    assert local_path("rtsp://host/a.mp4") is None
    assert local_path("synthetic://street") is None


def test_a_webcam_that_is_not_there_says_so() -> None:
    with pytest.raises(BadInput, match="no such camera"):
        WebcamSource("/dev/video97", Settings()).open()


def test_a_device_that_is_no_camera_says_so() -> None:
    with pytest.raises(SourceUnreachable, match="/dev/null"):
        WebcamSource("/dev/null", Settings()).open()


def test_the_decoding_library_can_open_webcams() -> None:
    import av

    assert av.format.ContainerFormat("v4l2", "r").is_input
