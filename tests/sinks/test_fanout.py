"""Many sinks as one: order, threads, queues, and what goes wrong in them."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from pace import Pace
from pictures import ArrayFrame, grey_picture
from scenes import scene_of, stream_facts
from vedette.domain.errors import SinkError, SinkRefused, SinkUnavailable
from vedette.domain.frame import Frame
from vedette.domain.prediction import Origin
from vedette.domain.scene import Scene
from vedette.domain.stream import StreamFacts
from vedette.domain.zone import ScenePlan
from vedette.sinks.annotated import AnnotatedSink
from vedette.sinks.base import Sink
from vedette.sinks.fanout import Fanout
from vedette.sinks.text import prediction_sink

PICTURE = grey_picture(64, 36)
DEADLINE_S = 240.0


class Notebook(Sink):
    """A sink of its own kind: notes what it is told, may be held up, and may refuse."""

    name = "notebook"

    def __init__(self, target: str = "notes", *, slow: bool = False, fails_at: str = "") -> None:
        self.target = target
        self.slow = slow
        self.fails_at = fails_at
        self.notes: list[str] = []
        self.threads: set[int] = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def open(self, facts: StreamFacts) -> None:  # noqa: ARG002
        self._note("open")

    def write(self, frame: Frame, scene: Scene) -> None:  # noqa: ARG002
        self.may_go_on.wait(DEADLINE_S)
        self._note(f"write {frame.number}")

    def finish(self) -> None:
        self.may_go_on.wait(DEADLINE_S)
        self._note("finish")

    def discard(self) -> None:
        self.notes.append("discard")

    def _note(self, note: str) -> None:
        self.threads.add(threading.get_ident())
        if note == self.fails_at:
            raise SinkRefused(f"{self.target}: cannot be written: no space left on device")
        self.notes.append(note)


def fanout(*sinks: Sink, live: bool = False, queue: int = 3, finish_s: float = 10) -> Fanout:
    made = Fanout(sinks, queue_frames_max=queue, finish_s=finish_s)
    made.open(stream_facts(live=live))
    return made


def write(sink: Sink, *numbers: int) -> None:
    for number in numbers:
        sink.write(ArrayFrame(PICTURE, number=number), scene_of())


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def _no_thread_is_left_over() -> Iterator[None]:
    before = threading.active_count()
    yield
    wait_for(lambda: threading.active_count() <= before)


def test_all_sinks_get_every_frame_in_order() -> None:
    quick, slow = Notebook(), Notebook(slow=True)
    sinks = fanout(quick, slow)

    write(sinks, *range(20))
    sinks.finish()

    expected = ["open", *(f"write {number}" for number in range(20)), "finish"]
    assert expected == quick.notes
    assert expected == slow.notes


def test_slow_sink_alone_has_a_thread_of_its_own() -> None:
    quick, slow = Notebook(), Notebook(slow=True)
    sinks = fanout(quick, slow)

    write(sinks, 0)
    sinks.finish()

    here = threading.get_ident()
    assert {here} == quick.threads
    assert len(slow.threads) == 2  # Opened here, written and finished there.


def test_sink_that_refuses_to_open_takes_the_others_back() -> None:
    first, second, third = Notebook(), Notebook(fails_at="open"), Notebook()

    with pytest.raises(SinkRefused, match="no space left"):
        fanout(first, second, third)

    assert first.notes == ["open", "discard"]
    assert "open" not in third.notes


def test_finite_source_waits_for_a_slow_sink() -> None:
    slow = Notebook(slow=True)
    slow.may_go_on.clear()
    sinks = fanout(slow, queue=2)
    writer = threading.Thread(target=write, args=(sinks, *range(6)))

    writer.start()
    writer.join(0.2)
    waited = writer.is_alive()
    slow.may_go_on.set()
    writer.join(DEADLINE_S)
    sinks.finish()

    assert waited
    assert [f"write {number}" for number in range(6)] == slow.notes[1:-1]
    assert sinks.dropped == {}


def test_live_source_never_waits_and_drops_the_oldest() -> None:
    slow = Notebook("cam.mp4", slow=True)
    sinks = fanout(slow, live=True, queue=2)
    slow.may_go_on.clear()
    write(sinks, 0)
    wait_for(lambda: not sinks._lanes[0]._frames)  # Number 0 is in the sink's hands.

    write(sinks, 1, 2, 3, 4, 5)
    slow.may_go_on.set()
    sinks.finish()

    assert slow.notes == ["open", "write 0", "write 4", "write 5", "finish"]
    assert sinks.dropped == {"cam.mp4": 3}


def test_error_in_a_thread_surfaces_at_the_next_write() -> None:
    slow, quick = Notebook(slow=True, fails_at="write 0"), Notebook()
    sinks = fanout(slow, quick)
    write(sinks, 0)
    wait_for(lambda: "discard" in slow.notes)

    with pytest.raises(SinkRefused, match="no space left"):
        write(sinks, 1)
    write(sinks, 2)
    sinks.finish()

    assert slow.notes == ["open", "discard"]
    assert quick.notes == ["open", "write 0", "write 1", "write 2", "finish"]


def test_error_of_the_last_write_surfaces_at_finish_and_the_others_are_finished() -> None:
    slow, quick = Notebook(slow=True, fails_at="write 0"), Notebook()
    sinks = fanout(slow, quick)
    write(sinks, 0)

    with pytest.raises(SinkRefused):
        sinks.finish()

    assert "finish" not in slow.notes
    assert quick.notes == ["open", "write 0", "finish"]


@pytest.mark.parametrize("slow", [False, True])
def test_sink_that_cannot_finish_is_discarded_and_the_others_are_finished(slow: bool) -> None:
    bad, good = Notebook(slow=slow, fails_at="finish"), Notebook(slow=slow)
    sinks = fanout(bad, good)
    write(sinks, 0)

    with pytest.raises(SinkRefused):
        sinks.finish()
    sinks.discard()

    assert bad.notes == ["open", "write 0", "discard"]
    assert good.notes == ["open", "write 0", "finish"]


def test_finite_writer_blocked_by_a_sink_that_fails_is_let_go() -> None:
    slow = Notebook(slow=True, fails_at="write 0")
    slow.may_go_on.clear()
    sinks = fanout(slow, queue=1)
    caught: list[SinkError] = []

    def write_many() -> None:
        try:
            write(sinks, *range(5))
        except SinkError as error:
            caught.append(error)

    writer = threading.Thread(target=write_many)
    writer.start()
    slow.may_go_on.set()
    writer.join(DEADLINE_S)
    sinks.discard()

    assert len(caught) == 1


def test_finish_is_bounded_in_time() -> None:
    slow = Notebook("far/away.mp4", slow=True)
    slow.may_go_on.clear()
    sinks = fanout(slow, finish_s=0.1)
    write(sinks, 0)

    with pytest.raises(SinkUnavailable, match=r"far/away.mp4: .*in time"):
        sinks.finish()
    slow.may_go_on.set()


def test_sink_that_still_writes_gets_the_time_it_needs(tmp_path: Path) -> None:
    class Copying(Notebook):
        def finish(self) -> None:
            with (tmp_path / "big").open("wb", buffering=0) as file:
                for _ in range(25):
                    file.write(b"x" * 1000)
                    time.sleep(0.06)
            super().finish()

    slow = Copying(slow=True)
    sinks = fanout(slow, finish_s=0.4)

    sinks.finish()

    assert slow.notes == ["open", "finish"]


def test_reader_that_stands_still_keeps_nobody_who_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb") as pipe:
        sinks = Fanout(
            [
                prediction_sink("-", Origin("run", "door"), stdout=pipe),
                AnnotatedSink(tmp_path / "seen.mp4", ScenePlan()),
            ],
            queue_frames_max=2,
            stopping=stop.is_set,
        )
        sinks.open(stream_facts(64, 36))
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        taken = 0

        def write_many() -> None:
            nonlocal taken
            while not stop.is_set():
                write(sinks, taken)
                taken += 1

        writer = threading.Thread(target=write_many)
        writer.start()
        writer.join(0.5)
        before = taken
        writer.join(0.3)
        stood_still = writer.is_alive() and taken == before
        stop.set()
        with Pace() as writing:
            writer.join(DEADLINE_S)
        with Pace() as finishing:
            sinks.finish()
            sinks.discard()

    assert stood_still
    assert writing.kept(0.5), writing
    assert finishing.kept(5), finishing
    assert "nobody read it" in caplog.text
    with av.open(tmp_path / "seen.mp4") as video:
        assert taken == sum(1 for _ in video.decode(video=0))


def test_reader_that_reads_on_gets_all_lines_though_the_run_has_ended() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb") as pipe:
        sinks = Fanout(
            [prediction_sink("-", Origin("run", "door"), stdout=pipe)],
            queue_frames_max=100,
            finish_s=0.1,
        )
        sinks.open(stream_facts())
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        write(sinks, *range(100))
        finisher = threading.Thread(target=sinks.finish)
        finisher.start()
        finisher.join(0.5)
        waits = finisher.is_alive()
        lines = [reader.readline() for _ in range(100)]
        finisher.join(DEADLINE_S)

    assert waits
    assert [json.loads(line)["frame"] for line in lines] == list(range(100))


def test_discard_throws_away_what_waits() -> None:
    slow = Notebook(slow=True)
    sinks = fanout(slow, queue=50)
    write(sinks, *range(50))

    sinks.discard()

    assert slow.notes[-1] == "discard"
    assert "finish" not in slow.notes


def test_programmer_error_in_a_thread_is_not_swallowed() -> None:
    class Broken(Notebook):
        def write(self, frame: Frame, scene: Scene) -> None:  # noqa: ARG002
            raise AssertionError("a mistake of ours")

    sinks = fanout(Broken(slow=True))
    write(sinks, 0)

    with pytest.raises(AssertionError, match="a mistake of ours"):
        sinks.finish()


def test_real_sinks_are_taken_back_when_one_is_refused(tmp_path: Path) -> None:
    origin = Origin("run", "door")
    sinks = Fanout(
        [
            prediction_sink(tmp_path / "out.jsonl", origin),
            prediction_sink(tmp_path / "missing" / "out.csv", origin),
        ],
        queue_frames_max=2,
    )

    with pytest.raises(SinkRefused, match="missing"):
        sinks.open(stream_facts())

    assert list(tmp_path.iterdir()) == []


def test_no_sinks_at_all_are_fine() -> None:
    sinks = fanout()

    write(sinks, 0)
    sinks.finish()
    sinks.discard()

    assert sinks.dropped == {}
