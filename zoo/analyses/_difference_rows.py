"""The figures behind a difference: arms, levels of the other axes, tuning, what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zoo.analyses._arms import Arms, has_own_rates, trained_apart
from zoo.analyses._course import course
from zoo.analyses._crossed import crossed, mean
from zoo.analyses._difference_words import Asked
from zoo.analyses._lost import Lost
from zoo.grid_scores import GridScores, NotAnswered, Where
from zoo.recipe.cells import Cell
from zoo.statistics import LEVEL

Row = dict[str, Any]


def arm_rows(
    scores: GridScores, sides: list[Arms], asked: Asked, metric: str, over: str
) -> list[Row]:
    """Return each arm's score, over seeds and by seed, with ceiling, floor and chance."""
    found = []
    for at, arms in zip((asked.when, asked.than), sides, strict=False):
        levels = [arms.place(pair)[1] for pair in arms.pairs]
        for side, name in enumerate((asked.a, asked.b)):
            cells = [pair[side] for pair in arms.pairs]
            about = {"arm": "ab"[side], "name": name, **({"at": at} if at else {})}
            found.append({"row": "arm", **about, **_arm(scores, cells, levels, metric, over)})
    return found


def _arm(scores: GridScores, cells: list[Cell], levels: list[str], metric: str, over: str) -> Row:
    """Return the means of an arm's cells, every level weighing the same."""
    means = pd.DataFrame({
        "seed": [cell.seed for cell in cells],
        "level": levels,
        "score": [course(scores, cell, metric, over)["score"].mean() for cell in cells],
    })  # fmt: skip
    by_seed = means.groupby("seed")["score"].mean()
    return {
        "value": float(means.groupby("level")["score"].mean().mean()),
        "range_over_seeds": [float(by_seed.min()), float(by_seed.max())],
        "by_seed": {str(seed): float(value) for seed, value in by_seed.items()},
        "ceiling": _under(scores, cells, metric, over, "class_label"),
        "floor": _under(scores, cells, metric, over, "shuffled_eeg"),
        "chance": scores.of(cells[0], metric).chance,
    }


def _under(
    scores: GridScores, cells: list[Cell], metric: str, over: str, control: str
) -> Row | None:
    """Return the mean under a control over the cells that have it, and their seeds."""
    found = []
    for cell in cells:
        try:
            table = course(scores, cell, metric, over, control)
        except NotAnswered:  # a control need not be run in every cell, nor at every snapshot
            continue
        found.append((cell.seed, float(table["score"].mean())))
    if not found:
        return None
    value = float(np.mean([value for _, value in found]))
    return {"value": value, "seeds": sorted({seed for seed, _ in found}), "cells": len(found)}


def level_rows(table: pd.DataFrame, places: dict[str, Row], seed: int) -> list[Row]:
    """Return the difference at each level of the other axes; none where there is one level.

    ``clear`` is Holm's step-down procedure: the k-th clearest of m levels needs an interval at
    1 - 0.05 / (m - k + 1) that excludes zero, and every clearer one too.

    Parameters
    ----------
    table : DataFrame
        As `crossed` takes it; ``level`` is the text of a level.
    places : dict
        Text of a level -> path -> value.
    seed : int
        Names the draws.
    """
    parts = dict(iter(table.groupby("level", sort=False)))
    if len(parts) < 2:
        return []
    shares = bool(table["score"].abs().max() <= 1)
    rows = {}
    for level, part in parts.items():
        found = crossed(part, seed=seed, bounded=shares)
        rows[level] = {
            "row": "level",
            "at": places[level],
            "value": mean(part),
            "ci95": None if found.ci95 is None else list(found.ci95),
            "clear": False,
        }
    for k, level in enumerate(sorted(rows, key=lambda level: _doubt(rows[level]))):
        strict = 1 - (1 - LEVEL) / (len(rows) - k)
        if not crossed(parts[level], seed=seed, bounded=shares, level=strict).excludes_zero:
            break
        rows[level]["clear"] = True
    return list(rows.values())


def _doubt(row: Row) -> float:
    """Return half the width of a level's interval over its value: the smaller, the clearer."""
    if row["ci95"] is None or not row["value"]:
        return np.inf
    return (row["ci95"][1] - row["ci95"][0]) / 2 / abs(row["value"])


def tuning_row(sides: list[Arms], a: Where, b: Where) -> Row:
    """Return whether the rates of both arms were looked for, where rates stand against each other.

    Parameters
    ----------
    sides : list of Arms
    a, b : mapping
        Which cells each arm is.
    """
    blocks = trained_apart(a, b, sides)
    if not blocks:
        about = "no arm needs learning rates of its own"
        return {"row": "tuning", "tuned": None, "about": about}
    tuned = all(has_own_rates(cell, blocks) for arms in sides for cell in arms.cells)
    return {"row": "tuning", "tuned": tuned, "about": f"learning rates of {' and '.join(blocks)}"}


def unpaired_rows(sides: list[Arms], whole: list[Arms], lost: Lost) -> list[Row]:
    """Return the cells that are left out, and why.

    Parameters
    ----------
    sides, whole : list of Arms
        What is compared, and before pairs without a score were left out.
    lost : dict
        Cell id -> why it has no score.
    """
    never = {name for arms in whole for name in arms.alone}
    names = dict.fromkeys(name for arms in sides for name in arms.alone)
    other = "another cell of its seed has no score"
    rows = []
    for name in names:
        why = "no partner" if name in never else lost.get(name, other)
        rows.append({"row": "unpaired", "cell": name, "why": why})
    return rows
