"""The one plain training loop: a schedule, a log, checkpoints that resume bit-identically.

Nothing in it depends on what was drawn before: the order of an epoch and every draw inside a batch
come from named seeds. So a killed training continues from parameters, optimiser and counter alone,
and ends with the same numbers as one that was never killed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from registry.errors import UserError
from zoo.checkpoints import load_checkpoint, save_checkpoint
from zoo.optimisation import Batches, Ema, adamw, lr_factor
from zoo.precision import HALF
from zoo.processes import Processes
from zoo.progress import bar
from zoo.seeds import named_seed
from zoo.training_log import TrainingDiverged, TrainingLog

#: Seconds between two checkpoints.
CHECKPOINT_SECONDS = 30.0
#: Rows of the log per training, besides those at the ends of validated epochs.
LOG_ROWS = 50

Loss = Callable[[np.ndarray, int], Tensor]
Validate = Callable[[], dict[str, float]]


class StateHolder(Protocol):
    """What `fit` saves and restores; loading must write into the same parameters."""

    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: dict[str, Tensor]) -> Any: ...


def fit(
    *,
    groups: dict[str, list[nn.Parameter]],
    loss: Loss,
    n_items: int,
    train: dict[str, Any],
    seed: int,
    state: dict[str, nn.Module | StateHolder],
    checkpoint: Path,
    description: str,
    log: Path,
    validate: Validate | None = None,
    select_by: str | None = None,
    processes: Processes | None = None,
) -> dict[str, Any]:
    """Train `groups` on `loss`; afterwards `state` holds what was selected.

    Parameters
    ----------
    groups : dict of lists of parameters
        What is trained, by the names that ``train["lr"]`` may use.
    loss : callable
        ``loss(indices, batch) -> scalar``. `indices` (int64) point into the items; `batch` counts
        the batches since the start, and names the draws that the loss makes. torch's own generator
        is seeded anew before every call.
    n_items : int
        Training items.
    train : dict
        The resolved ``train`` block of a recipe: ``epochs`` or ``steps`` (the other None),
        ``batch_size``, ``lr`` (a number, or by group), ``weight_decay``, ``schedule``, ``warmup``,
        ``grad_clip``, ``accumulate`` (batches per step), ``ema``, ``precision``, ``select``,
        ``snapshots`` (steps). Other keys are not read.
    seed : int
        Names the order of items and the draws of every batch.
    state : dict of modules or holders
        What is checkpointed and selected. Modules are in training mode during `loss` and in
        evaluation mode during `validate` and on return.
    checkpoint : Path
        Folder kept across kills. A training that finds its own checkpoint there continues it.
    description : str
        For the progress bar and error messages.
    log : Path
        CSV file: step, epoch, loss (mean since the row before), lr (of the first group), what
        `validate` returned, seconds.
    validate : callable, optional
        Called at the end of every epoch and of the training, with averaged weights under ``ema``.
    select_by : str, optional
        Key of `validate`'s result, higher is better. With ``select: best`` the epoch with the
        highest value is kept, the earliest where values tie. Without steps there is no choice.
    processes : Processes, optional
        Those that make this training together, from equal weights. `loss` then returns the part of
        the batch's loss that is this process's; losses and gradients are summed over all of them.
        The first one writes; a checkpoint may be continued by another number of processes.

    Returns
    -------
    dict
        ``steps``, ``epochs``, ``selected`` ("best" | "last"), ``selected_step``,
        ``selected_epoch``, ``selected_value`` (None for "last"), ``final_loss`` (None without
        steps), ``seconds``, ``snapshots`` ({step: file of the state dictionaries}).

    Raises
    ------
    TrainingDiverged
        The loss, or a trained parameter that was selected, became NaN or infinite.
    UserError
        Nothing to train, a snapshot after the last step, or a checkpoint of another training in
        the folder.
    """
    training = _Training(groups, n_items, train, seed, state, checkpoint, description, log)
    training.validate, training.select_by = validate, select_by
    training.processes = processes or Processes()
    assert validate is None or training.processes.count == 1, "validation is not shared"
    training.resume()
    devices = [training.device] if training.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        training.loop(loss)
        return training.finish()


class _Training:
    """One training: its fixed settings, and everything that a checkpoint holds."""

    validate: Validate | None = None
    select_by: str | None = None
    processes = Processes()

    def __init__(
        self,
        groups: dict[str, list[nn.Parameter]],
        n_items: int,
        train: dict[str, Any],
        seed: int,
        state: dict[str, nn.Module | StateHolder],
        checkpoint: Path,
        description: str,
        log: Path,
    ):
        if n_items < 1:
            raise UserError(f"{description}: there are no training items")
        self.train, self.seed, self.state = train, seed, state
        self.folder, self.description, self.log_file = checkpoint, description, log
        self.batches = Batches(n_items, train["batch_size"], seed)
        self.accumulate: int = train["accumulate"]
        self.total: int = train["steps"]
        if self.total is None:
            self.total = math.ceil(train["epochs"] * self.batches.per_epoch / self.accumulate)
        late = [step for step in train["snapshots"] if step > self.total]
        if late:  # only now: how many steps an epoch has depends on the data
            raise UserError(
                f"{description}: train.snapshots has {late[0]}, but this training ends after "
                f"{self.total} steps; name steps up to {self.total}"
            )
        self.parameters = [p for group in groups.values() for p in group]
        if not self.parameters and self.total:
            raise UserError(f"{description}: nothing is open for training; set train.steps to 0")
        self.device = self.parameters[0].device if self.parameters else torch.device("cpu")
        self.log = TrainingLog(description, self.device)
        self.stateful: dict[str, Any] = {**state, " log": self.log}
        if self.parameters:
            self.optimiser = adamw(
                groups,
                lr=train["lr"],
                weight_decay=train["weight_decay"],
                description=description,
            )
            fp16 = train["precision"] == "fp16"
            self.scaler = torch.amp.GradScaler(self.device.type, enabled=fp16)
            self.stateful |= {" optimiser": self.optimiser, " scaler": self.scaler}
        self.ema = None
        if train["ema"] is not None and self.total:
            self.ema = Ema(self.parameters, train["ema"])
            self.stateful[" ema"] = self.ema
        self.step, self.seconds = 0, 0.0
        self.best: dict[str, Any] | None = None

    def loop(self, loss: Loss) -> None:
        """Train from `self.step` to the end."""
        first = self.processes.first
        progress = bar(self.description, self.total, initial=self.step, shown=first)
        saved = shown = time.monotonic()
        every = max(1, self.total // LOG_ROWS)
        self.set_mode(training=True)
        for step in range(self.step, self.total):
            started = time.monotonic()
            factor = self.update(step, loss)
            self.step = step + 1
            last = self.step == self.total
            epoch_done = self.epochs_after(step + 1) > self.epochs_after(step)
            check = self.validate is not None and (epoch_done or last)
            scores = self.checked() if check else {}
            self.seconds += time.monotonic() - started
            if time.monotonic() - shown > 1 or check or last:
                progress.set_postfix(self.summary_line(scores), refresh=False)
                shown = time.monotonic()
            if check or last or self.step % every == 0:
                self.log.add_row(
                    step=self.step,
                    epoch=self.step * self.accumulate / self.batches.per_epoch,
                    lr=self.optimiser.param_groups[0]["full_lr"] * factor,
                    scores=scores,
                    seconds=self.seconds,
                )
            if first and self.step in self.train["snapshots"]:
                save_checkpoint(self.snapshot(self.step), self.selectable())
            if first and (last or time.monotonic() - saved >= CHECKPOINT_SECONDS):
                self.save()
                saved = time.monotonic()
            progress.update()
        progress.close()

    def update(self, step: int, loss: Loss) -> float:
        """Make one optimiser step over `accumulate` batches; return the learning rate's share."""
        dtype = HALF[self.train["precision"]]
        factor = lr_factor(
            step, self.total, schedule=self.train["schedule"], warmup=self.train["warmup"]
        )
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_lr"] * factor
        total = torch.zeros((), device=self.device)
        for batch in range(step * self.accumulate, (step + 1) * self.accumulate):
            torch.manual_seed(named_seed(self.seed, "step", batch))
            with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
                value = loss(self.batches[batch], batch) / self.accumulate
            scaled = self.scaler.scale(value)  # always: its first call sets up the scale
            if value.requires_grad:  # not where this process has no share of the batch
                scaled.backward()
            total += value.detach()
        self.processes.sum([total, *self.gradients()])
        self.log.add_loss(total)
        if self.train["grad_clip"] is not None:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.parameters, self.train["grad_clip"])
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(step)
        self.log.steps += 1
        return factor

    def gradients(self) -> list[Tensor]:
        """Return the gradients to be summed, zero where this process made none."""
        if self.processes.count == 1:
            return []
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def checked(self) -> dict[str, float]:
        """Validate; remember the state if it is the best so far."""
        assert self.validate is not None
        with self.evaluating():
            torch.manual_seed(named_seed(self.seed, "validate", self.step))
            scores = {name: float(value) for name, value in self.validate().items()}
        if self.total and self.select_by is not None and self.train["select"] == "best":
            value = scores[self.select_by]
            if not math.isnan(value) and (self.best is None or value > self.best["value"]):
                self.best = {
                    "value": value,
                    "step": self.step,
                    "epoch": self.epochs_after(self.step),
                    "state": self.selectable(),
                }
        return scores

    def finish(self) -> dict[str, Any]:
        """Put what was selected into the state; write the log; return the summary."""
        if not self.total and self.validate is not None:  # zero steps: score what came in
            self.log.rows = [{"step": 0, "epoch": 0, **self.checked(), "seconds": 0.0}]
        if self.best is not None:
            for name, saved in self.best["state"].items():
                self.state[name].load_state_dict(saved)
        elif self.ema is not None:
            self.ema.swap()
        self.require_finite()
        self.set_mode(training=False)
        if self.processes.first:
            self.log.write(self.log_file)
        chosen = self.best or {"step": self.step, "epoch": self.epochs_after(self.step)}
        return {
            "steps": self.total,
            "epochs": self.epochs_after(self.total),
            "selected": "last" if self.best is None else "best",
            "selected_step": chosen["step"],
            "selected_epoch": chosen["epoch"],
            "selected_value": chosen.get("value"),
            "final_loss": self.log.rows[-1]["loss"] if self.total else None,
            "seconds": round(self.seconds, 3),
            "snapshots": {step: str(self.snapshot(step)) for step in self.train["snapshots"]},
        }

    def require_finite(self) -> None:
        """Raise where a trained parameter is no number: no loss may have followed that step."""
        if not all(bool(p.isfinite().all()) for p in self.parameters):
            raise TrainingDiverged(
                f"{self.description}: weights are NaN or infinite after step {self.step}; lower "
                "train.lr, or use precision fp32 and a grad_clip"
            )

    def selectable(self) -> dict[str, dict[str, Tensor]]:
        """Return a copy of the state as it would be used, averaged under ``ema``."""
        with self.averaged():
            return {
                name: {key: value.detach().cpu().clone() for key, value in part.items()}
                for name, part in ((n, s.state_dict()) for n, s in self.state.items())
            }

    @contextmanager
    def averaged(self) -> Iterator[None]:
        if self.ema is not None:
            self.ema.swap()
        yield
        if self.ema is not None:
            self.ema.swap()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        self.set_mode(training=False)
        with self.averaged(), torch.no_grad():
            yield
        self.set_mode(training=True)

    def set_mode(self, *, training: bool) -> None:
        for part in self.state.values():
            if isinstance(part, nn.Module):
                part.train(training)

    def epochs_after(self, step: int) -> int:
        """Return how many epochs are complete after `step` steps."""
        return step * self.accumulate // self.batches.per_epoch

    def summary_line(self, scores: dict[str, float]) -> dict[str, Any]:
        """Return what the progress bar shows besides time: epoch, loss, scores."""
        epoch = f"{self.epochs_after(self.step)}/{self.epochs_after(self.total)}"
        shown = {name: f"{value:.3f}" for name, value in scores.items()}
        return {"epoch": epoch, "loss": f"{self.log.mean_loss(self.step):.4f}", **shown}

    # ---- checkpoints

    def snapshot(self, step: int) -> Path:
        return self.folder / f"snapshot-{step}.pt"

    def identity(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with."""
        return {
            "seed": self.seed,
            "items": self.batches.bounds[-1],
            "batch_size": self.train["batch_size"],
            "steps": self.total,
            "trained parameters": sum(p.numel() for p in self.parameters),
        }

    def save(self) -> None:
        content = {"step": self.step, "seconds": self.seconds, "best": self.best}
        content["state"] = {name: part.state_dict() for name, part in self.stateful.items()}
        save_checkpoint(self.folder / "last.pt", {"identity": self.identity(), **content})

    def resume(self) -> None:
        """Continue from the checkpoint in the folder, if there is one."""
        content = load_checkpoint(self.folder / "last.pt")
        if content is None:
            return
        for name, ours in self.identity().items():
            theirs = content["identity"].get(name)
            if theirs != ours:
                raise UserError(
                    f"{self.folder} holds a checkpoint of another training ({name} {theirs}, "
                    f"now {ours}); delete it, or name another folder"
                )
        for name, part in self.stateful.items():
            part.load_state_dict(content["state"][name])
        for name in ("step", "seconds", "best"):
            setattr(self, name, content[name])
