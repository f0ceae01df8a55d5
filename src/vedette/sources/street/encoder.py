"""The film as a camera would send it: H.264 in fragments of MP4, written while it is made."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import av

from vedette.sources.street.film import Film
from vedette.sources.street.parameters import StreetParameters

_GOP_S = 2  # As surveillance cameras do.
# Several to a second of any rate up to 60, so that every PTS is a whole number.
_TICKS_PER_PICTURE = 512


class Writable(Protocol):
    """What the film is written to."""

    def write(self, piece: bytes, /) -> int:
        """Take bytes."""


def write_film(
    parameters: StreetParameters,
    out: Writable | str,
    *,
    wanted: Callable[[], bool] = lambda: True,
    movflags: str = "frag_every_frame+empty_moov+default_base_moof",
) -> None:
    """Paint and encode the whole film; the same bytes for the same parameters.

    Args:
        parameters: Which film.
        out: Where to.
        wanted: Looked at before each picture; once false, the rest is left out.
        movflags: How the MP4 is laid out; by default so that it can be read while it is written.
    """
    film = Film(parameters) if wanted() else None
    with av.open(out, "w", format="mp4", options={"movflags": movflags}) as container:
        stream = container.add_stream("libx264", rate=parameters.fps)
        stream.width, stream.height = parameters.width, parameters.height
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, parameters.fps * _TICKS_PER_PICTURE)
        codec = stream.codec_context
        codec.time_base = Fraction(1, parameters.fps)
        codec.thread_count = 1  # More threads would write other bytes.
        codec.gop_size = parameters.fps * _GOP_S
        codec.max_b_frames = 0
        stream.options = {
            "preset": "veryfast",
            "crf": "22",
            "x264-params": "scenecut=0:open-gop=0:rc-lookahead=0:sync-lookahead=0",
        }
        for number in range(parameters.pictures):
            if film is None or not wanted():
                return
            frame = av.VideoFrame.from_ndarray(film.planes(number), format="yuv420p")
            frame.pts, frame.time_base = number, codec.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
