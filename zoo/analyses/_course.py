"""A cell's score at the end of its training or averaged along it, trial by trial."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zoo.analyses._crossed import TRIAL, trials_of
from zoo.grid_scores import GridScores, NotAnswered
from zoo.recipe.cells import Cell


def course(
    scores: GridScores, cell: Cell, metric: str, over: str, control: str | None = None
) -> pd.DataFrame:
    """Return the trials of a cell, ``score`` at the end or as the mean along the training.

    ``over="area"`` is the area under the score over training steps, from the first snapshot to the
    end by the trapezoid rule, divided by the range of steps.

    Raises
    ------
    NotAnswered
        A figure is missing, or there is no snapshot.
    """
    weights = {None: 1.0} if over == "end" else _weights(scores, cell, metric, control)
    tables = [
        trials_of(scores.of(cell, metric, control=control, step=step)).assign(weight=weight)
        for step, weight in weights.items()
    ]
    found = tables[0].assign(score=tables[0]["score"] * tables[0]["weight"]).set_index(TRIAL)
    for table in tables[1:]:
        more = (table["score"] * table["weight"]).set_axis(pd.MultiIndex.from_frame(table[TRIAL]))
        if not more.index.sort_values().equals(found.index.sort_values()):
            raise NotAnswered(f"the snapshots of {cell.id} were scored on other trials")
        found["score"] += more
    return found.drop(columns="weight").reset_index()


def steps_of(scores: GridScores, cell: Cell, metric: str, control: str | None = None) -> list[int]:
    """Return the steps at which a cell was scored, its end included.

    Raises
    ------
    NotAnswered
        The length of its training is not given in steps, or there is no snapshot before its end.
    """
    end = cell.conditioner.train.get("steps")
    if not end:
        raise NotAnswered(
            f"an area needs the length of the training in steps (conditioner.train.steps), which "
            f"{cell.id} does not say"
        )
    steps = sorted({*scores.steps(cell, metric, control), int(end)})
    if len(steps) < 2:
        raise NotAnswered(
            f"an area needs scores before the end of training (conditioner.train.snapshots), of "
            f"which {cell.id} has none in {metric}"
        )
    return steps


def _weights(
    scores: GridScores, cell: Cell, metric: str, control: str | None
) -> dict[int | None, float]:
    """Return how much each row counts; the end's step is None, as its row has it."""
    steps = steps_of(scores, cell, metric, control)
    widths = np.diff(steps)
    halves = (np.r_[widths, 0] + np.r_[0, widths]) / 2
    shares = halves / widths.sum()
    return dict(zip([*steps[:-1], None], shares.tolist(), strict=True))
