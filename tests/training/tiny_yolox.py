"""A tiny network whose file is of the YOLOX family: it answers cell by cell, and knows red."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vedette.detectors.card import Colours, Family, ModelCard, Scaling
from vedette.detectors.coco import COCO_80

FEATURES = 6
# Sides of what it boxes, in strides.
BOX_STRIDES = 3.0


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for part, go in (("cls", len(COCO_80)), ("reg", 4), ("obj", 1)):
            convolutions = nn.ModuleList(nn.Conv2d(FEATURES // 2, go, 1) for _ in range(3))
            setattr(self, f"{part}_preds", convolutions)
            for one in convolutions:
                nn.init.normal_(one.weight, std=1e-4)  # Of equal ones the exporter keeps one.
                nn.init.constant_(one.bias, -8.0)
        for one in self.reg_preds:
            one.bias.data = torch.tensor([0.5, 0.5, *[torch.log(torch.tensor(BOX_STRIDES))] * 2])
        for one in self.obj_preds:
            nn.init.constant_(one.bias, 8.0)
        for one in self.cls_preds:  # The more red, the more a person.
            one.weight.data[0, 0] = 30.0
            one.bias.data[0] = -6.0


class TinyYolox(nn.Module):
    """Per level: the mean colours of a cell, then the last convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _Head()

    def forward(self, pictures: Tensor) -> Tensor:
        found = []
        for level, stride in enumerate((8, 16, 32)):
            blue, green, red = (functional.avg_pool2d(pictures / 255, stride)).split(1, 1)
            seen = torch.cat([red - (blue + green) / 2, blue, green], 1)
            other = seen * 2 + 1
            parts = [
                self.head.reg_preds[level](other),
                torch.sigmoid(self.head.obj_preds[level](other)),
                torch.sigmoid(self.head.cls_preds[level](seen)),
            ]
            found.append(torch.cat(parts, 1).flatten(2))
        return torch.cat(found, 2).transpose(1, 2)


def build_tiny_yolox(path: Path) -> tuple[Path, ModelCard]:
    """Write its file; give it and its card."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            TinyYolox().eval(), (torch.zeros(1, 3, 64, 96),), str(path), dynamo=False,
            input_names=["images"], output_names=["output"],
            dynamic_axes={
                "images": {0: "n", 2: "h", 3: "w"}, "output": {0: "n", 1: "cells"},
            },
        )  # fmt: skip
    card = ModelCard(
        name="tiny-yolox", family=Family.YOLOX, input="images", height=64, width=96,
        labels=COCO_80, dynamic=True, colours=Colours.BGR, scaling=Scaling.BYTES,
    )  # fmt: skip
    return path, card
