"""The bound: every part of a frame's road timed alone, as bare library calls.

No line of Vedette is imported here. Each part (decode, scale, infer, post) runs in one thread per
core, all cores busy with that part alone; the bound is the rate at which all parts together could
go if nothing else cost anything: 1 / sum(1 / rate of the part over all cores).

    python -m bench.parts CLIP MODEL HEIGHT WIDTH SECONDS → one JSON object on standard output
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import onnxruntime as ort
from av.video.reformatter import Interpolation, VideoReformatter

CONFIDENCE = 0.1
NMS_IOU = 0.45
# Enough pictures that scaling and inference see different ones, few enough for memory.
KEPT_PICTURES = 32


def over_all_cores(step: Callable[[int], Callable[[], int]], seconds: float) -> float:
    """Run one `step` per core for `seconds`; give frames per second of all together."""
    cores = len(os.sched_getaffinity(0))
    steps = [step(core) for core in range(cores)]
    for one in steps:
        one()  # Warm: buffers allocated, caches filled.
    counts = [0] * cores
    end = time.perf_counter() + seconds

    def work(core: int) -> None:
        while time.perf_counter() < end:
            counts[core] += steps[core]()

    threads = [threading.Thread(target=work, args=(core,)) for core in range(cores)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def decode_step(clip: str) -> Callable[[int], Callable[[], int]]:
    """Decode a slice of the clip, one thread, exact pictures."""

    def make(_: int) -> Callable[[], int]:
        def pictures() -> Any:
            while True:
                with av.open(clip) as container:
                    stream = container.streams.video[0]
                    stream.codec_context.thread_count = 1
                    yield from container.decode(stream)

        source = pictures()

        def step() -> int:
            for _ in range(10):
                next(source)
            return 10

        return step

    return make


def scale_step(kept: list[av.VideoFrame], height: int, width: int) -> Callable[[int], Any]:
    """Scale a decoded picture straight to model size."""

    def make(_: int) -> Callable[[], int]:
        scaler = VideoReformatter()
        ratio = min(width / kept[0].width, height / kept[0].height)
        to_width, to_height = round(kept[0].width * ratio), round(kept[0].height * ratio)
        turn = 0

        def step() -> int:
            nonlocal turn
            frame = kept[turn % len(kept)]
            turn += 1
            scaler.reformat(
                frame, to_width, to_height, "bgr24", interpolation=Interpolation.AREA
            ).to_ndarray()
            return 1

        return step

    return make


def infer_step(model: str, pictures: list[np.ndarray]) -> Callable[[int], Any]:
    """Fill the input tensor and run the model, one thread, one shared session."""
    session = make_session(model)
    name = session.get_inputs()[0].name

    def make(_: int) -> Callable[[], int]:
        turn = 0

        def step() -> int:
            nonlocal turn
            picture = pictures[turn % len(pictures)]
            turn += 1
            tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
            session.run(None, {name: tensor})
            return 1

        return step

    return make


def make_session(model: str) -> ort.InferenceSession:
    """Open the model as `limits` says wins on a CPU: no threads inside, no spinning."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def post_step(raw: list[np.ndarray], height: int, width: int) -> Callable[[int], Any]:
    """Decode the raw head and suppress doubles, with a filter before any real work."""
    grids, strides = [], []
    for stride in (8, 16, 32):
        ys, xs = np.mgrid[0 : height // stride, 0 : width // stride]
        grids.append(np.stack([xs.ravel(), ys.ravel()], 1).astype(np.float32))
        strides.append(np.full((grids[-1].shape[0], 1), stride, np.float32))
    grid, stride_of = np.concatenate(grids), np.concatenate(strides)

    def make(_: int) -> Callable[[], int]:
        turn = 0

        def step() -> int:
            nonlocal turn
            head = raw[turn % len(raw)][0]
            turn += 1
            keep = np.flatnonzero(head[:, 4] > CONFIDENCE)
            rows = head[keep]
            scores = rows[:, 4:5] * rows[:, 5:]
            classes = scores.argmax(1)
            best = scores[np.arange(len(keep)), classes]
            centre = (rows[:, :2] + grid[keep]) * stride_of[keep]
            half = np.exp(rows[:, 2:4]) * stride_of[keep] / 2
            suppress(np.concatenate([centre - half, centre + half], 1), best)
            return 1

        return step

    return make


def suppress(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Plain greedy non-maximum suppression."""
    order = scores.argsort()[::-1]
    kept = []
    while order.size:
        first, order = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes[first, :2], boxes[order, :2])
        high = np.minimum(boxes[first, 2:], boxes[order, 2:])
        shared = np.clip(high - low, 0, None).prod(1)
        sizes = (boxes[order, 2:] - boxes[order, :2]).prod(1)
        own = (boxes[first, 2:] - boxes[first, :2]).prod()
        order = order[shared / (sizes + own - shared + 1e-9) < NMS_IOU]
    return kept


def main() -> None:
    """Time the parts and print them."""
    clip, model, height, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    seconds = float(sys.argv[5])
    kept: list[av.VideoFrame] = []
    with av.open(clip) as container:
        for frame in container.decode(video=0):
            kept.append(frame)
            if len(kept) == KEPT_PICTURES:
                break
    scaler = VideoReformatter()
    ratio = min(width / kept[0].width, height / kept[0].height)
    to_width, to_height = round(kept[0].width * ratio), round(kept[0].height * ratio)
    pictures = []
    for frame in kept:
        small = scaler.reformat(
            frame, to_width, to_height, "bgr24", interpolation=Interpolation.AREA
        ).to_ndarray()
        padded = np.full((height, width, 3), 114, np.uint8)
        padded[:to_height, :to_width] = small
        pictures.append(padded)
    session = make_session(model)
    name = session.get_inputs()[0].name
    raw = [
        session.run(None, {name: picture.transpose(2, 0, 1)[None].astype(np.float32)})[0]
        for picture in pictures
    ]
    rates = {
        "decode": over_all_cores(decode_step(clip), seconds),
        "scale": over_all_cores(scale_step(kept, height, width), seconds),
        "infer": over_all_cores(infer_step(model, pictures), seconds),
        "post": over_all_cores(post_step(raw, height, width), seconds),
    }
    rates["bound"] = 1 / sum(1 / rate for rate in rates.values())
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
