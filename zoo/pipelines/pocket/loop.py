"""The loop that trains the pocket weights: a fixed number of steps, averaged weights, resumable."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from zoo.progress import bar
from zoo.seeds import torch_generator

SEED = 2026

Loss = Callable[[torch.Generator], torch.Tensor]


def train_steps(
    name: str,
    modules: dict[str, nn.Module],
    loss: Loss,
    *,
    out: Path,
    steps: int,
    lr: float,
    weight_decay: float,
    average: float,
    warmup: int = 100,
    checkpoint_every: float = 150.0,
) -> dict[str, nn.Module]:
    """Train `modules` and return copies that hold the averaged weights.

    Every step draws from a generator of its own, seeded by the stage's name and the step, so a
    run that was stopped and started again goes the same way as one that was not.

    Parameters
    ----------
    name : str
        The stage; names the checkpoint ``out/<name>.checkpoint.pt`` and the seeds.
    modules : dict of str to nn.Module
        What is trained: parameters with ``requires_grad``.
    loss : callable
        Takes the step's generator, returns the loss.
    out : Path
        Folder of the checkpoint.
    steps, lr, weight_decay, warmup
        AdamW under a linear warm-up and a cosine to zero.
    average : float
        Decay of the moving average of the weights.
    checkpoint_every : float
        Seconds between checkpoints.
    """
    modules = dict(sorted(modules.items()))
    parameters = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr, betas=(0.9, 0.99), weight_decay=weight_decay)
    averaged = {key: copy.deepcopy(m).eval().requires_grad_(False) for key, m in modules.items()}
    path = out / f"{name}.checkpoint.pt"
    start = _restore(path, modules, averaged, optimiser)
    smooth, saved = None, time.monotonic()
    with bar(name, steps, initial=start) as progress:
        for step in range(start, steps):
            rate = min(1, (step + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            for group in optimiser.param_groups:
                group["lr"] = lr * rate
            value = loss(torch_generator(SEED, name, step))
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            _follow(averaged, modules, min(average, (1 + step) / (10 + step)))
            smooth = value.item() if smooth is None else 0.98 * smooth + 0.02 * value.item()
            progress.set_postfix(loss=f"{smooth:.4f}", refresh=False)
            progress.update()
            if time.monotonic() - saved > checkpoint_every or step + 1 == steps:
                _save(path, step + 1, modules, averaged, optimiser)
                saved = time.monotonic()
    return averaged


def _follow(averaged: dict[str, nn.Module], modules: dict[str, nn.Module], decay: float) -> None:
    with torch.no_grad():
        for key, module in modules.items():
            torch._foreach_lerp_(
                list(averaged[key].parameters()), list(module.parameters()), 1 - decay
            )
            for old, new in zip(averaged[key].buffers(), module.buffers(), strict=True):
                old.copy_(new)


def _save(
    path: Path,
    step: int,
    modules: dict[str, nn.Module],
    averaged: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
) -> None:
    state = {
        "step": step,
        "modules": {key: m.state_dict() for key, m in modules.items()},
        "averaged": {key: m.state_dict() for key, m in averaged.items()},
        "optimiser": optimiser.state_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def _restore(
    path: Path,
    modules: dict[str, nn.Module],
    averaged: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
) -> int:
    """Load a checkpoint where there is one; return the step to go on from."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for key in modules:
        modules[key].load_state_dict(state["modules"][key])
        averaged[key].load_state_dict(state["averaged"][key])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"]
