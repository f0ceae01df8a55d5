"""Real detections of a real clip, given to us and to ByteTrack."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker

from analytics.drawn import frame
from parts import need
from vedette.analytics.scene import Analyzer
from vedette.analytics.tracking import Tuning
from vedette.clock import SystemClock
from vedette.detectors.onnx import OnnxDetector
from vedette.domain.detection import Detections
from vedette.domain.packet import LOOK_AT_ALL
from vedette.domain.zone import ScenePlan
from vedette.settings import Settings
from vedette.sources.file import FileSource
from vedette.wiring import model_catalog

DATA = Path(os.environ.get("VEDETTE_DATA", "/nowhere"))
CLIP = DATA / "videos" / "one-by-one-person-detection.mp4"
MODEL = DATA / "models" / "yolox_nano.onnx"
FPS = 10.0


def test_a_person_of_a_real_clip_is_the_same_track_as_for_bytetrack() -> None:
    need("data", CLIP.exists() and MODEL.exists(), "VEDETTE_DATA names no clip and model")
    ours = Analyzer(
        ScenePlan(), confidence=0.6, tuning=Tuning(confirm_s=0.0, lost_s=1.0, twin_overlap=1.0)
    )
    theirs = ByteTrackTracker(
        frame_rate=FPS, track_activation_threshold=0.6, high_conf_det_threshold=0.6
    )
    sureness: dict[int, float] = {}
    our_tracks: dict[int, set[int]] = {}
    their_tracks: dict[int, set[int]] = {}

    for number, found in enumerate(people_of_the_clip(55, 205)):
        sureness[number] = float(found.confidence.max(initial=0))
        scene = ours.observe(frame(number, number / FPS, width=768, height=432), found)
        for seen in scene.objects:
            if seen.track_id is not None:
                our_tracks.setdefault(seen.track_id, set()).add(number)
        answer = theirs.update(sv.Detections(xyxy=found.xyxy, confidence=found.confidence))
        for track_id in np.asarray(answer.tracker_id):
            if track_id >= 0:
                their_tracks.setdefault(int(track_id), set()).add(number)

    assert len(our_tracks) == 1
    assert len(their_tracks) == 1
    (ours_at,), (theirs_at,) = our_tracks.values(), their_tracks.values()
    # Ours waits for a second strong look before it counts anybody (decision 0002); a weak one
    # right after the first is enough for theirs.
    early = theirs_at - ours_at
    assert ours_at <= theirs_at
    assert all(number < min(ours_at) and sureness[number] < 0.6 for number in early)


def people_of_the_clip(first: int, stop: int) -> list[Detections]:
    """Somebody comes in, walks by and leaves between frames 60 and 200."""
    card = model_catalog(Settings()).model("yolox-nano").card
    detector = OnnxDetector(MODEL, card, cache_dir=None, classes=["person"])
    source = FileSource(str(CLIP), Settings(), SystemClock())
    source.open()
    found: list[Detections] = []
    try:
        decoder = source.decoder()
        for packet in source.packets():
            for picture in decoder.frames(packet, LOOK_AT_ALL):
                if picture.number >= stop:
                    return found
                if picture.number >= first:
                    found.append(detector.detect([picture])[0])
    finally:
        source.close()
    return found
