"""The rows of the gap: which figures there are at which depth, and exactly what each one means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.stages._gap_geometry import (
    Clouds,
    alignment,
    angle_of,
    minus_cosine,
    pair_angle,
    relative_change,
    share,
    spread,
    squared_centroid_distance,
)
from zoo.stages._gap_jackknife import Statistic, jackknife
from zoo.stages._gap_probe import probe
from zoo.stages._gap_states import FINAL, UNMASKED, Place, Products
from zoo.statistics import MIN_CLUSTERS, Units, bootstrap, wilson

Row = dict[str, Any]

#: Measure -> what it is; {where} is the depth, {text} the encoder of real text.
MEANING = {
    "centroid_distance": "Distance between the mean EEG-made and the mean real-text state, over "
    "the root mean square distance of the text states from their mean; {where}; a trial's states "
    "are one vector of all tokens; real text is the prompt of each trial's class by {text}. "
    "Squared, it is a mean over pairs of distinct trials, so that few trials add no distance; an "
    "estimate below 0 is told as 0, and what is known by the interval alone.",
    "angle_between_centroids": "Angle between the mean EEG-made and the mean real-text state, in "
    "degrees, seen from zero; {where}; vectors, pairs and real text as in centroid_distance.",
    "angle_within_eeg": "Mean angle between the EEG-made states of two trials, in degrees, seen "
    "from zero; {where}; a trial's states are one vector of all tokens.",
    "angle_within_text": "Mean angle between the real-text states of two distinct classes, in "
    "degrees, seen from zero; {where}; real text by {text}. No interval: the prompts are given.",
    "cka": "Linear CKA (unbiased HSIC: 0 on average for independent states, 1 for equal ones) of "
    "the EEG-made states and the real-text states of the same trials' classes; {where}; real text "
    "by {text}.",
    "token_variance": "Variance between trials of the layer-normalised EEG-made states (each "
    "token at mean 0 and deviation 1 over its features), as a share of their energy; {where}.",
    "variance_survival": "token_variance over that at the text transformer's input; {where}.",
    "hidden_pairs": "Share of all pairs of a state and a token in which the causal mask hides the "
    "token from the state: (M - 1) / 2M for M tokens.",
    "hidden_variance": "Share of the variance between trials of the EEG's tokens, at the text "
    "transformer's input, that the causal mask hides from a state, mean over the states.",
    "mask_change": "Root mean square change of the final EEG-made states when the causal mask is "
    "taken away, over their root mean square length; the weights stay those trained with it.",
    "probe_accuracy": "Share of trials whose class a linear probe names ({probe}); {where}.",
    "probe_accuracy_tokens": "Share of trials whose class a linear probe names ({probe}); the EEG "
    "encoder's tokens, before the conditioner.",
    "probe_accuracy_unmasked": "Share of trials whose class a linear probe names ({probe}); final "
    "states as they are without the causal mask, the weights those trained with it.",
}


@dataclass(frozen=True)
class Scored:
    """What is known of the trials whose states are compared, and of those that fit the probe.

    Parameters
    ----------
    class_N : array (N,), int64
        Each trial's row among the K classes that have a prompt.
    label_N, label_P : arrays (N,) and (P,), int64
        Of the scored and of the training trials.
    units : Units
        What is independent among the scored trials.
    split, text : str
        The split scored; what made the real text, in words.
    seed : int
        For bootstrap draws.
    """

    class_N: np.ndarray
    label_N: np.ndarray
    label_P: np.ndarray
    units: Units
    split: str
    text: str
    seed: int

    def row(
        self, measure: str, when: str, place: Place, value: float, ci95: Any, **about: Any
    ) -> list[Row]:
        """Return one row in a list; none where the figure is not defined."""
        if not np.isfinite(value):
            return []
        words = {"where": _where(place), "text": self.text, "probe": self.about_the_probe()}
        how = about.pop("how", "")
        return [
            {
                "measure": measure,
                "layer": place if isinstance(place, int) else None,
                "when": when,
                "value": float(value),
                "ci95": None if ci95 is None else [float(end) for end in ci95],
                "n": len(self.label_N),
                "unit": "trial",
                "split": self.split,
                "definition": (MEANING[measure].format(**words) + how),
                **about,
            }
        ]

    def jackknifed(
        self,
        measure: str,
        when: str,
        place: Place,
        statistic: Statistic,
        *bounds: float,
        shown: Callable[[float], float] = float,
    ) -> list[Row]:
        """Return one row in a list; none where the figure, or its interval, is not defined."""
        low, high = bounds
        value, ci95 = jackknife(statistic, self.units, bounds=(low, high), shown=shown)
        if ci95 is None and self.units.count() >= MIN_CLUSTERS:
            return []  # without some unit there is no such figure: it hangs on that unit
        if ci95 is None:
            how = f" No interval: {self.units.describe()} are too few."
        else:
            how = f" 95 % interval: jackknife over {self.units.describe()}."
        return self.row(measure, when, place, value, ci95, how=how)

    def probed(
        self, measure: str, when: str, place: Place, train_PP: np.ndarray, test_NP: np.ndarray
    ) -> list[Row]:
        """Return the accuracy of a probe; none where a class scored was never trained."""
        classes = np.unique(self.label_P)
        if len(classes) < 2 or np.setdiff1d(self.label_N, classes).size:
            return []
        hit_N = (probe(train_PP, test_NP, self.label_P, classes) == self.label_N).astype(float)
        if self.units.name == "trial":
            ci95, how = wilson(hit_N.sum(), len(hit_N)), " 95 % interval: Wilson."
        else:
            ci95 = bootstrap(hit_N, seed=self.seed, clusters=self.units.clusters)
            how = f" 95 % interval: bootstrap over {self.units.describe()}."
            if hit_N.min() == hit_N.max() and ci95 is not None:  # resamples are all alike
                ci95 = wilson(hit_N[0] * self.units.count(), self.units.count())
                how = f" 95 % interval: Wilson, one answer for each of {self.units.describe()}."
        return self.row(measure, when, place, hit_N.mean(), ci95, how=how)

    def about_the_probe(self) -> str:
        classes = len(np.unique(self.label_P))
        return (
            f"ridge regression on {len(self.label_P)} training trials' standardised features, its "
            f"penalty by leaving one of them out, chance 1 / {classes}"
        )


def rows_at(
    place: Place, found: Products, scored: Scored, when: str, first: Products | None
) -> list[Row]:
    """Return the rows of one depth.

    Parameters
    ----------
    place : int, None or "unmasked"
    found : Products
        At this depth.
    scored : Scored
    when : {"before", "after"}
        Of training.
    first : Products or None
        At the text transformer's input, where there is one.
    """
    if place == UNMASKED:
        return scored.probed("probe_accuracy_unmasked", when, FINAL, found.train, found.test)
    rows: list[Row] = []
    clouds, text_KK = clouds_of(found, scored.class_N)
    if place in (0, FINAL):
        apart = squared_centroid_distance(clouds)
        rows += scored.jackknifed("centroid_distance", when, place, apart, 0, np.inf, shown=np.sqrt)
        between, within = minus_cosine(clouds), pair_angle(clouds.eeg_NN)
        rows += scored.jackknifed(
            "angle_between_centroids", when, place, between, -1, 1, shown=angle_of
        )
        rows += scored.jackknifed("angle_within_eeg", when, place, within, 0, 180)
        angle = pair_angle(text_KK)(np.ones((1, len(text_KK))))[0]
        about = {"n": len(text_KK), "unit": "class"}
        rows += scored.row("angle_within_text", when, place, angle, None, **about)
    rows += scored.jackknifed("cka", when, place, alignment(clouds), -1, 1)
    rows += scored.probed("probe_accuracy", when, place, found.train, found.test)
    if first is None:
        return rows
    varied = spread(found.normalised)
    energy = np.diag(found.normalised)
    of_energy = share(varied, lambda keep_RN: keep_RN @ energy / keep_RN.sum(1))
    rows += scored.jackknifed("token_variance", when, place, of_energy, 0, 1)
    if place != 0:
        survived = share(varied, spread(first.normalised))
        rows += scored.jackknifed("variance_survival", when, place, survived, 0, np.inf)
    return rows


def mask_rows(
    n_tokens: int,
    first: Products,
    moved_N: np.ndarray,
    energy_N: np.ndarray,
    scored: Scored,
    when: str,
) -> list[Row]:
    """Return the rows that say what the causal mask hides."""
    n = len(moved_N)
    whole = spread(first.both[:n, :n])
    hidden = share(spread(first.behind), lambda keep_RN: n_tokens * whole(keep_RN))
    pairs = {"n": n_tokens**2, "unit": "pair"}
    return [
        *scored.row("hidden_pairs", when, FINAL, (n_tokens - 1) / (2 * n_tokens), None, **pairs),
        *scored.jackknifed("hidden_variance", when, 0, hidden, 0, 1),
        *scored.jackknifed(
            "mask_change", when, FINAL, relative_change(moved_N, energy_N), 0, np.inf
        ),
    ]


def clouds_of(found: Products, class_N: np.ndarray) -> tuple[Clouds, np.ndarray]:
    """Return the clouds of the scored trials, and the inner products (K, K) of their text."""
    n = len(class_N)
    text_KK = found.both[n:, n:]
    clouds = Clouds(
        eeg_NN=found.both[:n, :n],
        text_NN=text_KK[np.ix_(class_N, class_N)],
        cross_NN=found.both[:n, n:][:, class_N],
    )
    return clouds, text_KK


def _where(place: Place) -> str:
    if place == 0:
        return "at the text transformer's input, positions added"
    if isinstance(place, int):
        return f"after layer {place} of the text transformer"
    return "final states, which the denoiser reads"
