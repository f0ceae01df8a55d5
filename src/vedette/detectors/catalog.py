"""Models known by name: those that can be pulled, and the one that comes with Vedette."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vedette.detectors.card import Colours, Family, LetterboxKind, ModelCard, Scaling
from vedette.detectors.coco import COCO_80
from vedette.domain.errors import NotFound

YOLOX_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A model somebody else publishes.

    Attributes:
        card: How to use it; its name is the model's name.
        url: Where its file lies; an address that never changes its content.
        sha256: The file's SHA-256, 64 hexadecimal digits.
        size_bytes: The file's length.
        note: What a person chooses by.
    """

    card: ModelCard
    url: str
    sha256: str
    size_bytes: int
    note: str

    @property
    def file_name(self) -> str:
        """The last part of the address; a mirror has the file under this name."""
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """The model that comes with Vedette: three files in one folder of the package.

    Attributes:
        name: Its name, also that of its file.
        folder: Where `NAME.onnx`, its card and its model card lie.
        sha256: The file's SHA-256; empty where none is pinned.
        note: What a person chooses by.
    """

    name: str
    folder: Path
    sha256: str
    note: str

    @property
    def path(self) -> Path:
        """The model file."""
        return self.folder / f"{self.name}.onnx"


class Catalog:
    """The models that can be pulled, the best first."""

    def __init__(self, *models: CatalogModel) -> None:
        self._models = {model.card.name: model for model in models}

    def __iter__(self) -> Iterator[CatalogModel]:
        return iter(self._models.values())

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def model(self, name: str) -> CatalogModel:
        """Give the model of that name.

        Raises:
            NotFound: there is none; names those there are.
        """
        if name not in self._models:
            raise NotFound(
                f"no model '{name}' in the catalog; it has {', '.join(self._models) or 'none'}; "
                f"a file of your own: vedette models add FILE"
            )
        return self._models[name]


def _yolox(name: str, *, side: int) -> ModelCard:
    return ModelCard(
        name=name,
        family=Family.YOLOX,
        input="images",
        height=side,
        width=side,
        labels=COCO_80,
        colours=Colours.BGR,
        scaling=Scaling.BYTES,
        letterbox=LetterboxKind.TOP_LEFT,
        licence="Apache-2.0",
        source="YOLOX 0.1.1rc0, Megvii, https://github.com/Megvii-BaseDetection/YOLOX",
    )


# Sums and sizes: of the files of YOLOX release 0.1.1rc0, as at least three public projects each
# pin them independently of one another. AP: COCO val2017, as the release states it.
BUILT_IN = Catalog(
    CatalogModel(
        _yolox("yolox-s", side=640),
        f"{YOLOX_RELEASE}/yolox_s.onnx",
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        35_858_002,
        "AP 40.5; some twenty-five times the work of nano, for few sources or many cores",
    ),
    CatalogModel(
        _yolox("yolox-tiny", side=416),
        f"{YOLOX_RELEASE}/yolox_tiny.onnx",
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        20_219_662,
        "AP 32.8; some six times the work of nano",
    ),
    CatalogModel(
        _yolox("yolox-nano", side=416),
        f"{YOLOX_RELEASE}/yolox_nano.onnx",
        "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
        3_659_407,
        "AP 25.8; the one to begin with, 8 ms per picture on one core",
    ),
)

# How it was trained, on what, and how good it is stands in its MODEL_CARD.md. Whoever replaces the
# file pins the new one here: a test and every start compare.
SHIPPED = ShippedModel(
    "vedette-s1",
    Path(__file__).parent / "shipped",
    sha256="caa23e69242332b5fb83532094b1136113d51a94ff955ac517348275541d2f6b",
    note="comes with Vedette; people and vehicles before cameras that stand still",
)
