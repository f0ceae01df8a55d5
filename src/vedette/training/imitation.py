"""Learning from another detector's every cell, beside the labels.

A label says where somebody is. A grown detector says much more about the same picture: how sure
each cell is, what else it might be, and what it saw that made it think so. A student that is asked
to say and see the same learns from far fewer pictures, because what the teacher learnt from many
others is in every answer. Nothing of the teacher's weights goes into the student.

Only for teachers of the YOLOX family, whose cells are those of our network: strides 8, 16 and 32,
finest first, row by row.

Sources: Hinton et al., Distilling the knowledge in a neural network, 2015; Beyer et al., Knowledge
distillation: a good teacher is patient and consistent, 2022; features of the head as in Zheng et
al., Localization distillation, 2022.
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

from vedette.domain.errors import ModelUnreadable
from vedette.training.network import STRIDES, boxes_of
from vedette.training.targets import generalised_overlap

# The teacher's classes (of COCO's 80) that are each of ours: person; car, motorcycle, bus, truck.
OURS = ((0,), (2, 3, 5, 7))
# The teacher's box counts where it is at least this sure.
BOX_FROM = 0.15
# A cell where the teacher sees nothing of any class weighs this much against one where it does.
EMPTY_CELL = 0.1
# Of what the student should feel like the teacher, against what it should say.
FEATURE_WEIGHT, DENSE_WEIGHT, DENSE_BOX_WEIGHT = 1.0, 1.0, 1.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the teacher says of a batch.

    Attributes:
        answers: (N, A, 85) raw box, how sure something is there, how likely each class.
        features: Per level (N, F, rows, columns), before its last convolutions.
    """

    answers: Floats
    features: list[Floats]


class Example:
    """A teacher's model file, asked for its every cell."""

    def __init__(self, path: Path) -> None:
        """Load it, on one core.

        Args:
            path: An ONNX file of the YOLOX family (an open height, width and batch).

        Raises:
            ModelUnreadable: it is no such file.
        """
        try:
            model = onnx.load(path)
        except Exception as error:
            raise ModelUnreadable(f"model {path}: is no ONNX file that can be read") from error
        self.input = model.graph.input[0].name
        names = []
        for level in range(len(STRIDES)):
            for part in ("cls", "reg"):
                weights = f"head.{part}_preds.{level}.weight"
                found = [node.input[0] for node in model.graph.node if weights in node.input]
                if not found:
                    raise ModelUnreadable(
                        f"model {path}: only a model of the YOLOX family can be imitated"
                    )
                names.append(found[0])
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
        self._names = [model.graph.output[0].name, *names]
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def look(self, pictures: npt.NDArray[np.uint8]) -> Seen:
        """Give what it says of pictures, (N, H, W, 3) BGR bytes, sides multiples of 32."""
        seen = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        answers, *features = self._session.run(self._names, {self.input: seen})
        pairs = zip(features[::2], features[1::2], strict=True)
        return Seen(
            np.asarray(answers), [np.concatenate(pair, 1).astype(np.float16) for pair in pairs]
        )

    @property
    def features(self) -> int:
        """How many features it has per cell."""
        return int(self.look(np.zeros((1, 32, 32, 3), np.uint8)).features[0].shape[1])


class Imitation(nn.Module):
    """How far a student is from its teacher: in what it says, and in what it sees."""

    def __init__(self, student: int, teacher: int) -> None:
        """Make one for `student` and `teacher` features per cell."""
        super().__init__()
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
        device = answers.device
        said = torch.from_numpy(seen.answers).to(device)
        sure = said[..., 4:5] * said[..., 5:]
        anything = sure.amax(-1)
        wanted = torch.stack([sure[..., list(kinds)].amax(-1) for kinds in OURS], -1)
        classes = wanted.shape[-1]
        logits = answers[..., :classes].float()
        weight = (wanted - logits.detach().sigmoid()).abs() ** 1.5
        each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        total = wanted.sum().clamp(min=1)
        loss = DENSE_WEIGHT * (each * weight).sum() / total
        best = wanted.amax(-1)
        there = best > BOX_FROM
        if there.any():
            mine = boxes_of(answers[..., classes:], centres, strides)[there]
            scale = strides[None, :, None]
            middle = (said[..., :2] - 0.5) * scale + centres
            half = said[..., 2:4].clamp(max=6).exp() * scale / 2
            true = torch.cat([middle - half, middle + half], -1)[there]
            size = (
                answers.new_tensor(
                    [features[0].shape[3], features[0].shape[2]], dtype=torch.float32
                )
                * STRIDES[0]
            )
            true = torch.minimum(true.clamp(min=0), size.repeat(2))
            apart = (1 - generalised_overlap(mine, true)) * best[there]
            loss = loss + DENSE_BOX_WEIGHT * apart.sum() / total
        start = 0
        differences, weights = answers.new_zeros((), dtype=torch.float32), 0.0
        for adapter, norm, own, other in zip(
            self.adapters, self.norms, features, seen.features, strict=True
        ):
            count = own.shape[2] * own.shape[3]
            worth = EMPTY_CELL + anything[:, start : start + count]
            start += count
            with torch.no_grad():
                like = norm(torch.from_numpy(other).to(device).float()).clamp(-6, 6)
            apart = (adapter(own).float() - like).square().mean(1).flatten(1)
            differences = differences + (apart * worth).sum()
            weights = weights + worth.sum()
        return loss + FEATURE_WEIGHT * differences / weights
