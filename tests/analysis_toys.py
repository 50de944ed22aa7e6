"""Made-up scores of small grids, for the tests of analyses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from zoo.grid_scores import GridScores, Score
from zoo.recipe.cells import Block, Cell

ARMS = {"a": {"encoder": "good"}, "b": {"encoder": "poor"}}


def grid(
    scores: dict[str, np.ndarray], *, steps: list[int] | None = None, **more: Any
) -> GridScores:
    """Return a grid with one axis, ``encoder``: name -> scores (seeds, trials[, steps])."""
    cells, rows = [], []
    for name, score_SN in scores.items():
        for seed, score_N in enumerate(score_SN):
            cell = Cell(
                id=f"encoder={name},seed={seed}",
                coords={"encoder": name, "seed": seed},
                seed=seed,
                dataset=Block("made_up"),
                encoder=Block(name),
                conditioner=Block("linear", train={"steps": 200}),
                pipeline=Block("stable_diffusion", {"weights": "pocket"}),
                metrics=(Block("score", label="score"),),
                controls=(),
            )
            cells.append(cell)
            courses = score_N.T if steps else [score_N]
            for step, one_N in zip(steps or [None], courses, strict=True):
                rows.append(row(cell, one_N, step=None if step == 200 else step, **more))
    words = {"pocket": "the text encoder of the pocket weights (2 layers, 128 wide)"}
    return GridScores(cells=tuple(cells), scores=tuple(rows), data="simulated", text_encoders=words)


def row(cell: Cell, score_N: np.ndarray, cluster: int = 1, prefix: str = "", **more: Any) -> Score:
    """Return a row; `cluster` trials in a row share an image, ids of trials begin with `prefix`."""
    n = len(score_N)
    table = pd.DataFrame({
        "trial_id": [f"{prefix}t{i:04d}" for i in range(n)],
        "subject": 0,
        "image_id": [f"i{i // cluster:04d}" for i in range(n)],
        "score": score_N,
    })  # fmt: skip
    table["cluster"] = table["image_id"] if cluster > 1 else table["trial_id"]
    value = float(np.mean(score_N))
    return Score(
        cell=cell, metric="score", value=value, n=n, read=partial(table.copy), **more,
    )  # fmt: skip


def arms(rng, *, shift: float, seeds: int = 5, trials: int = 40, cluster: int = 1):
    """Return two arms whose difference is `shift` + a seed's + an image's + a trial's noise."""
    images = np.repeat(rng.normal(0, 0.3, -(-trials // cluster)), cluster)[:trials]
    noise = rng.normal(0, 0.1, (seeds, 1)) + images + rng.normal(0, 0.3, (seeds, trials))
    base = rng.normal(0, 1, (seeds, trials))
    return {"good": base + shift + noise, "poor": base}


def levels(param: str, parts: dict[Any, GridScores]) -> GridScores:
    """Return a grid with one axis more, ``dataset.params.PARAM``: value -> the grid there."""
    axis, cells, scores = f"dataset.params.{param}", [], []
    for value, part in parts.items():
        moved = {
            cell.id: replace(
                cell,
                id=f"{cell.id},{param}={value}",
                coords={**cell.coords, axis: value},
                dataset=replace(cell.dataset, params={**cell.dataset.params, param: value}),
            )
            for cell in part.cells
        }
        cells += moved.values()
        scores += [replace(score, cell=moved[score.cell.id]) for score in part.scores]
    return replace(part, cells=tuple(cells), scores=tuple(scores))


def failed(whole: GridScores, *ids: str) -> GridScores:
    """Return the scores with those of some cells not computed."""
    scores = tuple(
        replace(s, value=None, reason="not computed: out of memory") if s.cell.id in ids else s
        for s in whole.scores
    )
    return replace(whole, scores=scores)
