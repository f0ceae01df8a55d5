"""The decoder by itself: what it holds, what it throws away, and how it counts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clips import Clip, make, x264
from sources.reference import SHAPES, Look, digest, run, truth
from vedette.clock import ManualClock
from vedette.domain.errors import DecodeFailed
from vedette.domain.packet import FEED, HOLD, LOOK_AT_ALL, Action, Packet, Verdict
from vedette.runner.pacing import LivePacer
from vedette.settings import Settings
from vedette.sources.base import Decoder
from vedette.sources.decode import PacketDecoder
from vedette.sources.file import FileSource

ClipPath = Callable[[str], Path]


def opened(path: Path, *, live: bool = False, **limits: int) -> tuple[FileSource, PacketDecoder]:
    source = FileSource(str(path), Settings(**limits))  # type: ignore[arg-type]
    source.open()
    source.live = live
    decoder = source.decoder()
    assert isinstance(decoder, PacketDecoder)
    return source, decoder


def looks(decoder: Decoder, packet: Packet, verdict: Verdict) -> Iterator[Look]:
    for frame in decoder.frames(packet, verdict):
        made = [frame.pixels(*shape) for shape in SHAPES]
        yield Look(frame.number, frame.pts, digest(made))


def test_held_packets_are_not_decoded_until_a_wish_comes(clip_path: ClipPath) -> None:
    source, decoder = opened(clip_path("gop-250.mp4"))
    packets = list(source.packets())
    wish = packets[30].pts
    assert wish is not None

    held = [list(decoder.frames(packet, HOLD)) for packet in packets[:40]]
    fed_before = decoder.fed
    list(decoder.frames(packets[40], Verdict(Action.LOOK, frozenset({wish}))))

    assert not any(held)
    assert fed_before == 0
    assert 20 < decoder.fed <= 31
    source.close()


@pytest.mark.parametrize("limits", [{"held_packets_max": 10}, {"held_bytes_max": 4000}])
def test_a_full_ring_is_decoded_and_nothing_is_lost(
    limits: dict[str, int], clip_path: ClipPath
) -> None:
    path = clip_path("gop-250.mp4")
    source, decoder = opened(path, **limits)
    packets = list(source.packets())
    last = max(packet.pts for packet in packets if packet.pts is not None)

    for packet in packets[:-1]:
        assert not list(decoder.frames(packet, HOLD))
    fed_on_the_way = decoder.fed
    found = list(looks(decoder, packets[-1], Verdict(Action.LOOK, frozenset({last}))))

    assert fed_on_the_way > 50
    assert found == truth(path)[-1:]
    source.close()


def test_read_pictures_add_up_to_looks_and_skips(clip_path: ClipPath) -> None:
    for name in ("b-frames.mp4", "edit-list.mp4", "open-gop.ts", "b-frames.avi"):
        thinned = run(clip_path(name), Fraction(3))

        counted = len(thinned.looks) + sum(thinned.decoder.skipped.values())
        assert thinned.decoder.read == counted, name


def test_a_live_source_that_was_late_goes_on_with_exact_pictures(clip_path: ClipPath) -> None:
    path = clip_path("b-frames.ts")  # It restarts at every twelfth picture.
    source, decoder = opened(path, live=True)
    clock = ManualClock()
    pacer = LivePacer(None, clock, lag_max_s=1.0)
    taken: list[Look] = []

    for index, packet in enumerate(source_packets(source)):
        # From the 27th to the 40th packet nobody had time for this source.
        arrived_s = clock.monotonic_s() - (3.0 if 27 <= index < 40 else 0.0)
        now = replace(packet, captured_at=clock.now(), arrived_mono_s=arrived_s)
        taken.extend(looks(decoder, now, pacer.judge(now)))
        clock.advance(0.04)

    by_pts = {look.pts: look.pixels for look in truth(path)}
    assert all(by_pts[look.pts] == look.pixels for look in taken)
    assert [look.number for look in taken] == list(range(len(taken)))
    # The group of the late packets and the one after it, up to the restart at 48.
    assert decoder.skipped["late"] == 48 - 27
    assert decoder.fed == 60 - (48 - 27)
    source.close()


def source_packets(source: FileSource) -> Iterator[Packet]:
    """Read a file that plays the live source: it has no end and no flush."""
    source.live = False
    for packet in source.packets():
        if not packet.is_flush:
            yield packet


def test_a_live_rate_spares_what_nothing_refers_to(clip_path: ClipPath) -> None:
    path = clip_path("b-frames.ts")
    source, decoder = opened(path, live=True)
    pacer = LivePacer(Fraction(5), ManualClock(), lag_max_s=1.0)

    taken = [
        look
        for packet in source_packets(source)
        for look in looks(decoder, packet, pacer.judge(packet))
    ]

    by_pts = {look.pts: look.pixels for look in truth(path)}
    assert all(by_pts[look.pts] == look.pixels for look in taken)
    assert len(taken) >= 11
    assert decoder.fed < 50
    source.close()


def test_a_live_stream_in_which_nothing_decodes_fails_after_a_while(clip_path: ClipPath) -> None:
    source, decoder = opened(clip_path("gop-250.mp4"), live=True)
    packets = [packet for packet in source_packets(source) if not packet.restarts]

    def take_up() -> None:
        for turn, packet in itertools.product(range(4), packets):
            assert packet.pts is not None
            later = replace(packet, pts=packet.pts + turn * 10**6)
            assert not list(decoder.frames(later, FEED))

    with pytest.raises(DecodeFailed):
        take_up()
    source.close()


def test_two_pictures_of_one_pts_are_two_frames(tmp_path: Path) -> None:
    path = make(Clip("twins.mkv", options=x264(keyint=10, bframes=0), count=20), tmp_path)
    source, decoder = opened(path)
    numbers: list[int] = []

    for packet in source.packets():
        numbers.extend(frame.number for frame in decoder.frames(packet, LOOK_AT_ALL))

    assert numbers == list(range(20))
    source.close()


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wishes=st.sets(st.integers(0, 59), max_size=8), name=st.sampled_from(
    ["b-frames.mp4", "open-gop.mp4", "hevc-radl.mkv", "intra-refresh.mp4", "vp8.webm"]
))  # fmt: skip
def test_any_set_of_wishes_is_granted_exactly(
    wishes: set[int], name: str, clip_path: ClipPath
) -> None:
    expected = [truth(clip_path(name))[number] for number in sorted(wishes)]
    source, decoder = opened(clip_path(name))
    wished = frozenset(look.pts for look in expected)
    granted: list[Look] = []

    for packet in source.packets():
        own = wished & {packet.pts}
        verdict = Verdict(Action.LOOK, own) if own else HOLD
        granted.extend(looks(decoder, packet, verdict))

    assert granted == expected
    source.close()
