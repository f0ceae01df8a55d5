"""A short clip of the built-in street as a plain MP4 file, for tests that need known truth."""

from __future__ import annotations

from pathlib import Path

from vedette.sources.street.encoder import write_film
from vedette.sources.street.parameters import StreetParameters
from vedette.sources.street.truth import StreetTruth, truth


def make_street_clip(path: Path, **parameters: int) -> StreetTruth:
    """Write a street film to `path` (MP4, H.264, key picture every 2 s) and give its truth.

    Small and short unless told otherwise: 320x180, 10 pictures a second, 8 seconds, 3 people, one
    vehicle. Any of `StreetParameters` may be given.
    """
    chosen = {
        "people": 3, "vehicles": 1, "seconds": 8, "fps": 10, "width": 320, "height": 180,
    } | parameters  # fmt: skip
    film = StreetParameters(**chosen)
    write_film(film, str(path), movflags="faststart")
    return truth(film)
