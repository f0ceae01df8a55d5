"""The loop a user would write: cv2.VideoCapture, ONNX Runtime as it comes, every picture.

    python -m bench.loop MODEL CLIP [CLIP …] → one JSON object on standard output

Several clips run in one thread each and share the session, which is kinder to the loop than one
process per camera. No line of Vedette is imported here.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time

import cv2
import numpy as np
import onnxruntime as ort

SIDE = 416
CONFIDENCE = 0.4
NMS_IOU = 0.45


def look_at_all(clip: str, session: ort.InferenceSession, totals: dict[str, int]) -> None:
    """Read, resize, infer, decode, suppress; count what was found."""
    grid, strides = cells()
    name = session.get_inputs()[0].name
    capture = cv2.VideoCapture(clip)
    while True:
        ok, picture = capture.read()
        if not ok:
            break
        ratio = min(SIDE / picture.shape[0], SIDE / picture.shape[1])
        small = cv2.resize(picture, (int(picture.shape[1] * ratio), int(picture.shape[0] * ratio)))
        padded = np.full((SIDE, SIDE, 3), 114, np.uint8)
        padded[: small.shape[0], : small.shape[1]] = small
        tensor = padded.transpose(2, 0, 1)[None].astype(np.float32)
        head = session.run(None, {name: tensor})[0][0]
        centre = (head[:, :2] + grid) * strides
        size = np.exp(head[:, 2:4]) * strides
        scores = head[:, 4:5] * head[:, 5:]
        classes = scores.argmax(1)
        best = scores[np.arange(len(scores)), classes]
        wanted = best > CONFIDENCE
        boxes = np.concatenate([centre - size / 2, size], 1)[wanted] / ratio
        kept = cv2.dnn.NMSBoxesBatched(
            boxes.tolist(), best[wanted].tolist(), classes[wanted].tolist(), CONFIDENCE, NMS_IOU
        )
        totals["frames"] += 1
        totals["objects"] += len(kept)
    capture.release()


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Give the cell and the stride of every row of the raw head."""
    grids, strides = [], []
    for stride in (8, 16, 32):
        side = SIDE // stride
        xs, ys = np.meshgrid(np.arange(side), np.arange(side))
        grids.append(np.stack([xs.ravel(), ys.ravel()], 1))
        strides.append(np.full((side * side, 1), stride))
    return np.concatenate(grids), np.concatenate(strides)


def main() -> None:
    """Run the loop over the clips and print what it cost."""
    model, *clips = sys.argv[1:]
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    totals = [{"frames": 0, "objects": 0} for _ in clips]
    threads = [
        threading.Thread(target=look_at_all, args=(clip, session, total))
        for clip, total in zip(clips, totals, strict=True)
    ]
    cpu_before, started = cpu_s(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(total["frames"] for total in totals):
        raise SystemExit("a clip could not be read")
    print(
        json.dumps(
            {
                "frames": sum(total["frames"] for total in totals),
                "objects": sum(total["objects"] for total in totals),
                "seconds": time.perf_counter() - started,
                "cpu_s": cpu_s() - cpu_before,
                "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


def cpu_s() -> float:
    """Give the CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
