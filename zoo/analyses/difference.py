"""Is one arm of a grid better than another: paired over seeds and trials, one sentence.

Cells of both arms that agree in the seed and in everything else that varies are paired; the other
axes count equally. Scores are compared at the end of training or as the area under their course,
which asks for the speed of learning where all arms end alike.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from registry import BadParameters, component
from zoo.analyses._arms import Arms, paired
from zoo.analyses._course import course, steps_of
from zoo.analyses._crossed import TRIAL, Interval, crossed
from zoo.grid_scores import (
    AnalysisResult,
    GridScores,
    MetricLabel,
    NotAnswered,
    Where,
    words,
)
from zoo.recipe.cells import Cell
from zoo.statistics import LEVEL, paired_difference


@component(
    "analysis",
    license="BSD-3-Clause",
    paper="10.1214/07-AOAS122",
    null=0.0,
    tiny={"metric": "score", "a": {"encoder": "good"}, "b": {"encoder": "poor"}},
)
class Difference:
    """How far arm a is ahead of arm b.

    The interval is a bootstrap crossed over seeds and trials (Owen 2007). With fewer than five
    seeds it is over trials alone, for these trainings, and the sentence says so.

    Parameters
    ----------
    metric : str
        Label of the metric in the recipe.
    a, b : mapping
        Which cells each arm is: dotted paths and the values that they have there.
    over : {"end", "area"}
        Scores at the end of training, or their mean over the training steps from the first
        snapshot to the end (trapezoid rule); both arms need the same steps.
    a_name, b_name : str, optional
        What the sentence calls the arms.
    ask : str
        The question, put before the answer.
    yes : {"a", "b"}, optional
        Which arm's lead answers the question with yes.
    margin : float, optional
        A difference that would matter: an interval within it says that there is none.
    """

    def __init__(
        self,
        *,
        metric: MetricLabel,
        a: Where,
        b: Where,
        over: Literal["end", "area"] = "end",
        a_name: str | None = None,
        b_name: str | None = None,
        ask: str = "",
        yes: Literal["a", "b"] | None = None,
        margin: float | None = None,
    ):
        if margin is not None and margin <= 0:
            raise BadParameters(f"analysis 'difference': margin must be > 0, got {margin}")
        self.metric, self.a, self.b, self.over = metric, a, b, over
        self.names = {"a": a_name or words(a), "b": b_name or words(b)}
        self.ask, self.yes, self.margin = ask, yes, margin

    def answer(self, scores: GridScores) -> AnalysisResult:
        """Return a minus b; ``rows`` hold the arms, the other axes' levels and what is unpaired."""
        arms = paired(scores, self.a, self.b)
        steps = self._steps(scores, arms)
        table = pd.concat([self._pair(scores, *pair, arms) for pair in arms.pairs])
        found = self._interval(table, scores)
        value = float(np.average(table["score"], weights=table["weight"]))
        first = scores.of(arms.pairs[0][0], self.metric)
        said = self._said(value, found, first.higher_is_better)
        tested = self._test(table, scores.seed)
        return AnalysisResult(
            sentence=self._sentence(scores, arms, steps, value, found, said, table, tested),
            value=value,
            ci95=found.ci95,
            n=table["trial_id"].nunique(),
            unit="trial" if table["unit"].iloc[0] else "seed",
            split=first.split,
            metric=self.metric,
            definition=(
                f"Mean of {self._score(steps)}, {self.names['a']} minus {self.names['b']}, over "
                f"{len(arms.pairs)} pairs of cells that agree in the seed and in every other axis; "
                f"95 % interval: {found.how}. In one cell, {self.metric} is: {first.definition}"
            ),
            rows=(
                {"row": "outcome", "outcome": said, **tested},
                *(self._arm(scores, arms, side) for side in (0, 1)),
                *self._levels(table, arms, scores.seed),
                *({"row": "unpaired", "cell": name} for name in arms.alone),
            ),
        )

    def _steps(self, scores: GridScores, arms: Arms) -> list[int]:
        """Return the steps of the area, none at the end; all cells need the same."""
        if self.over == "end":
            return []
        cells = [cell for pair in arms.pairs for cell in pair]
        steps = {cell.id: steps_of(scores, cell, self.metric) for cell in cells}
        first = steps[cells[0].id]
        for name, other in steps.items():
            if other != first:
                raise NotAnswered(
                    f"areas need the same training steps: {cells[0].id} was scored at {first}, "
                    f"{name} at {other}"
                )
        return first

    def _pair(self, scores: GridScores, a: Cell, b: Cell, arms: Arms) -> pd.DataFrame:
        """Return the difference of each trial of two cells, every level weighing the same."""
        ours, theirs = (course(scores, cell, self.metric, self.over) for cell in (a, b))
        both = ours.merge(theirs[[*TRIAL, "score"]], on=TRIAL, suffixes=("", "_b"))
        if not len(both) == len(ours) == len(theirs):
            raise NotAnswered(
                f"{a.id} and {b.id} were scored on other trials ({len(ours)} and {len(theirs)}, "
                f"{len(both)} in common)"
            )
        level = arms.levels[a.id]
        n = len(both) * sum(other == level for other in arms.levels.values())
        difference = both["score"] - both["score_b"]
        found = both.assign(score=difference, level=repr(level), weight=1 / n)
        return found.drop(columns="score_b")

    def _interval(self, table: pd.DataFrame, scores: GridScores, level: float = LEVEL) -> Interval:
        """Return the interval; a trial that several levels share is one row, which is quicker."""
        rows = table.assign(score=table["score"] * table["weight"])
        found = rows.groupby([*TRIAL, "cluster", "cluster_subject", "unit"], sort=False)
        summed = found[["score", "weight"]].sum().reset_index()
        summed["score"] /= summed["weight"]
        shares = bool(table["score"].abs().max() <= 1)
        return crossed(summed, seed=scores.seed, bounded=shares, level=level)

    def _test(self, table: pd.DataFrame, seed: int) -> dict[str, Any]:
        """Return the sign-flip test over seeds, or why there is none."""
        by_seed = [
            np.average(rows["score"], weights=rows["weight"]) for _, rows in table.groupby("seed")
        ]
        n, smallest = len(by_seed), 2.0 ** (1 - len(by_seed))
        if smallest >= 1 - LEVEL:
            seeds = "one seed" if n == 1 else f"{n} seeds"
            why = f"no test over {seeds} can reach {1 - LEVEL:.2g} (smallest p: {smallest:.2g})"
            return {"p": None, "smallest_p": smallest, "test": why}
        p = paired_difference(np.array(by_seed), np.zeros(n), seed=seed).p
        return {"p": p, "smallest_p": smallest, "test": f"sign flips over {n} seeds"}

    def _said(self, value: float, found: Interval, higher_is_better: bool) -> str:
        """Return the outcome: "a", "b", "same" (within the margin) or "not told"."""
        if found.excludes_zero:
            return "a" if (value > 0) == higher_is_better else "b"
        within = self.margin is not None and found.ci95 is not None
        if within and max(map(abs, found.ci95 or ())) <= (self.margin or 0):
            return "same"
        return "not told"

    def _sentence(
        self,
        scores: GridScores,
        arms: Arms,
        steps: list[int],
        value: float,
        found: Interval,
        said: str,
        table: pd.DataFrame,
        tested: dict[str, Any],
    ) -> str:
        a, b = self.names["a"], self.names["b"]
        low, high = found.ci95 or (np.nan, np.nan)
        interval = f"95 % interval {low:+.3f} to {high:+.3f}, " if found.ci95 else ""
        p = "" if tested["p"] is None else f"; {tested['test']}: p = {tested['p']:.2g}"
        figures = f"{value:+.3f} in {self._score(steps)} ({interval}{found.how}{p})"
        if said in self.names:
            ahead, behind = (a, b) if said == "a" else (b, a)
            small = self.margin is not None and max(abs(low), abs(high)) <= self.margin
            by = f", by less than {self.margin:g}" if small else ""
            core = f"{ahead} is better than {behind}{by}: a difference ({a} minus {b}) of {figures}"
        elif said == "same":
            core = f"no difference larger than {self.margin:g} between {a} and {b}: {figures}"
        elif not table["score"].any():
            core = f"{a} and {b} have the very same scores, trial by trial: {figures}"
        else:
            missed = f"; a true one of {(high - low) / 2:.3f} would be missed half of the time"
            core = f"no difference between {a} and {b} is supported: {figures}"
            core += missed if found.ci95 else ""
        levels = list(arms.places.values())
        axes = " and ".join(levels[0])
        mean = f"; mean over {len(levels)} levels of {axes}" if axes else ""
        alone = f"; left out for want of a partner: {', '.join(arms.alone)}" if arms.alone else ""
        cells = tuple(cell for pair in arms.pairs for cell in pair)
        spoken = f"; this speaks of {scores.spoken_of(cells, self.metric)}"
        return _joined(self.ask, self._word(said), f"{core}{mean}{alone}{spoken}.")

    def _word(self, said: str) -> str:
        """Return the one word that answers the question."""
        if said == "not told":
            return "Not told"
        return "" if self.yes is None else "Yes" if said == self.yes else "No"

    def _score(self, steps: list[int]) -> str:
        if not steps:
            return self.metric
        return f"{self.metric} (mean over training steps {steps[0]} to {steps[-1]})"

    def _arm(self, scores: GridScores, arms: Arms, side: int) -> dict[str, Any]:
        """Return an arm's score, over seeds and by seed, with ceiling, floor and chance."""
        cells = [pair[side] for pair in arms.pairs]
        means: dict[int, list[float]] = {}
        for cell in cells:
            found = course(scores, cell, self.metric, self.over)["score"].mean()
            means.setdefault(cell.seed, []).append(float(found))
        by_seed = {str(seed): float(np.mean(values)) for seed, values in means.items()}
        return {
            "row": "arm",
            "arm": "ab"[side],
            "name": self.names["ab"[side]],
            "value": float(np.mean(list(by_seed.values()))),
            "range_over_seeds": [min(by_seed.values()), max(by_seed.values())],
            "by_seed": by_seed,
            "ceiling": self._under(scores, cells, "class_label"),
            "floor": self._under(scores, cells, "shuffled_eeg"),
            "chance": scores.of(cells[0], self.metric).chance,
        }

    def _under(self, scores: GridScores, cells: list[Cell], control: str) -> dict[str, Any] | None:
        """Return the mean under a control over the cells that have it, and their seeds."""
        found = []
        for cell in cells:
            try:
                table = course(scores, cell, self.metric, self.over, control)
            except NotAnswered:  # a control need not be run in every cell, nor at every snapshot
                continue
            found.append((cell.seed, float(table["score"].mean())))
        if not found:
            return None
        value = float(np.mean([value for _, value in found]))
        return {"value": value, "seeds": sorted({seed for seed, _ in found}), "cells": len(found)}

    def _levels(self, table: pd.DataFrame, arms: Arms, seed: int) -> list[dict[str, Any]]:
        """Return the difference at each level of the other axes.

        ``clear`` is Holm's step-down procedure: the k-th clearest of m levels needs an interval at
        1 - 0.05 / (m - k + 1) that excludes zero, and every clearer one too.
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
                "at": arms.places[level],
                "value": float(np.average(part["score"], weights=part["weight"])),
                "ci95": None if found.ci95 is None else list(found.ci95),
                "clear": False,
            }
        for k, level in enumerate(sorted(rows, key=lambda level: _doubt(rows[level]))):
            strict = 1 - (1 - LEVEL) / (len(rows) - k)
            found = crossed(parts[level], seed=seed, bounded=shares, level=strict)
            if not found.excludes_zero:
                break
            rows[level]["clear"] = True
        return list(rows.values())


def _doubt(row: dict[str, Any]) -> float:
    """Return half the width of a level's interval over its value: the smaller, the clearer."""
    if row["ci95"] is None or not row["value"]:
        return np.inf
    return (row["ci95"][1] - row["ci95"][0]) / 2 / abs(row["value"])


def _joined(ask: str, word: str, rest: str) -> str:
    """Return question, answer and reason as one sentence."""
    if word:
        return f"{ask} {word}: {rest}".strip()
    return f"{ask} {rest[:1].upper()}{rest[1:]}".strip()
