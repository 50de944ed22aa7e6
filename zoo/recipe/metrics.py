"""The metrics that a recipe lists: what each is called, and whether it can be computed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from registry import ComponentSpec
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node
from zoo.recipe.schema import MetricBlock, valid
from zoo.towers.table import unknown

#: What the stages of every cell make for metrics.
_MADE = frozenset(
    {"label", "generated", "judge", "train_images", "seen", "features", "scores", "gap"}
)
#: What a metric needs where it looks at pictures that were drawn.
OF_PICTURES = frozenset({"generated", "judge", "features", "scores"})
#: What an objective makes besides, by its target.
_MADE_BY = {"label": frozenset({"logits"}), "image": frozenset({"similarity"})}


def check_metrics(
    tree: Node,
    objective: ComponentSpec | None,
    metrics: Sequence[ComponentSpec | None],
    problems: Problems,
) -> None:
    """Note every metric that cannot be computed, and two of one name.

    Parameters
    ----------
    tree : Node
        The merged tree.
    objective : ComponentSpec or None
        Of the encoder's training; None where it does not exist.
    metrics : sequence of ComponentSpec or None
        In the order of the recipe.
    problems : Problems
    """

    made = _MADE.union(*_MADE_BY.values())
    if objective is not None:
        made = _MADE | _MADE_BY.get(str(objective.meta.get("target")), frozenset())
    labels: set[str] = set()
    score_on = tree.at(("score_on",))
    for index, spec in enumerate(metrics):
        block = valid(MetricBlock, tree.at(("metrics", index)))
        if spec is None or block is None:
            continue
        note = partial(problems.add, tree.locate(("metrics", index)))
        label = metric_label(spec, block)
        if label in labels:
            note(f"two metrics are called {label!r}; give one a 'label'")
        labels.add(label)
        needs = set(spec.meta.get("needs", ()))
        if "similarity" in needs and score_on is not None and score_on.value == "val":
            note(
                f"metric {spec.name!r} looks for the pictures of the test, which score_on: val "
                "leaves shut; leave it out (the encoder's log.csv has its score on validation)",
            )
        for need in sorted(needs - made):
            by_another = any(need in theirs for theirs in _MADE_BY.values())
            maker = f"objective {objective.name!r}" if objective and by_another else "a recipe"
            message = f"metric {spec.name!r} needs {need}, which {maker} does not make"
            note(message)
        if (problem := _tower_problem(spec, block)) is not None:
            note(problem)


def metric_label(spec: ComponentSpec, block: MetricBlock) -> str:
    """Return what a recipe calls a metric; the name says which image tower it looks through."""
    if block.label:
        return block.label
    tower = _metric_tower(spec, block)
    return spec.name if tower is None else f"{spec.name}@{tower}"


def _metric_tower(spec: ComponentSpec, block: MetricBlock) -> Any:
    if not {"features", "scores"} & set(spec.meta.get("needs", ())):
        return None
    return spec.value(block.params, "tower")


def _tower_problem(spec: ComponentSpec, block: MetricBlock) -> str | None:
    """Return why the image tower of a metric cannot serve it, or None."""
    needs = spec.meta.get("needs", ())
    looks = [need for need in ("features", "scores") if need in needs]
    if looks and spec.parameter("tower") is None:
        return (
            f"metric {spec.name!r} needs {' and '.join(looks)}, and has no parameter 'tower' that "
            "says by which image tower; add one to its constructor"
        )
    tower = _metric_tower(spec, block)
    if tower is None:
        return None
    problems = [
        unknown(tower, "logits") if "scores" in needs else None,
        unknown(tower, "features") if "features" in needs else None,
    ]
    return next((problem for problem in problems if problem), None)
