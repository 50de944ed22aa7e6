"""The text gap's inner products and the rows made of them, on arrays."""

from __future__ import annotations

import numpy as np
import pytest
from gap_toys import by_name, scored

from zoo.stages import _gap_states
from zoo.stages._gap_rows import mask_rows, rows_at
from zoo.stages._gap_states import products
from zoo.statistics import Units

RNG = np.random.default_rng(0)


def test_a_figure_that_hangs_on_one_unit_is_left_out():
    def hangs(keep_RN):
        return np.where(keep_RN[:, 0] > 0, 1.0, np.nan)

    assert scored(20).jackknifed("cka", "after", 0, hangs, -1, 1) == []
    assert scored(3).jackknifed("cka", "after", 0, hangs, -1, 1)[0]["ci95"] is None


def test_products_in_blocks_equal_those_at_once(monkeypatch):
    fit, score, text = (RNG.normal(size=(n, 6, 4)).astype(np.float32) for n in (9, 7, 3))
    whole = products(fit, score, text)
    monkeypatch.setattr(_gap_states, "BLOCK", 8)
    parts = products(fit, score, text)
    for name in ("both", "normalised", "behind", "train", "test"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-9)
    flat = np.float64(score.reshape(7, -1))
    np.testing.assert_allclose(whole.both[:7, :7], flat @ flat.T)
    assert np.diag(whole.normalised) == pytest.approx(6 * 4)
    assert np.trace(whole.train) == pytest.approx(9 * 24)


def test_a_known_part_of_the_variance_survives_and_is_hidden():
    """The second token alone varies: state 0 of two cannot see it, so half is hidden."""
    n = 40
    states = np.zeros((n, 2, 4))
    states[:, 0] = [1, -1, 1, -1]
    sign = np.where(np.arange(n) % 4 < 2, 1.0, -1.0)
    states[:, 1] = sign[:, None] * [1, -1, 1, -1]
    text = RNG.normal(size=(2, 2, 4))
    first = products(states, states, text)
    still = states.copy()
    still[:, 1] = [1, -1, 1, -1]
    still[:10, 1] *= -1  # a variance of 4 * 1/4 * 3/4 where it was 1
    later = products(still, still, text)
    at_first = by_name(rows_at(0, first, scored(n), "after", first))
    assert at_first["token_variance", 0]["value"] == pytest.approx(n / (n - 1) / 2)
    assert ("variance_survival", 0) not in at_first
    at_later = by_name(rows_at(1, later, scored(n), "after", first))
    assert at_later["variance_survival", 1]["value"] == pytest.approx(0.75)
    moved, energy = np.ones(n), np.full(n, 4.0)
    mask = by_name(mask_rows(2, first, moved, energy, scored(n), "after"))
    assert mask["hidden_variance", 0]["value"] == pytest.approx(0.5)
    assert mask["hidden_pairs", None]["value"] == pytest.approx(0.25)
    assert mask["mask_change", None]["value"] == pytest.approx(0.5)


def test_what_only_the_first_token_says_is_hidden_from_no_state():
    states = np.zeros((20, 3, 4))
    states[:, 0] = RNG.normal(size=(20, 4))
    first = products(states, states, RNG.normal(size=(2, 3, 4)))
    rows = by_name(mask_rows(3, first, np.zeros(20), np.ones(20), scored(20), "after"))
    assert rows["hidden_variance", 0]["value"] == pytest.approx(0, abs=1e-12)
    assert rows["mask_change", None]["value"] == 0


def test_untrained_classes_leave_the_probe_out_and_repeated_units_widen_it():
    states, text = RNG.normal(size=(20, 2, 3)), RNG.normal(size=(2, 2, 3))
    found = products(states, states, text)
    zero_shot = scored(20, label_P=np.arange(20) % 2 + 1)
    assert ("probe_accuracy", None) not in by_name(rows_at(None, found, zero_shot, "after", None))
    runs = scored(20, units=Units(np.arange(20) // 4, "run"))
    row = by_name(rows_at(None, found, runs, "after", None))["probe_accuracy", None]
    assert "5 runs" in row["definition"]
