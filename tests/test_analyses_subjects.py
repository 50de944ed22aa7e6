"""Analyses over subjects: they are drawn, too, or the answer is for these alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_toys import ARMS, grid, levels

from zoo.analyses.difference import Difference
from zoo.grid_scores import AnalysisResult, GridScores


def of_subjects(
    gains: np.ndarray, rng, *, trials: int = 60, seeds: int = 1, images: np.ndarray | None = None
) -> GridScores:
    """Return a grid of hits and misses: each subject has its own gain, each image its own ease.

    Parameters
    ----------
    gains : array (subjects,)
    rng : Generator
    trials, seeds : int
    images : array (trials,), optional
        What each image adds to the gain, alike for all subjects.
    """
    ease_N = np.zeros(trials) if images is None else images
    parts = {}
    for k, gain in enumerate(gains, 1):
        share = {"good": 0.5 + gain + ease_N, "poor": np.full(trials, 0.5)}
        scores = {
            name: (rng.random((seeds, trials)) < np.clip(q_N, 0, 1)).astype(float)
            for name, q_N in share.items()
        }
        parts[k] = grid(scores, prefix=f"s{k}-")
    whole = levels("subjects", parts)
    by_id = {
        cell.id: replace(cell, dataset=replace(
            cell.dataset, params={"subjects": [cell.dataset.params["subjects"]]}
        ))
        for cell in whole.cells
    }  # fmt: skip
    scores = tuple(replace(score, cell=by_id[score.cell.id]) for score in whole.scores)
    return replace(whole, cells=tuple(by_id.values()), scores=scores)


def asked(whole: GridScores) -> AnalysisResult:
    return Difference(metric="score", **ARMS).answer(whole)


def test_six_subjects_are_drawn_with_the_images_that_they_share():
    rng = np.random.default_rng(0)
    found = asked(of_subjects(rng.normal(0.3, 0.02, 6), rng))
    assert "in score over 360 test trials (95 %" in found.sentence
    assert "bootstrap crossed over 6 subjects and 60 images, for one seed alone" in found.sentence
    assert found.n == 360
    assert found.ci95[0] > 0
    found = asked(of_subjects(rng.normal(0.3, 0.02, 6), rng, seeds=5))
    assert "bootstrap crossed over 5 seeds, 6 subjects and 60 images)" in found.sentence


def test_three_subjects_are_spoken_of_alone():
    rng = np.random.default_rng(0)
    found = asked(of_subjects(rng.normal(0.3, 0.02, 3), rng, seeds=5))
    assert "crossed over 5 seeds and 60 images, for 3 subjects alone" in found.sentence
    found = asked(of_subjects(rng.normal(0.3, 0.02, 3), rng))
    assert "over 60 images, for one seed and 3 subjects alone" in found.sentence


def test_gains_that_are_each_subject_s_own_are_no_gain_of_people():
    """Each subject's gain is drawn around none: trials alone would tell one half of the time."""
    rng = np.random.default_rng(1)
    told = sum(
        asked(of_subjects(rng.normal(0, 0.15, 6), rng, trials=100)).rows[0]["outcome"] != "not told"
        for _ in range(40)
    )
    assert told <= 6


def test_an_image_s_gain_that_all_subjects_share_is_no_further_evidence():
    rng = np.random.default_rng(1)
    told = sum(
        asked(of_subjects(np.zeros(6), rng, trials=12, images=rng.choice([-0.45, 0.45], 12))).rows[
            0
        ]["outcome"]
        != "not told"
        for _ in range(40)
    )
    assert told <= 6


@pytest.mark.parametrize(
    ("n", "cluster", "how"),
    [
        (3, "trial_id", "bootstrap over 180 trials, for one seed and 3 subjects alone"),
        (3, "run", "bootstrap over 18 runs, for one seed and 3 subjects alone"),
        (6, "trial_id", "bootstrap over 6 subjects, for one seed alone"),
        (3, "image_id", "no interval: one seed, 3 subjects and 2 images are too few"),
    ],
)
def test_pictures_of_the_category_are_not_pictures_that_subjects_share(n, cluster, how):
    """Where the picture is not known, many trials have one and are resampled apart."""
    rng = np.random.default_rng(0)
    whole = of_subjects(rng.normal(0.3, 0.02, n), rng)

    def paired_by_category(score):
        table = score.trials()
        number = np.arange(len(table))
        table["image_id"] = np.where(number % 3 == 0, "face", "house")
        table["run"] = [f"{table['trial_id'][0]}/{k % 6}" for k in number]
        table["cluster"] = table[cluster]
        return replace(score, read=lambda: table.copy())

    found = asked(replace(whole, scores=tuple(map(paired_by_category, whole.scores))))
    assert how in found.sentence


def test_a_single_subject_adds_no_way():
    rng = np.random.default_rng(0)
    found = asked(of_subjects(np.array([0.3]), rng, seeds=5))
    assert "bootstrap crossed over 5 seeds and 60 trials)" in found.sentence


@pytest.mark.parametrize("n", [3, 6])
def test_without_scores_by_trial_only_seeds_and_subjects_are_drawn(n: int):
    rng = np.random.default_rng(0)
    whole = of_subjects(rng.normal(0.3, 0.02, n), rng, seeds=5)
    silent = tuple(replace(score, read=lambda: None) for score in whole.scores)
    found = asked(replace(whole, scores=silent))
    drawn = "crossed over 5 seeds and 6 subjects)" if n == 6 else "5 seeds, for 3 subjects alone)"
    assert drawn in found.sentence
    assert (found.n, found.unit) == (5, "seed")
