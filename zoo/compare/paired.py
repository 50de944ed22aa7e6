"""Paired differences of settings on the same trials, Holm over all of them.

Every two are compared; of runs of one grid each cell and its namesakes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from zoo.compare.recipes import recipe_of
from zoo.compare.settings import Setting
from zoo.comparison import Comparison, compare

#: Trials are the same where both agree: another data set may use the same names.
TRIAL = ["trial_id", "image_id"]
#: No test can pass Holm's correction over so many, and they would take minutes.
MOST = 1000
_TOO_MANY = (
    f"more than {MOST} differences are not begun: none could be supported. Compare fewer cells, or "
    "fewer metrics with --metric NAME"
)
_NAMESAKES = (
    "each cell is compared with those of its place in the other runs; name one run alone to "
    "compare its cells with one another"
)
_OLD = (
    " cannot be paired: made before run folders kept scores by trial. Run the recipe again; what "
    "the store still holds is not computed again"
)


@dataclass(frozen=True)
class Difference:
    """How two settings differ in one metric."""

    metric: str
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return the metric and the fields of the comparison."""
        return {"metric": self.metric, **self.comparison.to_json()}


class _Notes:
    """Sentences that are said once for all that they are about."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, None]] = {}
        self._alike: dict[str, list[dict[str, None]]] = {}

    def add(self, before: str, about: str, after: str = "") -> None:
        self._found.setdefault((before, after), {})[about] = None

    def alike(self, label: str, a: str, b: str) -> None:
        """Note two settings with the same scores; whoever is like one of them is like both."""
        groups = self._alike.setdefault(label, [])
        group = next((one for one in groups if a in one or b in one), None)
        if group is None:
            groups.append(group := {})
        group.update({a: None, b: None})

    def lines(self) -> list[str]:
        """Return "cannot be paired: the tests share 0 of 330 trials (A and B, A and C)"."""
        for label, groups in self._alike.items():
            for group in groups:
                *names, last = group
                who = f"{', '.join(names)} and {last}"
                self.add(f"{who} have the very same scores, trial by trial, in ", label)
        return [f"{before}{', '.join(on)}{after}" for (before, after), on in self._found.items()]


def differences(
    settings: Sequence[Setting], labels: Sequence[str]
) -> tuple[list[Difference], list[str]]:
    """Return the differences of settings in every metric, and why others are lacking.

    Trials are matched by their ids. Two settings that were not tested on exactly the same trials
    are not paired, nor is a metric whose parameters in the recipes are not the same. Where all
    scores are the same (of an encoder that two cells share) there is nothing to test, and Holm's
    correction does not count it: whether it is so does not depend on the signs that are flipped.
    """
    notes = _Notes()
    for setting in settings:
        if not setting.keeps_scores:
            notes.add("", setting.name, _OLD)
    named = {setting.name: setting for setting in settings}
    asked = _asked(settings, notes)
    pairs: dict[tuple[str, str, str], tuple[pd.DataFrame, pd.DataFrame]] = {}
    for label in labels:
        tables = _tables([s for s in settings if s.keeps_scores], label, notes)
        for a, b in asked:
            if a not in tables or b not in tables:
                continue
            pair = tables[a], tables[b]
            if _can_be_paired(named[a], named[b], label, pair, notes):
                pairs[label, a, b] = pair
            if len(pairs) > MOST:
                return [], [*notes.lines(), _TOO_MANY]
    found = compare({_key(*names): _aligned(*pair) for names, pair in pairs.items()}, seed=0)
    return [
        _difference(label, (a, b), one, _higher_is_better(named[a], label), pair[0])
        for ((label, a, b), pair), one in zip(pairs.items(), found, strict=True)
    ], notes.lines()


def _asked(settings: Sequence[Setting], notes: _Notes) -> list[tuple[str, str]]:
    """Return who is compared with whom: every two, or cells of one place in the grids of all runs.

    Twice the same grid is 2 x 16 settings, for example: of 496 pairs, 16 are asked for.
    """
    places: dict[str, list[Setting]] = {}
    for setting in settings:
        places.setdefault(json.dumps(setting.coords, sort_keys=True), []).append(setting)
    shared = [group for group in places.values() if len(group) > 1 and group[0].coords]
    if {s.folder for group in shared for s in group} != {s.folder for s in settings}:
        return list(combinations([setting.name for setting in settings], 2))
    notes.add(_NAMESAKES, "")
    for group in places.values():
        if len(group) == 1:
            notes.add("in one run only, so they stand in the table only: ", group[0].name)
    return [(a.name, b.name) for group in shared for a, b in combinations(group, 2)]


def _can_be_paired(
    a: Setting,
    b: Setting,
    label: str,
    pair: tuple[pd.DataFrame, pd.DataFrame],
    notes: _Notes,
) -> bool:
    both = f"{a.name} and {b.name}"
    if other := _defined_otherwise(a, b, label):
        notes.add("", both, f" cannot be paired in {label}: {other}")
    elif other := _other_trials(*pair):
        notes.add(f"cannot be paired: {other} (", both, ")")
    elif _same_scores(*pair):
        notes.alike(label, a.name, b.name)
    else:
        if _definitions(a, label) != _definitions(b, label):
            notes.add("", both, f" describe {label} in other words: read both definitions (--json)")
        return True
    return False


def _tables(settings: Sequence[Setting], label: str, notes: _Notes) -> dict[str, pd.DataFrame]:
    """Return setting's name -> scores by trial, of those that can be paired."""
    tables = {}
    for setting in settings:
        if not setting.metrics(label):
            continue
        table = setting.scores(label)
        if table is None:
            notes.add("no means over trials, so they stand in the table only: ", label)
        elif not np.isfinite(table["score"]).all():
            notes.add("", setting.name, f" cannot be paired in {label}: some score is not finite")
        else:
            tables[setting.name] = table
    return tables


def _defined_otherwise(a: Setting, b: Setting, label: str) -> str:
    """Return in what the recipes differ about a metric, "params.k is 1 and 5"."""
    prefix = f"metrics.{label}."
    one, two = (
        {k.removeprefix(prefix): v for k, v in recipe_of(s).items() if k.startswith(prefix)}
        for s in (a, b)
    )
    differing = [key for key in {**one, **two} if one.get(key) != two.get(key)]
    return ", ".join(f"{key} is {one.get(key)} and {two.get(key)}" for key in differing)


def _definitions(setting: Setting, label: str) -> set[str]:
    return {metric.get("definition", "") for metric in setting.metrics(label)}


def _other_trials(a: pd.DataFrame, b: pd.DataFrame) -> str:
    """Return how far two tests are from being the same trials; empty where they are."""
    ours, theirs = (set(map(tuple, table[TRIAL].to_numpy())) for table in (a, b))
    if ours == theirs:
        return ""
    sizes = f"{len(ours)}" if len(ours) == len(theirs) else f"{len(ours)} and {len(theirs)}"
    return f"the tests share {len(ours & theirs)} of {sizes} trials"


def _same_scores(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    one, two = (table.groupby("trial_id")["score"].mean() for table in (a, b))
    return one.equals(two)


def _key(label: str, a: str, b: str) -> tuple[str, str]:
    return f"{label} of {a}", f"{label} of {b}"


def _aligned(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both as `zoo.comparison.compare` takes them.

    Subjects are numbered within a run, so the first one's numbers hold for both. What is resampled
    together (``cluster``) goes in as the image.
    """
    known = a.drop_duplicates("trial_id").set_index("trial_id")
    tables = []
    for table in (a, b):
        tables.append(
            pd.DataFrame(
                {
                    "subject": table["trial_id"].map(known["subject"]),
                    "seed": table["seed"],
                    "trial": table["trial_id"],
                    "image": table["trial_id"].map(known["cluster"]),
                    "score": table["score"],
                }
            )
        )
    return tables[0], tables[1]


def _difference(
    label: str,
    names: tuple[str, str],
    one: Comparison,
    higher_is_better: bool,
    table: pd.DataFrame,
) -> Difference:
    """Return what `compare` found under the settings' names, the metric's direction and unit."""
    unit = one.unit
    if unit == "image" and not (table["cluster"] == table["image_id"]).all():
        unit = "run"
    changed = replace(one, names=names, higher_is_better=higher_is_better, unit=unit)
    return Difference(label, changed)


def _higher_is_better(setting: Setting, label: str) -> bool:
    return bool(setting.metrics(label)[0]["higher_is_better"])
