"""The parts of a training step: batches from named seeds, AdamW by group, schedule, averages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from registry.errors import UserError
from zoo.seeds import numpy_rng


class Batches:
    """Which items each batch holds: a seeded permutation per epoch, no batch of one.

    A last batch of a single item is merged with the one before it, because batch norm cannot
    train on one; no item is dropped.

    Parameters
    ----------
    n_items, batch_size : int
    seed : int
        Names the permutations.
    """

    def __init__(self, n_items: int, batch_size: int, seed: int):
        starts = list(range(0, n_items, batch_size))
        if len(starts) > 1 and n_items - starts[-1] == 1:
            starts.pop()
        self.bounds = [*starts, n_items]
        self.per_epoch = len(starts)
        self.seed = seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, batch: int) -> np.ndarray:
        """Return the item indices of a batch, counted since the start of the training."""
        epoch, place = divmod(batch, self.per_epoch)
        if epoch != self._epoch:
            rng = numpy_rng(self.seed, "order", epoch)
            self._epoch, self._order = epoch, rng.permutation(self.bounds[-1])
        return self._order[self.bounds[place] : self.bounds[place + 1]]


def adamw(
    groups: dict[str, list[nn.Parameter]],
    *,
    lr: float | dict[str, float],
    weight_decay: float,
    description: str,
) -> torch.optim.AdamW:
    """Return AdamW over `groups`; each of its groups remembers its full rate as ``full_lr``.

    Weight decay acts on weights of two and more axes, not on biases and norms.

    Raises
    ------
    UserError
        `lr` is given by group and lacks one of `groups`.
    """
    settings: list[dict[str, Any]] = []
    for name, parameters in groups.items():
        if isinstance(lr, dict) and name not in lr:
            raise UserError(
                f"{description}: train.lr has no learning rate for {name!r}; "
                f"it names {', '.join(lr) or 'none'}"
            )
        full_lr = float(lr[name] if isinstance(lr, dict) else lr)
        for decay, members in (
            (weight_decay, [p for p in parameters if p.dim() > 1]),
            (0.0, [p for p in parameters if p.dim() <= 1]),
        ):
            if members:
                settings.append(
                    {"params": members, "lr": full_lr, "full_lr": full_lr, "weight_decay": decay}
                )
    return torch.optim.AdamW(settings)


def lr_factor(step: int, total: int, *, schedule: str, warmup: float) -> float:
    """Return the share of the learning rate at `step` (from 0) of `total`.

    It rises linearly over the first `warmup` (share of all steps), then stays ("constant") or
    falls to zero along half a cosine ("cosine").
    """
    rising = math.ceil(warmup * total)
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    assert schedule == "cosine", schedule
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


class Ema:
    """Exponential moving average of parameters; the decay starts low and rises to `decay`."""

    def __init__(self, parameters: list[nn.Parameter], decay: float):
        self.parameters, self.decay = parameters, decay
        self.average = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the averages towards the parameters after `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for average, parameter in zip(self.average, self.parameters, strict=True):
            average.lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange averages and parameters; a second call undoes the first."""
        for average, parameter in zip(self.average, self.parameters, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages."""
        return {"average": self.average}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over saved averages."""
        for average, saved in zip(self.average, state["average"], strict=True):
            average.copy_(saved)
