"""Files that are no video, or less of one than they say."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from clips import CLIPS, Clip, add_silence, make, x264
from sources.reference import run, truth
from vedette.domain.errors import BadInput, DecodeFailed, SourceEnded, StreamCause
from vedette.domain.packet import LOOK_AT_ALL
from vedette.settings import Settings
from vedette.sources.file import FileSource

ClipPath = Callable[[str], Path]
FASTSTART = Clip(
    "index-first.mp4", options=x264(keyint=12, bframes=2), mux={"movflags": "faststart"}
)


def reason(path: Path, settings: Settings | None = None) -> str:
    """Open a file that cannot be used and give the sentence."""
    source = FileSource(str(path), settings or Settings())
    with pytest.raises(BadInput) as refused:
        source.open()
    source.close()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/gone.mp4: no such file" == reason(tmp_path / "gone.mp4")


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    assert "is a folder" in reason(tmp_path)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    assert "is empty" in reason(written(tmp_path, "empty.mp4", b""))


@pytest.mark.parametrize(
    "content",
    [
        b"these are words, not pictures\n" * 400,
        b"#EXTM3U\n#EXTINF:3,\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
        bytes(20_000),
        b"\xff\xd8\xff\xe0" + bytes(100),
    ],
    ids=["text", "playlist", "concat-script", "zeros", "photo"],
)
def test_what_is_only_called_a_video_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "is no video that can be read" in reason(written(tmp_path, "named.mp4", content))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tiff"])
def test_a_picture_is_called_one(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo.{suffix}"
    cv2.imwrite(str(path), np.full((48, 64, 3), 99, np.uint8))

    assert "(it is a picture)" in reason(path)


@pytest.mark.parametrize(("suffix", "codec"), [("wav", "pcm_s16le"), ("flac", "flac")])
def test_sound_is_called_sound(suffix: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"sound.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    assert "(it is sound)" in reason(path)


def test_subtitles_are_called_text(tmp_path: Path) -> None:
    subtitles = b"1\n00:00:01,000 --> 00:00:02,000\nGood evening.\n\n" * 20

    assert "(it is text)" in reason(written(tmp_path, "film.srt", subtitles))


def test_pictures_of_absurd_size_are_called_too_large(tmp_path: Path) -> None:
    raw = b"YUV4MPEG2 W99999 H99999 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(9000)
    path = make(Clip("film.avi", codec="mjpeg", pix_fmt="yuvj420p"), tmp_path)
    film = path.read_bytes()
    for pair in ("<II", ">HH"):  # As AVI and JPEG write width and height, height and width.
        size = (128, 96) if pair == "<II" else (96, 128)
        film = film.replace(struct.pack(pair, *size), struct.pack(pair, 20_000, 20_000))

    assert "larger than" in reason(written(tmp_path, "film.y4m", raw))
    assert "larger than" in reason(written(tmp_path, "big.avi", film))


def test_a_sound_file_holds_no_video(tmp_path: Path) -> None:
    with av.open(tmp_path / "sound.mp4", "w") as container:
        add_silence(container, container.add_stream("aac", rate=8000), 1)

    assert reason(tmp_path / "sound.mp4") == "sound.mp4: holds no video, audio alone"


def test_an_mp4_that_was_never_finished_says_so(clip_path: ClipPath, tmp_path: Path) -> None:
    whole = clip_path("plain.mp4").read_bytes()

    assert "without its index" in reason(written(tmp_path, "cut.mp4", whole[: len(whole) // 2]))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "secret.mp4", b"x")
    path.chmod(0)

    assert "may not be read" in reason(path)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("index-first.mp4", 0.6),
        ("fragmented.mp4", 0.6),
        ("b-frames.mkv", 0.5),
        ("b-frames.avi", 0.6),
    ],
)
def test_a_file_cut_off_gives_its_whole_pictures_and_then_says_where_it_ends(
    name: str, share: float, clip_path: ClipPath, tmp_path: Path
) -> None:
    path = make(FASTSTART, tmp_path) if name == FASTSTART.file else clip_path(name)
    whole = path.read_bytes()
    expected = truth(path)
    cut = written(tmp_path, f"cut{path.suffix}", whole[: int(len(whole) * share)])
    source = FileSource(str(cut), Settings())
    source.open()
    decoder = source.decoder()
    numbers: list[int] = []

    def take_up() -> None:
        for packet in source.packets():
            numbers.extend(frame.number for frame in decoder.frames(packet, LOOK_AT_ALL))

    with pytest.raises(SourceEnded, match=r"cut off.*ends at \d\.\d\d s; --limit \d") as ended:
        take_up()

    assert StreamCause.SOURCE_ENDED is ended.value.cause
    assert list(range(len(numbers))) == numbers
    assert 0 < len(numbers) < len(expected)
    source.close()


def test_a_stream_that_was_only_recorded_up_to_here_is_whole(
    clip_path: ClipPath, tmp_path: Path
) -> None:
    stream = clip_path("b-frames.ts").read_bytes()

    assert run(written(tmp_path, "cut.ts", stream[: 188 * 60])).looks


@pytest.mark.parametrize("bitstream_too", [False, True])
def test_pictures_of_20000_by_20000_are_refused_or_known_as_a_lie(
    bitstream_too: bool, clip_path: ClipPath, tmp_path: Path
) -> None:
    video = bytearray(clip_path("motion-jpeg.avi").read_bytes())
    size_at = video.index(b"strf") + 12
    video[size_at : size_at + 8] = struct.pack("<ii", 20_000, 20_000)
    if bitstream_too:
        at = -1
        while (at := video.find(b"\xff\xc0", at + 1)) >= 0:  # JPEG's start of frame.
            video[at + 5 : at + 9] = struct.pack(">HH", 20_000, 20_000)
    path = written(tmp_path, "huge.avi", bytes(video))

    if bitstream_too:
        assert "VEDETTE_FRAME_PIXELS_MAX" in reason(path)
    else:
        assert len(run(path).looks) == 60


def test_a_picture_larger_than_the_limit_is_refused_by_its_size(clip_path: ClipPath) -> None:
    sentence = reason(clip_path("plain.mp4"), Settings(frame_pixels_max=5000))

    assert "128×96, larger than 5000 pixels" in sentence


def test_a_stream_whose_pictures_grow_beyond_the_limit_is_stopped(tmp_path: Path) -> None:
    small = make(Clip("small.ts", options=x264(keyint=10), size=(64, 48), count=20), tmp_path)
    large = make(Clip("large.ts", options=x264(keyint=10), size=(640, 480), count=20), tmp_path)
    both = written(tmp_path, "both.ts", small.read_bytes() + large.read_bytes())

    grown = run(both, settings=Settings(frame_pixels_max=10_000))

    assert len(grown.looks) == 20
    assert grown.decoder.skipped == {"undecodable": 20}


def test_a_rate_of_zero_in_the_header_is_no_obstacle(clip_path: ClipPath, tmp_path: Path) -> None:
    video = bytearray(clip_path("motion-jpeg.avi").read_bytes())
    header = video.index(b"strh") + 8
    video[header + 20 : header + 28] = struct.pack("<II", 1, 0)  # dwScale, dwRate
    video[32:36] = bytes(4)  # dwMicroSecPerFrame

    assert len(run(written(tmp_path, "zero-fps.avi", bytes(video))).looks) == 60


def test_damaged_packets_are_counted_and_the_run_goes_on(
    clip_path: ClipPath, tmp_path: Path
) -> None:
    video = bytearray(clip_path("motion-jpeg.avi").read_bytes())
    at = -1
    for _ in range(20):
        at = video.index(b"\xff\xd8\xff", at + 1)
    video[at : at + 600] = bytes(600)

    damaged = run(written(tmp_path, "damaged.avi", bytes(video)))

    assert damaged.decoder.skipped == {"undecodable": 1}
    assert [number for number in range(60) if number != 19] == [
        look.number for look in damaged.looks
    ]


def test_a_file_in_which_nothing_decodes_fails(clip_path: ClipPath, tmp_path: Path) -> None:
    video = make(FASTSTART, tmp_path).read_bytes()
    data_at = video.index(b"mdat") + 4
    path = written(tmp_path, "zeros.mp4", video[:data_at] + bytes(len(video) - data_at))

    with pytest.raises(DecodeFailed, match="nothing in it can be decoded") as failed:
        run(path)

    assert StreamCause.DECODE_FAILED is failed.value.cause


def test_ffmpeg_writes_nothing_on_standard_error(
    clip_path: ClipPath, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = bytearray(clip_path("b-frames.mkv").read_bytes())
    for at in range(6000, len(video), 97):
        video[at] ^= 0xFF

    with contextlib.suppress(SourceEnded, DecodeFailed):
        run(written(tmp_path, "damaged.mkv", bytes(video)))

    assert not capfd.readouterr().err


def test_a_recording_whose_clock_begins_anew_goes_on_in_time(
    clip_path: ClipPath, tmp_path: Path
) -> None:
    stream = clip_path("b-frames.ts").read_bytes()

    twice = run(written(tmp_path, "twice.ts", stream + stream))

    assert list(range(120)) == [look.number for look in twice.looks]
    times = [look.pts for look in twice.looks]
    assert sorted(set(times)) == times

    resumed = run(tmp_path / "twice.ts", resume_at=twice.positions[70])

    assert resumed.looks == twice.looks[71:]


def test_a_name_with_a_colon_or_a_percent_sign_is_still_a_file(
    clip_path: ClipPath, tmp_path: Path
) -> None:
    path = written(tmp_path, "concat:10%20.mp4", clip_path("plain.mp4").read_bytes())

    assert len(run(path).looks) == CLIPS["plain.mp4"].count
