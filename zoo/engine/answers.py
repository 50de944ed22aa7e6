"""The answers in ``results.json``: what the recipe asks of its grid, asked of the finished one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.execute import Outcome
from zoo.engine.graph import Plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.grid_scores import AnalysisResult, GridScores, NotAnswered, Score
from zoo.pipelines._weights import folder_of
from zoo.recipe.cells import Block, Recipe
from zoo.recipe.metrics import OF_PICTURES
from zoo.registries import ANALYSES, METRICS

if TYPE_CHECKING:
    import pandas as pd

#: Of a metric's figures, those that a `Score` takes as they are.
_FIGURES = ("n", "unit", "split", "definition", "chance", "higher_is_better", "reason")


def answers(
    recipe: Recipe,
    plan: Plan,
    store: Store,
    outcome: Outcome,
    roots: Roots,
    noting: Callable[[str], AbstractContextManager[None]],
) -> list[dict[str, Any]]:
    """Return one entry for each analysis of the recipe, in its order.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
    store : Store
    outcome : Outcome
    roots : Roots
    noting : callable
        Makes a context that notes an exception under a name and goes on: a bug in an analysis must
        not cost the figures.
    """
    if not recipe.analyses:
        return []
    scores = GridScores(
        cells=recipe.cells,
        scores=tuple(_scores(plan, store, outcome)),
        data=recipe.data,
        text_encoders=_text_encoders(recipe, roots),
        of_encoder=_of_encoder(recipe),
        seed=recipe.seed,
    )
    found = []
    for block in recipe.analyses:
        result = unanswered(block, "the analysis failed, see failures/")
        with noting(f"answer to {block.label}"):
            result = _asked(block, scores)
        found.append({"analysis": block.name, "label": block.label, **result.to_json()})
    return found


def unanswered(block: Block, why: str) -> AnalysisResult:
    """Return the answer that says why there is none."""
    ask = str(block.params.get("ask") or "").strip()
    reason = f"not answered: {why}"
    return AnalysisResult(
        sentence=f"{ask} N{reason[1:]}.".strip(),
        value=None,
        definition="",
        metric=str(block.params.get("metric") or ""),
        reason=reason,
    )


def _asked(block: Block, scores: GridScores) -> AnalysisResult:
    try:
        result: AnalysisResult = ANALYSES.create(block.name, **block.params).answer(scores)
    except NotAnswered as why:
        return unanswered(block, str(why))
    json.dumps(result.to_json(), allow_nan=False)  # raises here, not when results.json is written
    assert result.sentence, f"analysis {block.name} gave no sentence"
    return result


def _scores(plan: Plan, store: Store, outcome: Outcome) -> Iterator[Score]:
    for cell in plan.cells:
        for variant in cell.variants:
            for label, key in variant.metrics.items():
                yield Score(
                    cell=cell.cell,
                    metric=label,
                    control=variant.control,
                    step=variant.step,
                    read=partial(_table, store.path(key) / "per_sample.csv"),
                    **_figures(key, store, outcome),
                )


def _figures(key: str, store: Store, outcome: Outcome) -> dict[str, Any]:
    if key in outcome.failures:
        return {"value": None, "reason": f"not computed: {outcome.failures[key].message}"}
    metric = json.loads((store.path(key) / "metric.json").read_text())
    ci95 = metric.get("ci95")
    given = {name: metric[name] for name in _FIGURES if metric.get(name) is not None}
    return {"value": metric.get("value"), "ci95": tuple(ci95) if ci95 else None, **given}


def _table(path: Path) -> pd.DataFrame | None:
    import pandas as pd

    text = {"trial_id": str, "image_id": str, "cluster": str, "cluster_subject": str}
    return pd.read_csv(path, dtype=text) if path.is_file() else None


def _text_encoders(recipe: Recipe, roots: Roots) -> dict[str, str]:
    """Return name of weights -> words for their text encoder, its size where it can be read."""
    names = dict.fromkeys(cell.pipeline.params.get("weights") for cell in recipe.cells)
    return {name: _words(name, roots.weights) for name in names if name is not None}


def _of_encoder(recipe: Recipe) -> frozenset[str]:
    """Return the labels of metrics that need neither pictures nor the conditioner's states."""
    return frozenset(
        metric.label
        for cell in recipe.cells
        for metric in cell.metrics
        if not {*OF_PICTURES, "gap"}.intersection(METRICS.spec(metric.name).meta.get("needs", ()))
    )


def _words(weights: str, root: Path | None) -> str:
    named = f"the text encoder of the {weights} weights"
    folder = folder_of(weights, root)
    config = None if folder is None else folder / "text_encoder" / "config.json"
    if config is None or not config.is_file():
        return named
    size = json.loads(config.read_text(encoding="utf-8"))
    layers, width = size.get("num_hidden_layers"), size.get("hidden_size")
    return f"{named} ({layers} layers, {width} wide)" if layers and width else named
