"""What a street scene is asked to be: `synthetic://street?people=6&seed=1`, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from urllib.parse import parse_qsl

from vedette.domain.errors import BadInput
from vedette.sources.address import split_address, without_credentials

SCHEME = "synthetic"
SCENE = "street"

# least, most, unit. A denser street is a crowd nobody can count; a longer one helps nobody.
BOUNDS: dict[str, tuple[int, int, str]] = {
    "people": (0, 24, ""),
    "vehicles": (0, 12, ""),
    "seed": (0, 2**31 - 1, ""),
    "seconds": (2, 3600, " seconds"),
    "fps": (1, 60, " pictures a second"),
    "width": (160, 3840, " pixels"),
    "height": (120, 2160, " pixels"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetParameters:
    """All that decides every pixel of a street scene; see `BOUNDS`.

    Raises:
        BadInput: a value is out of bounds, or a size is odd (H.264 halves its colour planes).
    """

    people: int = 6
    vehicles: int = 3
    seed: int = 1
    seconds: int = 30
    fps: int = 15
    width: int = 1280
    height: int = 720

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            least, most, unit = BOUNDS[one.name]
            if not least <= value <= most:
                raise BadInput(
                    f"{SCHEME}://{SCENE}: {one.name}={value} is out of bounds; "
                    f"use {least} to {most}{unit}"
                )
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                raise BadInput(
                    f"{SCHEME}://{SCENE}: {name}={getattr(self, name)} is odd; use an even number"
                )

    @property
    def pictures(self) -> int:
        """Number of pictures in the film."""
        return self.seconds * self.fps

    @property
    def scale(self) -> float:
        """Size of the picture against 1280x720; another shape shows a cut-out, never more."""
        return max(self.width / 1280, self.height / 720)


def parse_street(url: str) -> StreetParameters:
    """Read the parameters out of `synthetic://street?key=value&…`.

    Raises:
        BadInput: another scene, an unknown or doubled key, or a bad value; says what is allowed.
    """
    parts = split_address(url)
    scene = parts.netloc + parts.path.rstrip("/")
    if parts.scheme != SCHEME or scene != SCENE:
        raise BadInput(
            f"{without_credentials(url)}: there is no such built-in scene; use {SCHEME}://{SCENE}"
        )
    chosen: dict[str, int] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in BOUNDS:
            raise BadInput(
                f"{SCHEME}://{SCENE}: there is no parameter '{key}'; use {', '.join(BOUNDS)}"
            )
        if key in chosen:
            raise BadInput(f"{SCHEME}://{SCENE}: '{key}' is given twice; give it once")
        least, most, unit = BOUNDS[key]
        if not (value.isascii() and value.isdecimal() and len(value) <= 10):
            raise BadInput(
                f"{SCHEME}://{SCENE}: {key}={value!r} is no whole number; "
                f"use {least} to {most}{unit}"
            )
        chosen[key] = int(value)
    return StreetParameters(**chosen)
