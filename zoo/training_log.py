"""What a training writes down while it runs: rows of step, loss, rate and scores."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from registry.errors import UserError


class TrainingDiverged(UserError):
    """Loss or weights are no longer numbers: the settings of the training are at fault."""


class TrainingLog:
    """The rows of one training, and the losses since the last of them.

    Parameters
    ----------
    description : str
        For error messages.
    device : torch.device
        Where the losses are summed, so that counting one costs no transfer.
    """

    def __init__(self, description: str, device: torch.device):
        self.description = description
        self.rows: list[dict[str, float]] = []
        self.sum, self.steps = torch.zeros((), device=device), 0

    def add_loss(self, value: Tensor) -> None:
        """Count the loss of one batch, its share of the step's."""
        self.sum += value.detach()

    def mean_loss(self, step: int) -> float:
        """Return the mean loss since the last row, up to `step`.

        Raises
        ------
        TrainingDiverged
            It is NaN or infinite.
        """
        value = float(self.sum) / self.steps
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"{self.description}: the loss is {value} at step {step}; lower train.lr, "
                "or use precision fp32 and a grad_clip"
            )
        return value

    def add_row(
        self, *, step: int, epoch: float, lr: float, scores: dict[str, float], seconds: float
    ) -> None:
        """Add a row with the mean loss since the row before, which `mean_loss` checks."""
        row = {"step": step, "epoch": round(epoch, 3), "loss": self.mean_loss(step), "lr": lr}
        self.rows.append({**row, **scores, "seconds": round(seconds, 2)})
        self.sum, self.steps = torch.zeros_like(self.sum), 0

    def write(self, file: Path) -> None:
        """Write the rows as CSV: step, epoch, loss, lr, whatever was scored, seconds."""
        scores = [name for row in self.rows for name in row]
        names = dict.fromkeys(["step", "epoch", "loss", "lr", *scores])
        names.pop("seconds", None)
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, [*names, "seconds"])
            writer.writeheader()
            writer.writerows(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the log."""
        return {"rows": self.rows, "sum": self.sum, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.rows, self.steps = state["rows"], state["steps"]
        self.sum = state["sum"].to(self.sum.device)
