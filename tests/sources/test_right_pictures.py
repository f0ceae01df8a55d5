"""Point by point: whatever is left out, what is handed out is what a plain full decode gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clips import CLIPS, number_in
from sources.reference import run, truth, wished
from vedette.domain.frame import PixelFormat
from vedette.domain.packet import LOOK_AT_ALL
from vedette.settings import Settings
from vedette.sources.file import FileSource

RATES = [Fraction(text) for text in ("10", "5", "5/2", "1", "3/10", "1/10", "7/3", "7500/1001")]
ClipPath = Callable[[str], Path]


@pytest.mark.parametrize("name", CLIPS)
def test_every_picture_is_bit_equal_to_a_plain_full_decode(name: str, clip_path: ClipPath) -> None:
    expected = truth(clip_path(name))

    given_out = run(clip_path(name))

    assert expected == given_out.looks
    assert given_out.decoder.read == len(expected)
    assert not given_out.decoder.skipped


@pytest.mark.parametrize("name", CLIPS)
def test_at_every_rate_the_wished_pictures_are_bit_equal(name: str, clip_path: ClipPath) -> None:
    path = clip_path(name)
    full = run(path)

    for fps in RATES:
        thinned = run(path, fps)

        assert wished(truth(path), fps, full.time_base) == thinned.looks, fps
        left_out = len(full.looks) - len(thinned.looks)
        assert {"pacing": left_out} == {"pacing": 0, **thinned.decoder.skipped}, fps
        assert len(full.looks) == thinned.decoder.read


@pytest.mark.parametrize("name", CLIPS)
def test_the_numbers_are_those_drawn_in_the_pictures(name: str, clip_path: ClipPath) -> None:
    first = 7 if name == "edit-list.mp4" else 0  # Its edit list hides so many.
    source = FileSource(str(clip_path(name)), Settings())
    facts = source.open()
    decoder = source.decoder()

    drawn = [
        (number_in(frame.pixels(facts.width, facts.height, PixelFormat.GRAY8)), frame.number)
        for packet in source.packets()
        for frame in decoder.frames(packet, LOOK_AT_ALL)
        if name != "rotated.mp4"
    ]

    assert all(number == seen - first for seen, number in drawn)
    source.close()


@pytest.mark.parametrize("name", [name for name, clip in CLIPS.items() if clip.restarts])
def test_few_looks_cost_few_decoded_packets(name: str, clip_path: ClipPath) -> None:
    thinned = run(clip_path(name), Fraction(1, 2))

    if name in ("b-frames.avi", "b-frames.h264"):  # Decoding alone tells when a picture is shown.
        assert thinned.decoder.read == thinned.decoder.fed
    else:
        assert thinned.decoder.fed <= 0.5 * thinned.decoder.read


def test_pictures_that_nothing_refers_to_are_not_decoded_unless_wished(clip_path: ClipPath) -> None:
    thinned = run(clip_path("gop-250.mp4"), Fraction(5))

    # One group, so all its references are needed; of every three pictures one or two are not.
    assert thinned.decoder.fed < 0.85 * thinned.decoder.read


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("fps", [None, Fraction(5)], ids=["all", "5"])
def test_a_run_resumed_anywhere_sees_the_same_later_pictures(
    name: str, fps: Fraction | None, clip_path: ClipPath
) -> None:
    path = clip_path(name)
    undisturbed = run(path, fps)
    count = len(undisturbed.looks)

    for taken_up in sorted({0, count // 3, count * 4 // 5, count - 1}):
        resumed = run(path, fps, resume_at=undisturbed.positions[taken_up])

        assert undisturbed.looks[taken_up + 1 :] == resumed.looks, taken_up
        assert undisturbed.positions[taken_up + 1 :] == resumed.positions, taken_up


def test_resuming_reads_from_the_restart_and_not_from_the_start(clip_path: ClipPath) -> None:
    for name in ("b-frames.mp4", "b-frames.mkv", "edit-list.mp4", "hevc.mp4", "uneven.mp4"):
        undisturbed = run(clip_path(name))

        source = FileSource(str(clip_path(name)), Settings())
        source.open(undisturbed.positions[-2])
        shown_count = sum(packet.shown for packet in source.packets())
        read = source.decoder().read + shown_count
        source.close()

        assert shown_count <= 12, name
        assert read == undisturbed.decoder.read, name


def test_a_position_that_does_not_fit_the_file_is_read_up_to_from_the_start(
    clip_path: ClipPath,
) -> None:
    path = clip_path("b-frames.mp4")
    undisturbed = run(path)
    at = undisturbed.positions[40]
    assert at.restart_pts is not None

    resumed = run(path, resume_at=replace(at, restart_pts=at.restart_pts + 1))

    assert undisturbed.looks[41:] == resumed.looks


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    fps=st.fractions(Fraction(1, 20), Fraction(40), max_denominator=1001),
    name=st.sampled_from(["b-frames.mkv", "uneven.mp4", "hevc-radl.mkv", "open-gop.ts"]),
    held=st.integers(1, 80),
)
def test_any_rate_and_any_size_of_the_ring_give_the_wished_pictures(
    fps: Fraction, name: str, held: int, clip_path: ClipPath
) -> None:
    path = clip_path(name)

    thinned = run(path, fps, settings=Settings(held_packets_max=max(held, 8)))

    assert wished(truth(path), fps, thinned.time_base) == thinned.looks
