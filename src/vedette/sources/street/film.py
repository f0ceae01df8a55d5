"""The whole film of one set of parameters: picture by picture, always the same."""

from __future__ import annotations

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


def cast(parameters: StreetParameters) -> tuple[Place, Camera, list[Actor]]:
    """Lay out the street and the ways of everybody on it; paints nothing."""
    camera = Camera(parameters.width, parameters.height)
    place = lay_out(np.random.default_rng((parameters.seed, 0)))
    actors = choreograph(parameters, place, camera, np.random.default_rng((parameters.seed, 1)))
    return place, camera, actors


class Film:
    """Paints the pictures of one scene; for one thread."""

    def __init__(self, parameters: StreetParameters) -> None:
        self._parameters = parameters
        place, self._camera, self._actors = cast(parameters)
        rng = np.random.default_rng((parameters.seed, 2))
        self._easel = Easel(paint_backdrop(place, self._camera, rng), self._camera)
        size = (parameters.height + _NOISE_SPARE, parameters.width + _NOISE_SPARE)
        noise = rng.normal(128.0, _NOISE, size).astype(np.float32)
        self._noise = np.round(cv2.GaussianBlur(noise, (0, 0), 0.5) * 1.0).astype(np.uint8)

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
        noise = self._noise[dy : dy + height, dx : dx + width]
        luma = planes[:height]
        cv2.addWeighted(luma, 1.0, noise, 1.0, -128.0, dst=luma)
        return np.asarray(planes, np.uint8)
