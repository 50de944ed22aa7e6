"""Two cells: what is averaged and tested, what p can be reached, and which words may be used."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from registry.errors import BadParameters
from zoo.comparison import compare, hedges_d_z, holm, rank_biserial
from zoo.contracts import DataError


def table(scores, images=None):
    """Return per-sample scores (subjects, seeds, trials) as a table."""
    subject, seed, trial = (way.ravel() for way in np.indices(scores.shape))
    columns = {"subject": subject, "seed": seed, "trial": trial, "score": scores.ravel()}
    if images:
        columns["image"] = trial % images
    return pd.DataFrame(columns)


def pair(subjects, gain, spread=0.3, seeds=2, trials=12, seed=0, **options):
    """Return two cells of the same hard and easy trials, apart by `gain` give or take `spread`."""
    rng = np.random.default_rng(seed)
    hard = 5 * rng.normal(size=(subjects, 1, trials))
    noise = 0.3 * rng.normal(size=(2, subjects, seeds, trials))
    own = gain + spread * rng.normal(size=(subjects, 1, 1))
    return table(hard + own + noise[0], **options), table(hard + noise[1], **options)


def one(cells, **options):
    (found,) = compare({("a", "b"): cells}, seed=0, **options)
    return found


def test_seeds_are_averaged_within_trials_and_trials_within_subjects():
    a, b = pair(7, 0.2)
    a = a[~((a.subject == 0) & (a.trial > 2))]  # a subject with fewer trials counts the same
    b = b[~((b.subject == 0) & (b.trial > 2))]
    b = b[~((b.seed == 1) & (b.trial == 4))]  # a trial that one seed lacks counts the same
    found = one((a, b))
    subjects = [
        np.mean(
            [
                a[(a.subject == s) & (a.trial == t)].score.mean()
                - b[(b.subject == s) & (b.trial == t)].score.mean()
                for t in a[a.subject == s].trial.unique()
            ]
        )
        for s in range(7)
    ]
    assert found.value == pytest.approx(np.mean(subjects))
    assert found.d_z == pytest.approx(hedges_d_z(np.array(subjects)))
    assert (found.n_subjects, found.n_seeds, found.n_trials) == (7, (2, 2), 6 * 12 + 3)


def test_p_is_that_of_all_sign_flips():
    found = one(pair(8, 0.15))
    a, b = pair(8, 0.15)
    differences = (a.groupby("subject").score.mean() - b.groupby("subject").score.mean()).to_numpy()
    flipped = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=8)]
    extreme = np.mean(np.array(flipped) >= abs(differences.sum()) - 1e-12)
    assert 0.02 < found.p < 0.6  # neither end
    assert found.p == pytest.approx(extreme)
    wilcoxon = one((a, b), test="wilcoxon")
    assert wilcoxon.p == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert wilcoxon.sentence().count("Wilcoxon signed-rank test over 8 subjects") == 1


def test_effect_sizes_in_closed_form():
    differences = np.array([1.0, 2.0, -0.5, 3.0, 0.0])
    # Hedges 1981: J is close to 1 - 3 / (4 df - 1), df = 4.
    d_z = differences.mean() / differences.std(ddof=1)
    assert hedges_d_z(differences) == pytest.approx((1 - 3 / 15) * d_z, rel=0.01)
    assert rank_biserial(differences) == pytest.approx((2 + 3 + 4 - 1) / 10)
    assert hedges_d_z(np.ones(5)) is None and hedges_d_z(np.ones(1)) is None
    assert rank_biserial(np.zeros(5)) is None and rank_biserial(np.ones(3)) == 1


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_six_subjects_reach_0031_and_say_so():
    found = one(pair(6, 2.0))
    assert found.smallest_p == found.p == found.p_holm == 2 / 2**6
    assert found.unit == "subject" and found.supported
    said = found.sentence()
    assert said.startswith("a is better than b: mean difference ")
    assert "p = 0.031 (smallest p: 0.031)" in said


def test_no_test_across_subjects_that_cannot_reach_005():
    """Five subjects, or six after Holm over two: the images of these subjects, if there are any."""
    few = one(pair(5, 2.0, images=12))
    assert (few.unit, few.n_units) == ("image", 12)
    assert "these 5 subjects" in few.sentence() and "smallest p: 0.062)" in few.sentence()
    two = compare({(n, "b"): pair(6, 2.0) for n in "ac"}, seed=0)
    assert [found.unit for found in two] == ["trial"] * 2
    assert "smallest p: 0.031, 0.062 after Holm over 2 comparisons" in two[0].sentence()
    seven = compare({(n, "b"): pair(7, 2.0) for n in "ac"}, seed=0)
    assert [found.unit for found in seven] == ["subject"] * 2
    assert [found.p_holm for found in seven] == [2 * 2 / 2**7] * 2


def test_nothing_is_tested_where_nothing_can_be_reached():
    found = one(pair(4, 2.0, trials=1))
    assert found.test is None and found.p is None and found.p_holm is None
    assert not found.supported and found.ci95 is None
    assert "No test over 4 subjects can reach 0.05 (smallest p: 0.12)." in found.sentence()
    json.dumps(found.to_json(), allow_nan=False)


def test_images_that_repeat_are_one_unit_each():
    found = one(pair(1, 2.0, trials=30, images=10))
    assert (found.unit, found.n_units, found.n_trials) == ("image", 10, 30)
    assert "this subject and of these trainings only" in found.sentence()
    assert one(pair(1, 2.0, trials=30)).n_units == 30


def test_each_subject_counts_alike_however_many_trials_it_has():
    rng = np.random.default_rng(5)
    b = table(rng.normal(size=(3, 1, 40)))
    b = b[(b.subject == 0) | (b.trial < 5)]
    a = b.assign(score=b.score + np.where(b.subject == 0, 1, -1) + 0.1 * rng.normal(size=len(b)))
    found = one((a, b))
    assert found.unit == "trial" and found.value == pytest.approx(-1 / 3, abs=0.1)
    assert found.ci95[0] < found.value < found.ci95[1]


@pytest.mark.parametrize("subjects", [1, 4, 6, 9])
def test_better_and_worse_are_said_only_where_supported(subjects):
    for gain in (-1.0, -0.1, 0.0, 0.1, 1.0):
        for higher in (True, False):
            found = one(pair(subjects, gain, seed=3), higher_is_better=higher)
            clear = found.ci95 is not None and not found.ci95[0] <= 0 <= found.ci95[1]
            assert found.supported == (clear and found.p_holm < 0.05)
            said = found.sentence()
            word = "better" if (found.value > 0) == higher else "worse"
            assert (f"a is {word} than b" in said) == found.supported
            assert ("better" in said or "worse" in said) == found.supported
            assert ("No difference between a and b is supported" in said) != found.supported


def test_one_true_difference_among_many_needs_more():
    cells = {(f"a{i}", "b"): pair(9, 0.22 if i == 0 else 0.0, seed=i) for i in range(6)}
    alone = compare({("a0", "b"): cells["a0", "b"]}, seed=0)[0]
    among = compare(cells, seed=0)[0]
    assert alone.supported and alone.p == among.p
    assert among.p_holm == pytest.approx(6 * among.p) and not among.supported


def test_false_alarms_across_subjects():
    alarms = [one(pair(8, 0.0, seed=i, trials=2), resamples=200).supported for i in range(80)]
    assert np.mean(alarms) <= 0.09


def test_equal_cells():
    a, _ = pair(6, 0.0)
    for test in ("permutation", "wilcoxon"):
        found = one((a, a), test=test)
        assert (found.value, found.p, found.d_z, found.rank_biserial) == (0, 1, None, None)
        assert not found.supported


def test_the_order_of_rows_does_not_matter():
    a, b = pair(9, 0.2)
    assert one((a, b)) == one((a.sample(frac=1, random_state=0), b.sample(frac=1, random_state=1)))


def test_many_units_draw_their_flips():
    found = one(pair(1, 0.0, spread=0, trials=300))
    assert found.smallest_p == 2e-4
    assert found.p > 0.05
    assert one(pair(1, 0.0, spread=0, trials=300)) == found


def test_what_cannot_be_compared():
    a, b = pair(6, 0.0)
    for bad, why in [
        (b[b.trial > 0], "other trials"),
        (b.drop(columns="seed"), "column 'seed'"),
        (pd.concat([b, b]), "twice"),
        (b.assign(score=np.nan), "finite"),
        (b[:0], "empty"),
    ]:
        with pytest.raises(DataError, match=why):
            one((a, bad))
    with pytest.raises(BadParameters, match="permutation or wilcoxon"):
        one((a, b), test="t")


def test_trials_of_a_run_are_one_where_images_are_not_known():
    """Blocks drift: forty trials in eight runs that differ by run are eight, not forty."""
    rng = np.random.default_rng(0)
    drift = 0.2 + 0.3 * np.repeat(rng.normal(size=8), 5)
    a = table((drift + 0.01 * rng.normal(size=40))[None, None])
    b = table(np.zeros((1, 1, 40)))
    a, b = (cell.assign(run=cell.trial // 5) for cell in (a, b))
    found = one((a, b))
    assert (found.unit, found.n_units, found.n_trials) == ("run", 8, 40)
    naive = one((a.drop(columns="run"), b.drop(columns="run")))
    assert (naive.unit, naive.n_units) == ("trial", 40)
    assert np.diff(found.ci95) > 1.5 * np.diff(naive.ci95)
    few = one((a.assign(run=a.trial // 10), b))
    assert few.unit == "trial"  # fewer than five runs: as in intervals
