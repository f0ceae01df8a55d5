"""The built-in scene as a source: made, encoded and read back on the real road."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest

from pace import Pace
from vedette.domain.errors import BadInput, SourceEnded, Stopped
from vedette.domain.frame import Frame, PixelFormat
from vedette.domain.packet import LOOK_AT_ALL, Packet
from vedette.domain.stream import Position
from vedette.settings import Settings
from vedette.sources.street.film import Film
from vedette.sources.street.pipe import PIPE_BYTES_MAX, Pipe
from vedette.sources.synthetic import SyntheticSource

SMALL = "synthetic://street?width=320&height=180&fps=10&seconds=4&people=3&vehicles=1&seed=1"
DEADLINE_S = 240.0


def read(address: str, resume_at: Position | None = None) -> tuple[list[Packet], list[Frame]]:
    source = SyntheticSource(address, Settings())
    packets, frames = [], []
    try:
        source.open(resume_at)
        decoder = source.decoder()
        for packet in source.packets():
            packets.append(packet)
            frames += decoder.frames(packet, LOOK_AT_ALL)
        decoder.close()
    finally:
        source.close()
    return packets, frames


def digest(packets: list[Packet]) -> list[str]:
    return [hashlib.sha256(bytes(one.payload)).hexdigest() for one in packets if one.payload]


def makers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "synthetic-street"]


def wait_until_no_maker() -> None:
    until = time.monotonic() + DEADLINE_S
    while makers() and time.monotonic() < until:
        time.sleep(0.005)
    assert not makers()


def test_all_pictures_come_through_the_real_decoder_at_regular_times() -> None:
    packets, frames = read(SMALL)

    assert len(frames) == 40
    assert [frame.number for frame in frames] == list(range(40))
    assert [frame.pts_s for frame in frames] == [pytest.approx(n / 10) for n in range(40)]
    assert packets[-1].is_flush
    assert [n for n, one in enumerate(packets) if one.restarts] == [0, 20]
    assert frames[0].pixels(320, 180, PixelFormat.BGR24).std() > 20


def test_stream_says_what_it_is_before_its_end_is_painted() -> None:
    source = SyntheticSource(SMALL, Settings())
    try:
        facts = source.open()
    finally:
        source.close()

    assert (facts.codec, facts.width, facts.height) == ("h264", 320, 180)
    assert (facts.duration_s, facts.pictures, facts.frame_rate) == (4.0, 40, 10.0)
    assert not facts.live


def test_same_parameters_give_the_same_bytes_and_another_seed_others() -> None:
    first, second, other = (
        digest(read(address.replace("seconds=4", "seconds=2"))[0])
        for address in (SMALL, SMALL, SMALL.replace("seed=1", "seed=2"))
    )

    assert first == second
    assert first != other


def test_resuming_reads_from_the_start() -> None:
    whole, _ = read(SMALL)
    position = Position(number=25, pts=25600, start_pts=0, restart_pts=20480, restart_number=20)

    resumed, frames = read(SMALL, position)

    assert digest(whole) == digest(resumed)
    assert frames[0].number == 0


@pytest.mark.parametrize("packets_taken", [None, 0, 1, 15])
def test_close_at_any_moment_is_prompt_and_leaves_no_thread(packets_taken: int | None) -> None:
    source = SyntheticSource(SMALL.replace("seconds=4", "seconds=600"), Settings())
    if packets_taken is not None:
        source.open()
        stream = source.packets()
        for _ in range(packets_taken):
            next(stream)

    with Pace() as pace:
        source.close()
        source.close()

    assert pace.kept(2), pace
    assert not makers()


def test_close_while_another_thread_opens_leaves_no_maker() -> None:
    source = SyntheticSource(SMALL.replace("320", "1920").replace("180", "1080"), Settings())
    raised: list[BaseException] = []

    def open_it() -> None:
        try:
            source.open()
        except Stopped as error:
            raised.append(error)

    opener = threading.Thread(target=open_it)
    opener.start()
    until = time.monotonic() + DEADLINE_S
    while not makers() and time.monotonic() < until:
        time.sleep(0.001)
    source.close()
    opener.join(DEADLINE_S)

    assert len(raised) == 1
    wait_until_no_maker()


def test_a_scene_once_closed_is_not_made() -> None:
    source = SyntheticSource(SMALL, Settings())
    source.close()

    with pytest.raises(Stopped):
        source.open()
    assert not makers()


def test_close_from_another_thread_ends_a_reader() -> None:
    source = SyntheticSource(SMALL.replace("seconds=4", "seconds=600"), Settings())
    source.open()
    begun, taken = threading.Event(), []

    def drain() -> None:
        for packet in source.packets():
            taken.append(packet)
            begun.set()

    reader = threading.Thread(target=drain)
    reader.start()
    assert begun.wait(DEADLINE_S)
    source.close()
    reader.join(DEADLINE_S)

    assert not reader.is_alive()
    wait_until_no_maker()
    assert len(taken) < 6000


def test_maker_waits_for_a_reader_that_does_not_read() -> None:
    pipe = Pipe()
    pipe.write(bytes(PIPE_BYTES_MAX))
    writer = threading.Thread(target=pipe.write, args=(b"more",))
    writer.start()
    writer.join(0.1)
    blocked = writer.is_alive()
    taken = len(pipe.read(PIPE_BYTES_MAX))
    writer.join(DEADLINE_S)

    assert blocked
    assert taken == PIPE_BYTES_MAX
    assert not writer.is_alive()
    assert pipe.read(10) == b"more"


def test_pipe_that_nobody_reads_lets_its_maker_go() -> None:
    pipe = Pipe()
    pipe.write(bytes(PIPE_BYTES_MAX))
    writer = threading.Thread(target=pipe.write, args=(b"more",))
    writer.start()
    pipe.shut()
    writer.join(DEADLINE_S)

    assert not writer.is_alive()
    assert pipe.read(10) == b""


@pytest.mark.parametrize("made", [0, 1, 12])
def test_scene_whose_making_fails_gives_what_there_is_and_raises(
    made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint = Film.planes

    def run_out_of_memory(film: Film, number: int) -> object:
        if number == made:
            raise MemoryError("no room for a picture")
        return paint(film, number)

    monkeypatch.setattr(Film, "planes", run_out_of_memory)
    source = SyntheticSource(SMALL, Settings())
    taken: list[Packet] = []

    def take_up() -> None:
        source.open()
        taken.extend(source.packets())

    whole = max(made - 1, 0)  # A fragment of MP4 is written once the next one begins.
    with pytest.raises(SourceEnded, match=f"after {whole} of 40.*no room") as ended:
        take_up()
    source.close()

    assert isinstance(ended.value.__cause__, MemoryError)
    assert len([one for one in taken if not one.is_flush]) == whole
    assert not makers()


def test_scene_that_is_none_is_refused_before_anything_starts() -> None:
    with pytest.raises(BadInput, match="no such built-in scene"):
        SyntheticSource("synthetic://park", Settings())

    assert not makers()
