"""Scenes with known content, for tests of what comes after analytics."""

from __future__ import annotations

from fractions import Fraction

from pictures import TICKS
from vedette.domain.event import Event
from vedette.domain.scene import Counts, LineCount, ObjectCount, Scene, SceneObject, ZoneCount
from vedette.domain.stream import StreamFacts


def stream_facts(
    width: int = 320,
    height: int = 180,
    *,
    live: bool = False,
    time_base: Fraction = TICKS,
    frame_rate: float | None = 10.0,
) -> StreamFacts:
    """Give the facts of an H.264 stream called `door`."""
    return StreamFacts(
        name="door",
        live=live,
        codec="h264",
        width=width,
        height=height,
        time_base=time_base,
        frame_rate=frame_rate,
        duration_s=None if live else 3.0,
        pictures=None,
    )


def one_object(
    x: float = 100.0,
    y: float = 60.0,
    *,
    size: float = 60.0,
    label: str = "person",
    track_id: int | None = 1,
    confidence: float = 0.875,
    zones: tuple[str, ...] = (),
) -> SceneObject:
    """Give an object twice as high as wide, its upper left at (x, y)."""
    return SceneObject(label, confidence, (x, y, x + size / 2, y + size), track_id, zones)


def scene_of(*objects: SceneObject, events: tuple[Event, ...] = ()) -> Scene:
    """Give a scene with these objects and counts that go with the plan of the tests."""
    labels = sorted({found.label for found in objects if found.track_id is not None})
    now = {
        label: sum(found.label == label and found.track_id is not None for found in objects)
        for label in labels
    }
    return Scene(
        objects=objects,
        events=events,
        counts=Counts(
            objects={label: ObjectCount(count, count, count) for label, count in now.items()},
            zones={"yard": ZoneCount(1, 1, 1, 0, 0.5)},
            lines={"gate": LineCount(2, 1)},
        ),
    )
