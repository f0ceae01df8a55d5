"""The whole film of one set of parameters: picture by picture, always the same."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from vedette.sources.street.actors import Actor
from vedette.sources.street.backdrop import paint_backdrop
from vedette.sources.street.camera import Camera
from vedette.sources.street.choreography import choreograph
from vedette.sources.street.easel import Easel
from vedette.sources.street.parameters import StreetParameters
from vedette.sources.street.place import Place, lay_out
from vedette.sources.street.sheet import Picture

_NOISE = 1.5  # Standard deviation of the sensor's noise, in steps of luma.
_NOISE_SPARE = 64  # The noise field is this much larger than the picture, and moved about.

# A camera's own taste: lights a little lifted, colours a little stronger.
_STEPS = np.arange(256) / 255
_LUMA = np.rint(255 * (_STEPS**0.90 + 0.035 * np.sin(2 * np.pi * (_STEPS - 0.5)))).clip(0, 255)
_LUMA = _LUMA.astype(np.uint8)
_CHROMA = np.rint((_STEPS * 255 - 128) * 1.12 + 128).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def cast(parameters: StreetParameters) -> tuple[Place, Camera, tuple[Actor, ...]]:
    """Lay out the street and the ways of everybody on it; paints nothing."""
    camera = Camera(parameters.width, parameters.height)
    place = lay_out(np.random.default_rng((parameters.seed, 0)))
    actors = choreograph(parameters, place, camera, np.random.default_rng((parameters.seed, 1)))
    return place, camera, tuple(actors)


class Film:
    """Paints the pictures of one scene; for one thread."""

    def __init__(self, parameters: StreetParameters) -> None:
        self._parameters = parameters
        place, self._camera, self._actors = cast(parameters)
        rng = np.random.default_rng((parameters.seed, 2))
        self._easel = Easel(paint_backdrop(place, self._camera, rng), self._camera)
        size = (parameters.height + _NOISE_SPARE, parameters.width + _NOISE_SPARE)
        noise = np.rint(rng.standard_normal(size, np.float32) * _NOISE)
        self._more = np.clip(noise, 0, None).astype(np.uint8)
        self._less = np.clip(-noise, 0, None).astype(np.uint8)

    def still(self, number: int) -> Picture:
        """Paint picture `number` as the lens sees it: uint8 (H, W, 3), BGR, no noise."""
        time_s = number / self._parameters.fps
        return self._easel.picture(
            [
                actor.figure(time_s, self._camera)
                for actor in self._actors
                if actor.begin_s <= time_s <= actor.end_s
            ]
        )

    def planes(self, number: int) -> Picture:
        """Give picture `number` as the sensor reads it: planar YUV 4:2:0, uint8 (H * 3 / 2, W)."""
        height, width = self._parameters.height, self._parameters.width
        planes = cv2.cvtColor(self.still(number), cv2.COLOR_BGR2YUV_I420)
        # Cheap and never the same twice in a row: one field of noise, moved about.
        step = np.random.default_rng((self._parameters.seed, 3, number))
        dy, dx = step.integers(_NOISE_SPARE, size=2)
        field = (slice(dy, dy + height), slice(dx, dx + width))
        luma, chroma = planes[:height], planes[height:]
        cv2.LUT(luma, _LUMA, dst=luma)
        cv2.LUT(chroma, _CHROMA, dst=chroma)
        cv2.add(luma, self._more[field], dst=luma)
        cv2.subtract(luma, self._less[field], dst=luma)
        return np.asarray(planes, np.uint8)
