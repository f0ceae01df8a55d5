"""A process that writes rows to its standard output until nobody reads them."""

from __future__ import annotations

from pictures import ArrayFrame, grey_picture
from scenes import scene_of, stream_facts
from vedette.domain.errors import SinkClosed
from vedette.domain.prediction import Origin
from vedette.sinks.text import prediction_sink


def write_until_closed() -> None:
    """Write for ever; return when the reader has gone."""
    sink = prediction_sink("-", Origin("run", "door"))
    sink.open(stream_facts())
    picture = grey_picture(320, 180)
    try:
        while True:
            sink.write(ArrayFrame(picture), scene_of())
    except SinkClosed:
        sink.discard()
