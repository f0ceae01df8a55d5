"""The annotated video, read back with PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pictures import ArrayFrame, grey_picture
from scenes import one_object, scene_of, stream_facts
from vedette.domain.errors import SinkRefused
from vedette.domain.frame import Frame
from vedette.domain.scene import Counts, Scene
from vedette.domain.zone import ScenePlan
from vedette.sinks.annotated import AnnotatedSink, video_size
from vedette.sinks.trails import TRACK_COLOURS

NOTHING = Scene((), (), Counts())


def filmed(
    path: Path, frames: list[Frame], scene: Scene = NOTHING, *, live: bool = False, **options: int
) -> Path:
    """Give the finished video of some frames."""
    first = frames[0]
    sink = AnnotatedSink(path, ScenePlan(), **options)
    sink.open(stream_facts(first.width, first.height, live=live, time_base=first.time_base))
    for frame in frames:
        sink.write(frame, scene)
    sink.finish()
    return path


def seconds_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def frames_at(pts: list[int], time_base: Fraction, *, start_pts: int = 0) -> list[Frame]:
    picture = grey_picture(160, 90)
    return [
        ArrayFrame(picture, number=number, pts=at, time_base=time_base, start_pts=start_pts)
        for number, at in enumerate(pts)
    ]


def test_video_is_h264_that_browsers_play_and_begins_with_its_index(tmp_path: Path) -> None:
    path = filmed(tmp_path / "out.mp4", [ArrayFrame(grey_picture(320, 180), number=0)])

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (320, 180)
    content = path.read_bytes()
    assert content[4:8] == b"ftyp"
    assert content.index(b"moov") < content.index(b"mdat")


def test_every_frame_keeps_its_pts_at_a_variable_rate(tmp_path: Path) -> None:
    # 30000/1001 pictures a second, looked at now and then; the stream began at 5000.
    pts = [5000, 6001, 7002, 11006, 12007, 30025]

    path = filmed(tmp_path / "out.mp4", frames_at(pts, Fraction(1, 30_000), start_pts=5000))

    expected = [(at - 5000) / 30_000 for at in pts]
    assert pytest.approx(expected, abs=1e-9) == seconds_of(path)


@pytest.mark.parametrize(
    "time_base", [Fraction(1, 1_000_000_000), Fraction(1, 1000), Fraction(1, 25)]
)
def test_any_time_base_is_kept_to_the_tick_of_an_mp4(tmp_path: Path, time_base: Fraction) -> None:
    seconds = [0.0, 0.04, 0.12, 0.4, 3.0]
    pts = [round(at / time_base) for at in seconds]

    path = filmed(tmp_path / "out.mp4", frames_at(pts, time_base))

    assert pytest.approx(seconds, abs=1.2e-5) == seconds_of(path)


def test_live_clock_set_anew_leaves_no_hole_and_does_not_go_back(tmp_path: Path) -> None:
    # A tenth of a second apart; then the camera jumps a day ahead, then back to zero.
    seconds = [1000.0, 1000.1, 1000.2, 87_400.0, 87_400.1, 0.0, 0.1]
    pts = [round(at * 90_000) for at in seconds]

    path = filmed(tmp_path / "out.mp4", frames_at(pts, Fraction(1, 90_000)), live=True)

    expected = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert pytest.approx(expected, abs=1e-4) == seconds_of(path)


def test_short_silence_of_a_live_source_stays_in_the_video(tmp_path: Path) -> None:
    pts = [0, 9_000, 9_000 + 5 * 90_000]

    path = filmed(tmp_path / "out.mp4", frames_at(pts, Fraction(1, 90_000)), live=True)

    assert pytest.approx([0.0, 0.1, 5.1], abs=1e-4) == seconds_of(path)


def test_same_pts_twice_still_gives_both_pictures(tmp_path: Path) -> None:
    path = filmed(tmp_path / "out.mp4", frames_at([0, 9_000, 9_000, 18_000], Fraction(1, 90_000)))

    seconds = seconds_of(path)
    assert len(seconds) == 4
    assert sorted(set(seconds)) == seconds


def test_box_stands_in_the_video_where_the_object_is(tmp_path: Path) -> None:
    found = one_object(200, 150, size=160, track_id=3)
    frames = [ArrayFrame(grey_picture(640, 360), number=number) for number in range(4)]

    path = filmed(tmp_path / "out.mp4", frames, scene_of(found), crf=10)

    with av.open(str(path)) as container:
        picture = list(container.decode(video=0))[-1].to_ndarray(format="bgr24").astype(int)
    colour = np.array(TRACK_COLOURS[3])
    # Halves of 4:2:0 chroma bleed, so a strip across each side is searched for the nearest pixel.
    for strip in (
        picture[230, 196:205], picture[230, 276:285], picture[145:156, 240], picture[305:316, 240],
    ):  # fmt: skip
        assert np.abs(strip - colour).sum(axis=1).min() < 110
    assert np.abs(picture[230, 240] - 90).max() < 12


def test_big_pictures_are_made_smaller_and_even(tmp_path: Path) -> None:
    path = filmed(tmp_path / "out.mp4", [ArrayFrame(grey_picture(801, 451))], long_side_px_max=400)

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (400, 224)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1920, 1080), (1280, 720)),
        ((1080, 1920), (720, 1280)),
        ((641, 361), (640, 360)),
        ((1, 1), (16, 16)),
        ((10_000, 10), (1280, 16)),
    ],
)
def test_size_of_the_video_is_bounded_and_even(
    given: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert expected == video_size(*given, 1280)


def test_colours_come_back_as_they_went_in(tmp_path: Path) -> None:
    picture = grey_picture(320, 180)
    picture[100:] = (30, 60, 200)

    path = filmed(tmp_path / "out.mp4", [ArrayFrame(picture)], crf=5)

    with av.open(str(path)) as container:
        seen = next(container.decode(video=0)).to_ndarray(format="bgr24").astype(int)
    assert np.abs(seen[150, 160] - (30, 60, 200)).max() <= 8


def test_video_without_a_frame_plays_and_says_so(tmp_path: Path) -> None:
    sink = AnnotatedSink(tmp_path / "out.mp4", ScenePlan())
    sink.open(stream_facts())
    sink.finish()

    with av.open(str(tmp_path / "out.mp4")) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == 1
    assert pictures[0].max() > 200  # The sentence.


def test_live_video_plays_after_finish(tmp_path: Path) -> None:
    frames = frames_at([9_000 * number for number in range(10)], Fraction(1, 90_000))

    path = filmed(tmp_path / "out.mp4", frames, live=True)

    assert len(seconds_of(path)) == 10


def test_name_that_is_no_mp4_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkRefused, match=r"out.avi: .*\.mp4"):
        AnnotatedSink(tmp_path / "out.avi", ScenePlan()).open(stream_facts())
    assert list(tmp_path.iterdir()) == []
