"""Learning from another detector's every cell, beside the labels.

A label says where somebody is. A grown detector says much more about the same picture: how sure
each cell is, what else it might be, and what it saw that made it think so. A student that is asked
to say and see the same learns from fewer pictures, because what the teacher learnt from many others
is in every answer. Nothing of the teacher's weights goes into the student.

Only for teachers of the YOLOX family, whose cells are those of our network: strides 8, 16 and 32,
finest first, row by row.

Sources: Hinton et al., Distilling the knowledge in a neural network, 2015; Beyer et al., Knowledge
distillation: a good teacher is patient and consistent, 2022; features compared whole, each in its
own measure, as in Cao et al., PKD, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional

from vedette.detectors.card import Colours, ModelCard, Scaling
from vedette.domain.errors import BadInput, ModelUnreadable
from vedette.training.network import CLASSES, STRIDES, boxes_of
from vedette.training.targets import generalised_overlap
from vedette.training.teacher import CLASS_OF

# The teacher's box counts where it is at least this sure.
BOX_FROM = 0.15
# A cell where the teacher sees nothing of any class weighs this much against one where it does.
EMPTY_CELL = 0.1
# Easy cells weigh less: by how far off the student is, to this power.
OFF_POWER = 1.5
# Features farther from their mean than this many deviations are cut: single ones must not decide.
FEATURE_MOST = 6.0
# exp of this times the stride is more than any picture.
BOX_LOG_MOST = 6.0

Floats = npt.NDArray[np.float32]
Features = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the teacher says of a batch.

    Attributes:
        answers: (N, A, 5 + K) raw box, how sure something is there, how likely each class.
        features: Per level (N, F, rows, columns), before its last convolutions.
    """

    answers: Floats
    features: list[Features]


class Example:
    """A teacher's model file, asked for its every cell.

    Attributes:
        name: Of the model, for the card.
        ours: Which of its classes are each of ours.
    """

    def __init__(self, path: Path, card: ModelCard) -> None:
        """Load it, on one core.

        Args:
            path: An ONNX file of the YOLOX family; batch, height and width are open.
            card: How to use it.

        Raises:
            ModelUnreadable: it is no such file.
            BadInput: it does not know people and vehicles, or takes no plain bytes.
        """
        self.name = card.name
        self.ours = [
            [place for place, label in enumerate(card.labels) if CLASS_OF.get(label) == kind]
            for kind in range(len(CLASSES))
        ]
        if not all(self.ours):
            raise BadInput(f"model {card.name}: to be imitated it has to know people and vehicles")
        if card.colours is not Colours.BGR or card.scaling is not Scaling.BYTES:
            raise BadInput(f"model {card.name}: takes no plain bytes, so it cannot be imitated")
        try:
            model = onnx.load(path)
        except Exception as error:  # What protobuf raises has no common class.
            raise ModelUnreadable(f"model {path}: is no ONNX file that can be read") from error
        self._input = model.graph.input[0].name
        features = _features_in(model.graph, card.name)
        self._names = [model.graph.output[0].name, *features]
        # Two levels may look at the same; an output is named but once.
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in set(features))
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        nothing = self.look(np.zeros((1, 64, 64, 3), np.uint8))
        self.features = int(nothing.features[0].shape[1])

    def look(self, pictures: npt.NDArray[np.uint8]) -> Seen:
        """Give what it says of pictures, (N, H, W, 3) BGR bytes, sides multiples of 32."""
        seen = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        answers, *features = self._session.run(self._names, {self._input: seen})
        pairs = zip(features[::2], features[1::2], strict=True)
        # Half precision: some batches of them wait in memory.
        together = [np.concatenate(pair, 1).astype(np.float16) for pair in pairs]
        return Seen(np.asarray(answers), together)


def _features_in(graph: onnx.GraphProto, name: str) -> list[str]:
    """Give what the last convolutions of each level take in: for classes, then for boxes."""
    found = []
    for level in range(len(STRIDES)):
        for part in ("cls", "reg"):
            weights = f"head.{part}_preds.{level}.weight"
            taken = [
                node.input[0]
                for node in graph.node
                if weights in node.input and node.op_type == "Conv"
            ]
            if not taken:
                raise ModelUnreadable(
                    f"model {name}: only a model of the YOLOX family can be imitated"
                )
            found.append(taken[0])
    return found


class Imitation(nn.Module):
    """How far a student is from its teacher: in what it says, and in what it sees."""

    def __init__(self, student: int, example: Example) -> None:
        """Make one for a student of that many features per cell."""
        super().__init__()
        self._ours = example.ours
        teacher = example.features
        self.adapters = nn.ModuleList(nn.Conv2d(student, teacher, 1) for _ in STRIDES)
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(teacher, affine=False, momentum=0.05) for _ in STRIDES
        )

    def forward(
        self,
        answers: Tensor,
        features: Sequence[Tensor],
        seen: Seen,
        centres: Tensor,
        strides: Tensor,
    ) -> Tensor:
        """Give the loss.

        Args:
            answers: (N, A, C + 4) of the student.
            features: Per level, (N, student features, rows, columns) before its answers.
            seen: What the teacher says of the same pictures.
            centres: (A, 2), of the cells, in pixels.
            strides: (A,), likewise.
        """
        said = torch.from_numpy(seen.answers).to(answers.device)
        sure = said[..., 4:5] * said[..., 5:]
        wanted = torch.stack([sure[..., kinds].amax(-1) for kinds in self._ours], -1)
        spoken = _spoken(answers, wanted, said, centres, strides)
        return spoken + self._felt(features, seen.features, sure.amax(-1))

    def _felt(
        self, features: Sequence[Tensor], others: Sequence[Features], anything: Tensor
    ) -> Tensor:
        """Give how far the features are from the teacher's, where it sees anything above all."""
        start, apart, weights = 0, anything.new_zeros(()), anything.new_zeros(())
        for adapter, norm, own, other in zip(
            self.adapters, self.norms, features, others, strict=True
        ):
            count = own.shape[2] * own.shape[3]
            worth = EMPTY_CELL + anything[:, start : start + count]
            start += count
            with torch.no_grad():
                like = norm(torch.from_numpy(other).to(own.device).float())
                like = like.clamp(-FEATURE_MOST, FEATURE_MOST)
            differences = (adapter(own).float() - like).square().mean(1).flatten(1)
            apart = apart + (differences * worth).sum()
            weights = weights + worth.sum()
        return apart / weights


def _spoken(
    answers: Tensor, wanted: Tensor, said: Tensor, centres: Tensor, strides: Tensor
) -> Tensor:
    """Give how far what is said of classes and boxes is from what the teacher says."""
    classes = wanted.shape[-1]
    logits = answers[..., :classes].float()
    off = (wanted - logits.detach().sigmoid()).abs() ** OFF_POWER
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    total = wanted.sum().clamp(min=1)
    loss = (each * off).sum() / total
    best = wanted.amax(-1)
    there = best > BOX_FROM
    if not there.any():
        return loss
    own = boxes_of(answers[..., classes:], centres, strides)[there]
    true = boxes_said(said, centres, strides)[there]
    return loss + ((1 - generalised_overlap(own, true)) * best[there]).sum() / total


def boxes_said(said: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Give x_min, y_min, x_max, y_max in input pixels of YOLOX's raw answers (..., A, 4 or more).

    No box ends outside the picture: labels do not either.
    """
    scale = strides[:, None]
    # YOLOX counts from a cell's corner, we from its middle.
    middle = (said[..., :2] - 0.5) * scale + centres
    half = said[..., 2:4].clamp(max=BOX_LOG_MOST).exp() * scale / 2
    size = (centres + scale / 2).amax(0)
    boxes = torch.cat([middle - half, middle + half], -1).clamp(min=0)
    return torch.minimum(boxes, size.repeat(2))
