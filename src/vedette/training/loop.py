"""The training itself: a schedule of batches, kept so that kill -9 costs minutes at most.

Every batch follows from the seed and its number alone, and the state kept is all that the next
step needs; so a training that was killed goes on as if it had not been (but for rounding, where
threads add in another order).
"""

from __future__ import annotations

import copy
import itertools
import pickle
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vedette.domain.errors import BadInput
from vedette.training.augment import Batch, draw_batch
from vedette.training.imitation import Example, Imitation, Seen
from vedette.training.network import Network, Shape, cell_centres
from vedette.training.pictures import PictureSet
from vedette.training.targets import BOX_WEIGHT, Truths, losses
from vedette.training.wear import wear

# Batches made ahead of the network.
BATCHES_AHEAD = 6
GRADIENT_MAX = 10.0
WARM_UP_STEPS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, on what, and how fast to learn.

    Attributes:
        samples: Pictures to learn from in all, each as often as it is drawn.
        settle_share: Share of them at the end over which the steps shrink to nearly nothing.
        plain_share: Share of them at the very end without pictures put together of four.
        batch: Pictures per step.
        sizes: Height and width of the inputs, one drawn per batch; multiples of 32.
        first_sizes: Likewise for the first `first_share` of the steps: small pictures teach the
            same at first, and cost less.
        first_share: How long those last.
        rate: Step size once warm.
        decay: Weight decay.
        average: How much of the averaged weights stays per step.
        four_share: Share of pictures put together of four.
        grey_share: Share of pictures without colour.
        busy: Put pieces of other pictures, and things that are nothing, onto them, and make some
            worse as cameras do.
        seed: Of everything that is drawn.
    """

    samples: int = 400_000
    settle_share: float = 0.3
    plain_share: float = 0.12
    batch: int = 32
    sizes: tuple[tuple[int, int], ...] = ((224, 288), (256, 320), (256, 416), (320, 320))
    first_sizes: tuple[tuple[int, int], ...] = ((192, 256), (224, 288))
    first_share: float = 0.6
    rate: float = 2e-3
    decay: float = 0.02
    average: float = 0.9985
    four_share: float = 0.5
    grey_share: float = 0.12
    busy: bool = True
    seed: int = 0

    @property
    def steps(self) -> int:
        """Steps in all."""
        return -(-self.samples // self.batch)

    def rate_at(self, step: int) -> float:
        """Give the step size: warm up, hold, settle by half a cosine."""
        left = (self.steps - step) / (self.steps * self.settle_share)
        settled = 1.0 if left >= 1 else 0.5 * (1 - np.cos(np.pi * max(left, 0.0)))
        warm = min(1.0, (step + 1) / WARM_UP_STEPS)
        return float(self.rate * warm * (0.02 + 0.98 * settled))

    def sizes_at(self, step: int) -> tuple[tuple[int, int], ...]:
        """Give the sizes to draw from."""
        return self.first_sizes if step < self.steps * self.first_share else self.sizes

    def four_share_at(self, step: int) -> float:
        """Give the share of pictures put together of four."""
        return self.four_share if step < self.steps * (1 - self.plain_share) else 0.0


@dataclass(slots=True)
class Point:
    """One point of the training's curve."""

    samples: int
    class_loss: float
    box_loss: float
    figures: dict[str, float] = field(default_factory=dict)


class Training:
    """A network being trained; `run` goes on until the plan is done."""

    def __init__(
        self,
        plan: Plan,
        shape: Shape,
        *,
        device: str | None = None,
        begin_with: Network | None = None,
        example: Example | None = None,
    ) -> None:
        """Begin a training; nothing is learnt yet.

        Args:
            plan: How long and how fast.
            shape: Of a network that begins with nothing.
            device: Where to compute; None takes a GPU where there is one.
            begin_with: A trained network to go on from; it has its own shape.
            example: Another detector to imitate, beside the labels.
        """
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = Network(shape) if begin_with is None else copy.deepcopy(begin_with)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.network).eval()
        self.example = example
        self.imitation: Imitation | None = None
        learnt = list(self.network.parameters())
        if example is not None:
            self.imitation = Imitation(self.network.shape.neck, example).to(self.device)
            learnt += self.imitation.parameters()
        many = [one for one in learnt if one.ndim > 1]
        few = [one for one in learnt if one.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": many, "weight_decay": plan.decay}, {"params": few, "weight_decay": 0.0}],
            lr=plan.rate,
            betas=(0.9, 0.99),
        )
        self.step = 0
        self.curve: list[Point] = []
        self._cells: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def run(
        self,
        pictures: PictureSet,
        *,
        every: int,
        pause: Callable[[Training], object],
        tick: Callable[[Training], object] = lambda _: None,
    ) -> None:
        """Train until the plan is done.

        Args:
            pictures: What to learn from.
            every: Steps between two pauses.
            pause: Called every so many steps and at the end: to keep, to evaluate, to draw.
            tick: Called after every step.
        """
        sums, began = np.zeros(2), self.step
        with _Batches(pictures, self.plan, self.step, self.example) as batches:
            for batch, seen in batches:
                sums += self._learn(batch, seen)
                self.step += 1
                tick(self)
                if self.step % every == 0 or self.step == self.plan.steps:
                    means = sums / (self.step - began)
                    samples = self.step * self.plan.batch
                    self.curve.append(Point(samples, float(means[0]), float(means[1])))
                    sums, began = np.zeros(2), self.step
                    pause(self)

    def _learn(self, batch: Batch, seen: Seen | None) -> tuple[float, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        pictures = self._coloured(torch.from_numpy(batch.pictures))
        count = max(1, int((batch.objects[..., 4] > 0).sum(axis=1).max()))
        truths = Truths(
            torch.from_numpy(batch.objects[:, :count]).to(self.device),
            torch.from_numpy(batch.doubtful).to(self.device),
        )
        centres, strides = self._grid(pictures.shape[2], pictures.shape[3])
        self.network.train()
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            features = self.network.features(pictures)
            answers = self.network.answer(features)
            loss = torch.zeros(())
            if self.imitation is not None and seen is not None:
                loss = self.imitation(answers, features, seen, centres, strides)
        class_loss, box_loss = losses(answers, truths, centres, strides)
        self._optimizer.zero_grad(set_to_none=True)
        (class_loss + BOX_WEIGHT * box_loss + loss).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_MAX)
        self._optimizer.step()
        self._average()
        return float(class_loss.detach()), float(box_loss.detach())

    def _coloured(self, pictures: Tensor) -> Tensor:
        """Give (N, 3, H, W) floats of (N, H, W, 3) bytes, in other light, some without colour."""
        chance = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + self.step)
        count = len(pictures)

        def between(least: float, most: float, channels: int = 1) -> Tensor:
            drawn = torch.rand(count, channels, 1, 1, generator=chance)
            return (least + (most - least) * drawn).to(self.device)

        seen = pictures.to(self.device).permute(0, 3, 1, 2).float()
        seen = ((seen - 114) * between(0.7, 1.3) + 114) * between(0.6, 1.4)
        seen = seen * between(0.85, 1.15, 3)
        grey = between(0, 1) < self.plan.grey_share
        seen = torch.where(grey, seen.mean(1, keepdim=True), seen).clamp(0, 255)
        return seen.contiguous(memory_format=torch.channels_last)

    def _grid(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        if (height, width) not in self._cells:
            self._cells[height, width] = cell_centres(height, width, self.device)
        return self._cells[height, width]

    @torch.no_grad()
    def _average(self) -> None:
        stays = min(self.plan.average, (1 + self.step) / (10 + self.step))
        pairs = zip(
            self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for kept, new in pairs:
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - stays)
            else:
                kept.copy_(new)

    def keep(self, path: Path) -> None:
        """Write all that going on needs; whole, or not at all."""
        draft = path.with_suffix(".draft")
        torch.save(
            {
                "plan": asdict(self.plan),
                "shape": asdict(self.network.shape),
                "step": self.step,
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "imitation": self.imitation.state_dict() if self.imitation else {},
                "curve": [asdict(one) for one in self.curve],
                "torch": str(torch.__version__),
            },
            draft,
        )
        draft.rename(path)

    def go_on_from(self, path: Path) -> None:
        """Take up what `keep` wrote; the plan may be longer than it was then.

        Raises:
            BadInput: the file is damaged, or of a network of another shape.
        """
        try:
            kept: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(kept["network"])
            self.averaged.load_state_dict(kept["averaged"])
            self._optimizer.load_state_dict(kept["optimizer"])
            if self.imitation is not None:
                self.imitation.load_state_dict(kept["imitation"])
        except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
            raise BadInput(
                f"training {path}: cannot be gone on from (damaged, or of another network); remove "
                f"it to begin anew"
            ) from error
        self.step = kept["step"]
        self.curve = [Point(**one) for one in kept["curve"]]


Made = tuple[Batch, Seen | None]


class _Batches:
    """Makes the batches of a plan in a thread, some ahead, in order."""

    def __init__(
        self, pictures: PictureSet, plan: Plan, first: int, example: Example | None
    ) -> None:
        self._pictures, self._plan, self._first = pictures, plan, first
        self._example = example
        self._made: queue.Queue[Made | BaseException] = queue.Queue(BATCHES_AHEAD)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._make_all, name="batches", daemon=True)

    def __enter__(self) -> Iterator[Made]:
        self._thread.start()
        return self._take()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _take(self) -> Iterator[Made]:
        for _ in range(self._first, self._plan.steps):
            made = self._made.get()
            if isinstance(made, BaseException):
                raise made
            yield made

    def _make_all(self) -> None:
        cv2.setNumThreads(1)
        try:
            for step in itertools.count(self._first):
                if step >= self._plan.steps or not self._hand_over(self._make(step)):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where batches are taken.
            self._hand_over(error)

    def _make(self, step: int) -> Made:
        chance = np.random.default_rng([self._plan.seed, step])
        sizes = self._plan.sizes_at(step)
        height, width = sizes[chance.integers(len(sizes))]
        batch = draw_batch(
            self._pictures,
            chance,
            count=self._plan.batch,
            height=height,
            width=width,
            four_share=self._plan.four_share_at(step),
            busy=self._plan.busy,
        )
        # The example sees them clear: the student is to say the same of worse ones.
        seen = None if self._example is None else self._example.look(batch.pictures)
        if self._plan.busy:
            wear(batch.pictures, chance)
        return batch, seen

    def _hand_over(self, made: Made | BaseException) -> bool:
        while not self._over.is_set():
            try:
                self._made.put(made, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


def pace(step: int, began_at: int, began_s: float) -> float:
    """Give steps per second since `began_s` of the monotonic clock."""
    return (step - began_at) / max(1e-9, time.monotonic() - began_s)
