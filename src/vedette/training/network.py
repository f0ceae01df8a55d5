"""The network of Vedette's own detector: small, plain, fast on a CPU.

Only what ONNX Runtime runs fast on one core: 3 x 3 convolutions whose channel counts are multiples
of 16, ReLU, batch normalisation that folds into the convolution before it. Per cell it says two
class logits and four distances from the cell's centre to the box's sides; no objectness, no
anchors, no distribution over distances.

Sources: C2 blocks and the path aggregation are those of the YOLO family (Wang et al., CSPNet, 2020;
Liu et al., PANet, 2018); distances per cell as in FCOS (Tian et al., 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
CLASSES = ("person", "vehicle")
# Of a byte: about the middle and the spread of natural pictures. Part of the graph, so that a
# picture's bytes can be given as they are.
BYTE_MEAN = 114.0
BYTE_SPREAD = 60.0
# softplus of this times the stride is the half side of a box that nothing is known of.
DISTANCE_BIAS = 0.7
# sigmoid of this is 0.01: nearly no cell holds an object, and training begins so.
CLASS_BIAS = -4.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How wide and deep the network is.

    Attributes:
        widths: Channels at stride 2, 4, 8, 16 and 32.
        blocks: C2 blocks at stride 4, 8, 16 and 32.
        neck: Channels in which the levels exchange what they know.
        classes: How many labels.
    """

    widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 192)
    blocks: tuple[int, int, int, int] = (0, 1, 1, 1)
    neck: int = 64
    classes: int = len(CLASSES)


class Convolution(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self, come: int, go: int, side: int = 3, *, step: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(come, go, side, step, side // 2, groups=groups, bias=False),
            nn.BatchNorm2d(go),
            nn.ReLU(inplace=True),
        )


class Partial(nn.Module):
    """Half of the channels pass by; the other half goes through residual blocks, all are joined."""

    def __init__(self, width: int, blocks: int = 1) -> None:
        super().__init__()
        half = width // 2
        self.enter = Convolution(width, width, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(Convolution(half, half), Convolution(half, half)) for _ in range(blocks)
        )
        self.leave = Convolution(half * (2 + blocks), width, 1)

    def forward(self, seen: Tensor) -> Tensor:
        parts = list(self.enter(seen).chunk(2, 1))
        for block in self.blocks:
            parts.append(parts[-1] + block(parts[-1]))
        joined: Tensor = self.leave(torch.cat(parts, 1))
        return joined


class PerChannel(Convolution):
    """A wide look (5 x 5) in each channel for itself."""

    def __init__(self, width: int, *, step: int = 1) -> None:
        super().__init__(width, width, 5, step=step, groups=width)

    def forward(self, seen: Tensor) -> Tensor:
        # Training in half precision, this one kind is 3.5 times as slow on a CPU as in full
        # (backwards 96 ms against 27 for 32 x 64 x 32 x 40), and more than all others together.
        with torch.autocast(seen.device.type, enabled=False):
            return super().forward(seen.float())


class Light(nn.Sequential):
    """A wide look in each channel, then the channels mixed."""

    def __init__(self, width: int) -> None:
        super().__init__(PerChannel(width), Convolution(width, width, 1))


class Normalised(nn.Module):
    """Bytes as the network likes them, around zero, with a line of black above and to the left.

    Black, for that is the byte 0: so a first convolution that takes bytes as they are does the
    same, with the zeros that every convolution has around its input.
    """

    def forward(self, pictures: Tensor) -> Tensor:
        black = -BYTE_MEAN / BYTE_SPREAD
        return functional.pad((pictures - BYTE_MEAN) * (1 / BYTE_SPREAD), (1, 0, 1, 0), value=black)


class Network(nn.Module):
    """Pictures → logits and distances per cell.

    `forward` takes float (N, 3, H, W), BGR, 0 to 255, sides multiples of 32, and gives
    (N, A, C + 4): class logits, then left, top, right, bottom before softplus and stride; cells of
    the finest level first, row by row.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = shape.widths
        b4, b8, b16, b32 = shape.blocks
        neck = shape.neck
        self.shape = shape
        self.entry: nn.Module = Normalised()
        first = Convolution(3, w2, step=2)
        _lines_around(first, 0)
        self.to4 = nn.Sequential(first, Convolution(w2, w4, step=2), *_partial(w4, b4))
        self.to8 = nn.Sequential(Convolution(w4, w8, step=2), *_partial(w8, b8))
        self.to16 = nn.Sequential(Convolution(w8, w16, step=2), *_partial(w16, b16))
        self.to32 = nn.Sequential(Convolution(w16, w32, step=2), *_partial(w32, b32), Light(w32))
        self.into_neck = nn.ModuleList(Convolution(width, neck, 1) for width in (w8, w16, w32))
        self.down16, self.down8 = Light(neck), Light(neck)
        self.step16 = PerChannel(neck, step=2)
        self.step32 = PerChannel(neck, step=2)
        self.up16, self.up32 = Light(neck), Light(neck)
        self.heads = nn.ModuleList(nn.Sequential(Light(neck), Light(neck)) for _ in STRIDES)
        self.answers = nn.ModuleList(nn.Conv2d(neck, shape.classes + 4, 1) for _ in STRIDES)
        for answer in self.answers:
            assert isinstance(answer, nn.Conv2d) and answer.bias is not None
            nn.init.normal_(answer.weight, std=0.01)
            answer.bias.data[: shape.classes] = CLASS_BIAS
            answer.bias.data[shape.classes :] = DISTANCE_BIAS

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Give what each level answers from, (N, neck, rows, columns), finest first."""
        seen4 = self.to4(self.entry(pictures))
        seen8 = self.to8(seen4)
        seen16 = self.to16(seen8)
        seen32 = self.to32(seen16)
        fine, middle, coarse = (
            enter(seen) for enter, seen in zip(self.into_neck, (seen8, seen16, seen32), strict=True)
        )
        middle = self.down16(middle + _twice(coarse))
        fine = self.down8(fine + _twice(middle))
        middle = self.up16(middle + self.step16(fine))
        coarse = self.up32(coarse + self.step32(middle))
        return [head(seen) for head, seen in zip(self.heads, (fine, middle, coarse), strict=True)]

    def levels(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Give the answer of each level, (N, C + 4, rows, columns), finest first."""
        return [answer(seen) for answer, seen in zip(self.answers, features, strict=True)]

    def answer(self, features: Sequence[Tensor]) -> Tensor:
        """Give what `forward` gives, of its features."""
        return torch.cat([one.flatten(2) for one in self.levels(features)], 2).transpose(1, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.answer(self.features(pictures))


def _partial(width: int, blocks: int) -> list[nn.Module]:
    return [Partial(width, blocks)] if blocks else []


def _twice(seen: Tensor) -> Tensor:
    return functional.interpolate(seen, scale_factor=2.0, mode="nearest")


def cell_centres(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Give centres (A, 2) in pixels and strides (A,) of all cells of an input, in answer order."""
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((rows * columns,), float(stride)))
    return torch.cat(centres).to(device), torch.cat(strides).to(device)


def boxes_of(distances: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Give x_min, y_min, x_max, y_max in input pixels of raw distances (..., A, 4)."""
    reach = functional.softplus(distances.float()) * strides[:, None]
    return torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], -1)


def folded(network: Network) -> Network:
    """Give a copy whose batch normalisations are folded into the convolutions before them.

    What is folded already stays as it is.
    """
    network = copy.deepcopy(network).eval()
    for part in list(network.modules()):
        if isinstance(part, Convolution) and not isinstance(part[1], nn.Identity):
            convolution, norm = part[0], part[1]
            assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            part[0] = _fold(convolution, norm)
            part[1] = nn.Identity()
    return network


def taking_bytes(network: Network) -> Network:
    """Give a folded copy whose first convolution takes bytes as they are.

    The answers are the same, and come sooner by a twentieth of the time.
    """
    network = folded(network)
    first = _lines_around(network.to4[0], 1)
    assert first.bias is not None
    first.weight.data /= BYTE_SPREAD
    first.bias.data -= first.weight.data.sum((1, 2, 3)) * BYTE_MEAN
    network.entry = nn.Identity()
    return network


def take_normalised(network: Network) -> None:
    """Undo in the weights of a plain network what `taking_bytes` did to them."""
    first = _lines_around(network.to4[0], 0)
    assert first.bias is not None
    first.bias.data += first.weight.data.sum((1, 2, 3)) * BYTE_MEAN
    first.weight.data *= BYTE_SPREAD


def _lines_around(part: nn.Module, lines: int) -> nn.Conv2d:
    """Have a convolution put so many lines of zeros around what it sees; give it."""
    assert isinstance(part, Convolution) and isinstance(part[0], nn.Conv2d)
    part[0].padding = (lines, lines)
    return part[0]


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    assert norm.running_mean is not None and norm.running_var is not None
    gain = norm.weight.data / torch.sqrt(norm.running_var + norm.eps)
    plain = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        _pair(convolution.kernel_size),
        _pair(convolution.stride),
        _pair(convolution.padding),
        groups=convolution.groups,
    )
    assert plain.bias is not None
    plain.weight.data = convolution.weight.data * gain[:, None, None, None]
    plain.bias.data = norm.bias.data - norm.running_mean * gain
    return plain


def _pair(sides: Sequence[int] | str) -> tuple[int, int]:
    assert not isinstance(sides, str)
    return sides[0], sides[1]
