"""Is one arm of a grid better than another: paired over seeds and trials, one sentence.

Cells of both arms that agree in the seed and in everything else that varies are paired; the other
axes count equally. Scores are compared at the end of training or as the area under their course,
which asks for the speed of learning where all arms end alike. With `when` and `than` it is asked
whether the difference is larger in some cells than in others (an interaction).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from registry import BadParameters, component
from zoo.analyses._arms import Arms, Pair, check_selections, paired, together
from zoo.analyses._course import course, steps_of
from zoo.analyses._crossed import TRIAL, Interval, crossed, mean
from zoo.analyses._difference_rows import arm_rows, level_rows, tuning_row, unpaired_rows
from zoo.analyses._difference_words import Asked, Found, outcome_of, sentence
from zoo.analyses._lost import Lost, pairs_left
from zoo.analyses._words import blocks, left_out, listed, tested_on
from zoo.grid_scores import (
    AnalysisResult,
    GridScores,
    MetricLabel,
    NotAnswered,
    Score,
    Where,
    words,
)
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

    The interval is a bootstrap crossed over seeds, subjects and trials (Owen 2007). Of seeds or
    subjects fewer than five it is over trials alone, for these, and the sentence says so.

    Parameters
    ----------
    metric : str
        Label of the metric in the recipe.
    a, b : mapping
        Which cells each arm is: dotted paths and the values that they have there.
    over : {"end", "area"}
        Scores at the end of training, or their mean over the training steps from the first
        snapshot to the end (trapezoid rule); both arms need the same steps.
    when, than : mapping, optional
        Two selections by the same paths: a minus b where `when` holds, less a minus b where `than`
        does (a difference of differences). Pairs agree in the seed and in every other axis.
    a_name, b_name : str, optional
        What the sentence calls the arms.
    when_name, than_name : str, optional
        What the sentence calls the selections, such as "with drift".
    ask : str
        The question, put before the answer.
    yes : {"a", "b"}, optional
        Which arm's lead answers the question with yes; with `when`, which arm's lead is the
        larger there.
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
        when: Where | None = None,
        than: Where | None = None,
        a_name: str | None = None,
        b_name: str | None = None,
        when_name: str | None = None,
        than_name: str | None = None,
        ask: str = "",
        yes: Literal["a", "b"] | None = None,
        margin: float | None = None,
    ):
        if margin is not None and margin <= 0:
            raise BadParameters(f"analysis 'difference': margin must be > 0, got {margin}")
        check_selections(a, b, when, than)
        self.metric, self.a, self.b, self.over = metric, a, b, over
        self.selections = [when, than] if when and than else [{}]
        self.asked = Asked(
            a=a_name or words(a),
            b=b_name or words(b),
            when=when_name or f"where {words(when)}" if when else "",
            than=than_name or f"where {words(than)}" if than else "",
            ask=ask,
            yes=yes,
            margin=margin,
        )

    def answer(self, scores: GridScores) -> AnalysisResult:
        """Return a minus b; ``rows`` hold the arms, the other axes' levels and what is unpaired."""
        whole = self._sides(scores)
        sides, lost = pairs_left(scores, whole, self.metric, self.over)
        steps = self._steps(scores, sides)
        table = pd.concat(
            self._pair(scores, pair, arms).assign(sign=sign)
            for sign, arms in zip((1, -1), sides, strict=False)
            for pair in arms.pairs
        )
        first = scores.of(sides[0].pairs[0][0], self.metric)
        found = self._found(table, steps, first, scores.seed)
        tuning = tuning_row(sides, self.a, self.b)
        return AnalysisResult(
            sentence=self._sentence(scores, whole, sides, lost, found, tuning["tuned"]),
            value=found.value,
            ci95=found.interval.ci95,
            n=_count(table),
            unit="trial" if table["unit"].iloc[0] else "seed",
            split=first.split,
            metric=self.metric,
            definition=self._definition(sides, found, first),
            rows=(
                {"row": "outcome", "outcome": found.outcome, **found.tested},
                *arm_rows(scores, sides, self.asked, self.metric, self.over),
                *self._part_rows(table, found, scores.seed),
                *level_rows(table, sides[0].places, scores.seed),
                tuning,
                *unpaired_rows(sides, whole, lost),
            ),
        )

    def _sides(self, scores: GridScores) -> list[Arms]:
        """Return the paired cells: of all, or where `when` and where `than` holds."""
        found = [paired(scores, {**self.a, **s}, {**self.b, **s}) for s in self.selections]
        return together(*found) if len(found) == 2 else found

    def _steps(self, scores: GridScores, sides: list[Arms]) -> list[int]:
        """Return the steps of the area, none at the end; all cells need the same."""
        if self.over == "end":
            return []
        cells = [cell for arms in sides for cell in arms.cells]
        steps = {cell.id: steps_of(scores, cell, self.metric) for cell in cells}
        first = steps[cells[0].id]
        for name, other in steps.items():
            if other != first:
                raise NotAnswered(
                    f"areas need the same training steps: {cells[0].id} was scored at {first}, "
                    f"{name} at {other}"
                )
        return first

    def _pair(self, scores: GridScores, pair: Pair, arms: Arms) -> pd.DataFrame:
        """Return the difference of each trial of two cells, every level weighing the same."""
        ours, theirs = (course(scores, cell, self.metric, self.over) for cell in pair)
        both = ours.merge(theirs[[*TRIAL, "score"]], on=TRIAL, suffixes=("", "_b"))
        if not len(both) == len(ours) == len(theirs):
            raise NotAnswered(
                f"{pair[0].id} and {pair[1].id} were scored on other trials ({len(ours)} and "
                f"{len(theirs)}, {len(both)} in common)"
            )
        level = arms.levels[pair[0].id]
        n = len(both) * sum(other == level for other in arms.levels.values())
        difference = both["score"] - both["score_b"]
        found = both.assign(score=difference, level=repr(level), weight=1 / n)
        return found.drop(columns="score_b")

    def _found(self, table: pd.DataFrame, steps: list[int], first: Score, seed: int) -> Found:
        value, interval = mean(table), _interval(table, seed)
        outcome = outcome_of(
            value, interval, self.asked.margin, higher_is_better=first.higher_is_better
        )
        parts = [mean(part.assign(sign=1)) for _, part in table.groupby("sign")][::-1]
        return Found(
            value=value,
            parts=tuple(parts),
            interval=interval,
            outcome=outcome,
            tested=_test(table, seed),
            alike=not table["score"].any(),
            score=f"{self.metric} (mean over training steps {steps[0]} to {steps[-1]})"
            if steps
            else self.metric,
            tested_on=tested_on([table], first.split),
            n_seeds=table["seed"].nunique(),
        )

    def _sentence(
        self,
        scores: GridScores,
        whole: list[Arms],
        sides: list[Arms],
        lost: Lost,
        found: Found,
        tuned: bool | None,
    ) -> str:
        levels = list(sides[0].places.values())
        axes = listed(blocks(levels[0])) if levels[0] else ""
        alone = ", ".join(dict.fromkeys(name for arms in whole for name in arms.alone))
        notes = [
            f"; mean over {len(levels)} levels of {axes}" if axes else "",
            f"; left out for want of a partner: {alone}" if alone else "",
            left_out(lost),
            "; learning rates were not tuned arm by arm" if tuned is False else "",
        ]
        cells = tuple(cell for arms in sides for cell in arms.cells)
        return sentence(self.asked, found, notes, scores.spoken_of(cells, self.metric))

    def _definition(self, sides: list[Arms], found: Found, first: Score) -> str:
        asked = self.asked
        what = f"Mean of {found.score}, {asked.a} minus {asked.b}"
        pairs = (
            f"{len(sides[0].pairs)} pairs of cells that agree in the seed and in every other axis"
        )
        if asked.when:
            what += f", {asked.when} less the same {asked.than}"
            pairs += " in each; trials of both with one id are drawn together, others apart"
        return (
            f"{what}, over {pairs}; 95 % interval: {found.interval.how}. "
            f"In one cell, {self.metric} is: {first.definition}"
        )

    def _part_rows(self, table: pd.DataFrame, found: Found, seed: int) -> list[dict[str, Any]]:
        """Return a minus b where `when` holds and where `than` does."""
        if not self.asked.when:
            return []
        rows = []
        for sign, name, value in zip(
            (1, -1), (self.asked.when, self.asked.than), found.parts, strict=True
        ):
            part = table[table["sign"] == sign].assign(sign=1)
            ci95 = _interval(part, seed).ci95
            ends = None if ci95 is None else list(ci95)
            rows.append({"row": "difference", "at": name, "value": value, "ci95": ends})
        return rows


def _interval(table: pd.DataFrame, seed: int) -> Interval:
    """Return the interval; a trial that several levels share is one row, which is quicker."""
    rows = table.assign(score=table["score"] * table["weight"])
    same = [*TRIAL, "subject", "cluster", "cluster_subject", "unit", "sign"]
    summed = rows.groupby(same, sort=False)[["score", "weight"]].sum().reset_index()
    summed["score"] /= summed["weight"]
    return crossed(summed, seed=seed, bounded=bool(table["score"].abs().max() <= 1))


def _test(table: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Return the sign-flip test over seeds, or why there is none."""
    by_seed = [mean(rows) for _, rows in table.groupby("seed")]
    n, smallest = len(by_seed), 2.0 ** (1 - len(by_seed))
    if smallest >= 1 - LEVEL:
        seeds = "one seed" if n == 1 else f"{n} seeds"
        why = f"no test over {seeds} can reach {1 - LEVEL:.2g} (smallest p: {smallest:.2g})"
        return {"p": None, "smallest_p": smallest, "test": why}
    p = paired_difference(np.array(by_seed), np.zeros(n), seed=seed).p
    return {"p": p, "smallest_p": smallest, "test": f"sign flips over {n} seeds"}


def _count(table: pd.DataFrame) -> int:
    """Return the number of trials; of seeds where the metric scores no trials by themselves."""
    if not table["unit"].iloc[0]:
        return int(table["seed"].nunique())
    return len(table[["subject", "trial_id"]].drop_duplicates())
