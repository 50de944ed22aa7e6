"""Two cells compared: tests across subjects, effect sizes, Holm, and what may be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import special, stats

from registry.errors import BadParameters
from zoo.contracts import DataError
from zoo.seeds import numpy_rng
from zoo.statistics import MIN_CLUSTERS, RESAMPLES, bootstrap

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 0.05
#: All sign flips are taken of up to so many units, else `FLIPS` are drawn.
EXACT = 13
FLIPS = 9999
TESTS = {
    "permutation": "Sign-flip permutation test",
    "wilcoxon": "Wilcoxon signed-rank test",
}
Scores = tuple["pd.DataFrame", "pd.DataFrame"]


@dataclass(frozen=True)
class Comparison:
    """How two cells differ, seeds averaged within subjects.

    Parameters
    ----------
    names : (str, str)
        The cells, a and b.
    value : float
        Mean over subjects of a - b.
    ci95 : (low, high) or None
        Bootstrap over the units; None with fewer than five.
    test : str or None
        What was tested; None where no result could reach 0.05.
    p, p_holm : float or None
        Two-sided; `p_holm` after Holm over all comparisons of the call.
    smallest_p, smallest_p_holm : float
        What the units can reach at best, alone and if every comparison of the call reaches it.
    d_z : float or None
        Mean over standard deviation of the units' differences, with Hedges' correction.
    rank_biserial : float or None
        Matched rank-biserial correlation, -1 to 1.
    unit : str
        What the interval and the test take as independent: subject, or image, run or trial where
        there are too few subjects.
    n_units, n_subjects, n_trials : int
    n_seeds : (int, int)
        Of a and of b.
    n_comparisons : int
        Of the call.
    higher_is_better : bool
    supported : bool
        The interval excludes 0 and ``p_holm`` is below 0.05.
    """

    names: tuple[str, str]
    value: float
    ci95: tuple[float, float] | None
    test: str | None
    p: float | None
    p_holm: float | None
    smallest_p: float
    smallest_p_holm: float
    d_z: float | None
    rank_biserial: float | None
    unit: str
    n_units: int
    n_subjects: int
    n_seeds: tuple[int, int]
    n_trials: int
    n_comparisons: int
    higher_is_better: bool
    supported: bool = False

    def sentence(self) -> str:
        """Return what may be said: "better" and "worse" occur only where that is supported."""
        a, b = self.names
        if self.supported:
            word = "better" if (self.value > 0) == self.higher_is_better else "worse"
            said = f"{a} is {word} than {b}"
        else:
            said = f"No difference between {a} and {b} is supported"
        interval = "no interval"
        if self.ci95 is not None:
            interval = f"95 % interval {self.ci95[0]:.3g} to {self.ci95[1]:.3g}"
        parts = [f"{said}: mean difference {self.value:.3g}, {interval} over {self._units()}"]
        if self.test is None:
            parts.append(f"No test over {self._units()} can reach {ALPHA} ({self._smallest()})")
        else:
            after = f", {self.p_holm:.2g} after Holm" if self.n_comparisons > 1 else ""
            parts.append(
                f"{self.test} over {self._units()}: p = {self.p:.2g}{after} ({self._smallest()})"
            )
        if self.unit != "subject":
            few = "this subject" if self.n_subjects == 1 else f"these {self.n_subjects} subjects"
            parts.append(
                f"This speaks of {few} and of these trainings only, not of others: over so few "
                f"subjects no test can reach {ALPHA} ({self._smallest(self.n_subjects)})"
            )
        return ". ".join(parts) + "."

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON takes them, with the sentence."""
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {**fields, "sentence": self.sentence()}

    def _units(self) -> str:
        return f"{self.n_units} {self.unit}{'' if self.n_units == 1 else 's'}"

    def _smallest(self, n_units: int | None = None) -> str:
        smallest = self.smallest_p if n_units is None else 2.0 ** (1 - n_units)
        if self.n_comparisons == 1:
            return f"smallest p: {smallest:.2g}"
        after = min(1.0, self.n_comparisons * smallest)
        return (
            f"smallest p: {smallest:.2g}, {after:.2g} after Holm over "
            f"{self.n_comparisons} comparisons"
        )


def compare(
    scores: Mapping[tuple[str, str], Scores],
    *,
    seed: int,
    higher_is_better: bool = True,
    test: Literal["permutation", "wilcoxon"] = "permutation",
    resamples: int = RESAMPLES,
) -> list[Comparison]:
    """Compare pairs of cells by their per-sample scores; several pairs share Holm's correction.

    Seeds are averaged within each trial, trials within each subject, and the subjects' differences
    are tested. Where no result over so many subjects could be below 0.05, Holm's correction
    included, images, runs or trials are tested instead, which speaks of these subjects only; where
    that cannot either, nothing is tested.

    Parameters
    ----------
    scores : mapping of (name a, name b) to a pair of tables
        Columns ``subject``, ``seed``, ``trial`` and ``score``; ``image`` where images repeat;
        ``run`` where the exact image is not known. Both tables hold the same trials of the same
        subjects; their seeds may differ.
    seed : int
        Names the draws.
    higher_is_better : bool, optional
        Of the score, for the words.
    test : {"permutation", "wilcoxon"}, optional
        Sign flips of the mean difference, or signed ranks. Both are exact where the units are few.
    resamples : int, optional
        Of the intervals.

    Returns
    -------
    list of Comparison
        In the order of `scores`.

    Raises
    ------
    BadParameters
        `test` is neither.
    DataError
        Tables of other trials, without a column, with a score twice or one that is not finite.
    """
    if test not in TESTS:
        raise BadParameters(f"test '{test}' is unknown; it takes {' or '.join(TESTS)}")
    found = [
        _one(names, pair, len(scores), seed, higher_is_better, test, resamples)
        for names, pair in scores.items()
    ]
    tested = [i for i, one in enumerate(found) if one.p is not None]
    for i, p_holm in zip(tested, holm([found[i].p for i in tested]), strict=True):
        one = found[i]
        clear = one.ci95 is not None and (one.ci95[0] > 0 or one.ci95[1] < 0)
        found[i] = replace(one, p_holm=p_holm, supported=clear and p_holm < ALPHA)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down procedure, in their order."""
    if not len(p_values):
        return []
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1].tolist()


def hedges_d_z(differences: np.ndarray) -> float | None:
    """Return Cohen's d_z of paired differences (n,), corrected for few of them (Hedges 1981).

    None for fewer than two differences, or where they are all the same.
    """
    df = len(differences) - 1
    if df < 1 or np.ptp(differences) == 0:
        return None
    log = special.gammaln(df / 2) - special.gammaln((df - 1) / 2) if df > 1 else -np.inf
    correction = np.exp(log) / np.sqrt(df / 2)
    return float(correction * differences.mean() / differences.std(ddof=1))


def rank_biserial(differences: np.ndarray) -> float | None:
    """Return the matched rank-biserial correlation of paired differences (n,) (Kerby 2014).

    Share of the ranks that favours a, less the share that favours b; zeros are left out. None
    where all are zero.
    """
    kept = differences[differences != 0]
    if not len(kept):
        return None
    ranks = stats.rankdata(np.abs(kept))
    return float((np.sign(kept) * ranks).sum() / ranks.sum())


def _one(
    names: tuple[str, str],
    pair: Scores,
    n_comparisons: int,
    seed: int,
    higher_is_better: bool,
    test: str,
    resamples: int,
) -> Comparison:
    trials = _differences(names, pair)
    unit, differences = _testable(trials, n_comparisons, test)
    smallest = _smallest_p(len(differences), test)
    offered = n_comparisons * smallest < ALPHA
    return Comparison(
        names=names,
        value=float(trials.groupby("subject")["difference"].mean().mean()),
        ci95=bootstrap(differences, seed=seed, resamples=resamples),
        test=TESTS[test] if offered else None,
        p=_p(differences, test, seed) if offered else None,
        p_holm=None,
        smallest_p=smallest,
        smallest_p_holm=min(1.0, n_comparisons * smallest),
        d_z=hedges_d_z(differences),
        rank_biserial=rank_biserial(differences),
        unit=unit,
        n_units=len(differences),
        n_subjects=trials["subject"].nunique(),
        n_seeds=(pair[0]["seed"].nunique(), pair[1]["seed"].nunique()),
        n_trials=len(trials),
        n_comparisons=n_comparisons,
        higher_is_better=higher_is_better,
    )


def _differences(names: tuple[str, str], pair: Scores) -> pd.DataFrame:
    """Return a - b of each trial, seeds averaged: subject, trial, (image, run,) difference."""
    means = []
    for name, table in zip(names, pair, strict=True):
        if lacking := {"subject", "seed", "trial", "score"} - set(table.columns):
            raise DataError(f"the scores of '{name}' lack the column '{min(lacking)}'")
        if table.duplicated(["subject", "seed", "trial"]).any():
            raise DataError(f"the scores of '{name}' hold a trial twice under one seed")
        if not len(table) or not np.isfinite(table["score"]).all():
            raise DataError(f"the scores of '{name}' are empty or not all finite")
        means.append(table.groupby(["subject", "trial"])["score"].mean())
    a, b = means
    if not a.index.equals(b.index):
        raise DataError(
            f"'{names[0]}' and '{names[1]}' were scored on other trials ({len(a)} and {len(b)}, "
            f"{len(a.index.intersection(b.index))} in common); compare cells of the same split"
        )
    difference = (a - b).rename("difference").reset_index()
    known = [column for column in ("image", "run") if column in pair[0].columns]
    about = pair[0].drop_duplicates(["subject", "trial"])[["subject", "trial", *known]]
    return difference.merge(about, on=["subject", "trial"])


def _testable(trials: pd.DataFrame, n_comparisons: int, test: str) -> tuple[str, np.ndarray]:
    """Return the unit and the differences to test, one a unit, each in the order of its names.

    Subjects if a test over them can reach 0.05; else images if known and repeated, runs if there
    are enough to resample, or trials, if those can; else subjects.
    """
    by_subject = trials.groupby("subject")["difference"].mean().to_numpy()
    if n_comparisons * _smallest_p(len(by_subject), test) < ALPHA:
        return "subject", by_subject
    # Each subject counts alike, however many trials it has.
    size = trials.groupby("subject")["difference"].transform("size")
    weighted = trials["difference"] * len(trials) / (size * len(by_subject))
    unit, names = "trial", [trials["subject"], trials["trial"]]
    if "image" in trials and trials["image"].duplicated().any():
        unit, names = "image", [trials["image"]]
    elif "run" in trials and len(trials[["subject", "run"]].drop_duplicates()) >= MIN_CLUSTERS:
        unit, names = "run", [trials["subject"], trials["run"]]
    sums = weighted.groupby(names).sum().to_numpy()
    within = sums * len(sums) / len(trials)
    if n_comparisons * _smallest_p(len(within), test) < ALPHA:
        return unit, within
    return "subject", by_subject


def _smallest_p(n: int, test: str) -> float:
    """Return the smallest two-sided p that `n` signs can give, or as many flips as are drawn."""
    return 2 / (FLIPS + 1) if test == "permutation" and n > EXACT else 2.0 ** (1 - n)


def _p(differences: np.ndarray, test: str, seed: int) -> float:
    if not differences.any():
        return 1.0
    if test == "wilcoxon":
        return float(stats.wilcoxon(differences).pvalue)
    found = stats.permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        batch=1024,
        rng=numpy_rng(seed, "sign flip"),
    )
    return float(found.pvalue)
