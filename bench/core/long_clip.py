"""A film long enough to outlast some faults: a clip laid end to end, not encoded anew."""

from __future__ import annotations

from pathlib import Path

import av

from bench.clips import FPS, GROUP_S, KINDS, ClipKind, clip_path
from bench.report import OUT

# Times the 20 s clip is laid end to end.
LAPS = 60
# Pictures from one key frame to the next.
GROUP = FPS * GROUP_S


def long_clip(kind: ClipKind = KINDS[2], laps: int = LAPS) -> Path:
    """Give a clip laid end to end, making it first where it is missing."""
    target = OUT / "clips" / f"{kind.name}-{laps}.mp4"
    if target.exists():
        return target
    source = clip_path(kind)
    partial = target.with_suffix(".partial.mp4")
    with av.open(str(source)) as read, av.open(str(partial), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        packets = [packet for packet in read.demux(video=0) if packet.size]
        length = max(packet.pts + packet.duration for packet in packets)
        content = [
            (bytes(one), one.pts, one.dts, one.is_keyframe, one.time_base) for one in packets
        ]
        for lap in range(laps):
            for data, pts, dts, is_key, time_base in content:
                packet = av.Packet(data)
                packet.stream = stream
                packet.time_base = time_base
                packet.pts, packet.dts = pts + lap * length, dts + lap * length
                packet.is_keyframe = is_key
                written.mux(packet)
    partial.replace(target)
    return target
