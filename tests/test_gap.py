"""The gap between EEG-made and real text states: closed forms, the probe, the stage, the metric."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from condition_toys import TRAIN, N, context, inputs, params, toy_pictures, train
from sklearn.linear_model import RidgeClassifierCV

from registry.errors import UserError
from zoo.checks import metric as battery
from zoo.metrics.text_gap import TextGap
from zoo.registries import CONDITIONERS
from zoo.stages import _gap_states, gap
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
from zoo.stages._gap_jackknife import jackknife
from zoo.stages._gap_probe import PENALTIES, probe
from zoo.stages._gap_rows import mask_rows, rows_at
from zoo.stages._gap_states import products
from zoo.statistics import Units, bootstrap

__all__ = ["inputs", "toy_pictures"]  # fixtures

RNG = np.random.default_rng(0)


def at_all(statistic, n: int) -> float:
    return float(statistic(np.ones((1, n)))[0])


def between(found: Clouds, n: int) -> float:
    return angle_of(at_all(minus_cosine(found), n))


def clouds(eeg_NF, text_KF, class_N) -> Clouds:
    return Clouds.of(np.asarray(eeg_NF, float), np.asarray(text_KF, float), np.asarray(class_N))


# ---- geometry


def test_equal_states_have_no_gap():
    class_N, text = np.arange(20) % 4, RNG.normal(size=(4, 30))
    same = clouds(text[class_N], text, class_N)
    assert at_all(squared_centroid_distance(same), 20) == pytest.approx(0, abs=1e-12)
    assert between(same, 20) == pytest.approx(0, abs=1e-5)
    assert at_all(alignment(same), 20) == pytest.approx(1)


def test_distance_counts_in_spreads_of_the_text():
    # Text at 1 and -1 on the first axis: spread 1. EEG four away on the second, without noise.
    class_N, text = np.arange(10) % 2, np.array([[1.0, 0], [-1, 0]])
    eeg = text[class_N] + [0, 4]
    assert at_all(squared_centroid_distance(clouds(eeg, text, class_N)), 10) == pytest.approx(16)
    # The text's spread is the unit, whatever the scale.
    scaled = clouds(7 * eeg, 7 * text, class_N)
    assert at_all(squared_centroid_distance(scaled), 10) == pytest.approx(16)


def test_noise_of_a_mean_adds_no_distance():
    """With as many features as here the plain distance would be 60 / 10 = 6, not 0."""
    class_N, text = np.arange(10) % 2, np.eye(2, 60)
    squared = [
        at_all(squared_centroid_distance(clouds(noise + text[class_N], text, class_N)), 10)
        for noise in np.random.default_rng(1).normal(size=(400, 10, 60))
    ]
    spread_of_text = 0.5
    assert np.mean(squared) * spread_of_text == pytest.approx(0, abs=0.2)


def test_angles_of_known_cones():
    assert at_all(pair_angle(np.eye(5)), 5) == pytest.approx(90)
    assert at_all(pair_angle(np.ones((5, 5))), 5) == pytest.approx(0, abs=1e-5)
    class_N, text = np.arange(8) % 2, np.array([[1.0, 0.1, 0], [1, -0.1, 0]])
    turned = np.tile([0.0, 0, 3], (8, 1))
    assert between(clouds(turned, text, class_N), 8) == pytest.approx(90)
    assert between(clouds(-text[class_N], text, class_N), 8) == pytest.approx(180)


def test_an_angle_that_noise_hides_is_not_certain():
    """Few wild states, whose mean is lost in their noise: 0 degrees, and anything."""
    rng, wild = np.random.default_rng(0), []
    text = np.eye(4) + 1
    class_N = np.arange(40) % 4
    for _ in range(30):
        states = text[class_N] + rng.normal(0, 30, (40, 4))
        found = jackknife(
            minus_cosine(clouds(states, text, class_N)), Units(np.arange(40), "trial"),
            bounds=(-1, 1), shown=angle_of,
        )  # fmt: skip
        wild += [found] if found[0] == 0 and found[1] is not None else []
    assert len(wild) >= 2
    assert all(ends[1] > 30 for _, ends in wild)


def test_a_figure_that_hangs_on_one_unit_is_left_out():
    def hangs(keep_RN):
        return np.where(keep_RN[:, 0] > 0, 1.0, np.nan)

    assert scored(20).jackknifed("cka", "after", 0, hangs, -1, 1) == []
    assert scored(3).jackknifed("cka", "after", 0, hangs, -1, 1)[0]["ci95"] is None


def test_cka_sees_through_rotation_and_scale():
    class_N, text = np.arange(30) % 5, RNG.normal(size=(5, 6))
    rotation = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    turned = clouds(3 * text[class_N] @ rotation + 2, text, class_N)
    assert at_all(alignment(turned), 30) == pytest.approx(1)


def test_cka_of_independent_states_is_zero_on_average():
    class_N, text = np.arange(20) % 4, RNG.normal(size=(4, 400))
    found = [
        at_all(alignment(clouds(RNG.normal(size=(20, 400)), text, class_N)), 20) for _ in range(100)
    ]
    plain = []
    for eeg in RNG.normal(size=(5, 20, 400)):
        centred = eeg - eeg.mean(0), text[class_N] - text[class_N].mean(0)
        k, other = (x @ x.T for x in centred)
        plain.append((k * other).sum() / np.sqrt((k * k).sum() * (other * other).sum()))
    assert abs(np.mean(found)) < 0.05
    assert np.mean(plain) > 0.3


def test_hsic_is_the_mean_over_quadruples():
    """Song et al.'s estimate against its definition on six trials."""
    from itertools import permutations

    from zoo.stages._gap_geometry import _hsic

    k, other = (x @ x.T for x in RNG.normal(size=(2, 6, 3)))
    for gram in (k, other):
        np.fill_diagonal(gram, 0)
    terms = [
        k[i, j] * (other[i, j] + other[q, r] - 2 * other[i, q])
        for i, j, q, r in permutations(range(6), 4)
    ]
    assert _hsic(np.ones((1, 6)), k, other)[0] == pytest.approx(np.mean(terms))


def test_spread_is_the_trace_of_the_covariance():
    states = RNG.normal(size=(12, 7))
    expected = np.trace(np.cov(states.T))
    assert at_all(spread(states @ states.T), 12) == pytest.approx(expected)
    half = share(spread(0.25 * states @ states.T), spread(states @ states.T))
    assert at_all(half, 12) == pytest.approx(0.25)


def test_relative_change_is_a_ratio_of_root_sums():
    assert at_all(relative_change(np.full(3, 4.0), np.full(3, 16.0)), 3) == pytest.approx(0.5)


# ---- intervals


def test_jackknife_of_a_mean_is_student_s_interval():
    values = RNG.normal(size=40)
    units = Units(np.arange(40), "trial")
    value, (low, high) = jackknife(lambda w: w @ values / w.sum(1), units)
    assert value == pytest.approx(values.mean())
    from scipy import stats

    expected = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert (low, high) == pytest.approx(expected)


def test_jackknife_takes_clusters_whole_and_crossed_ones_as_the_bootstrap_does():
    subject, image = np.divmod(np.arange(60), 10)
    values = RNG.normal(size=6)[subject] + RNG.normal(size=10)[image] + RNG.normal(size=60)

    def mean(keep_RN):
        return keep_RN @ values / keep_RN.sum(1)

    def width(units):
        return np.diff(jackknife(mean, units)[1])[0]

    trials, crossed = (
        width(Units(np.arange(60), "trial")),
        width(Units((subject, image), "subject x image")),
    )
    assert crossed > 1.5 * trials
    low, high = bootstrap(values, seed=0, clusters=(subject, image))
    assert crossed == pytest.approx(high - low, rel=0.3)
    assert jackknife(mean, Units(np.arange(60) % 4, "run"))[1] is None


def test_an_undefined_figure_has_no_interval_and_bounds_hold():
    units = Units(np.arange(6), "trial")
    value, ci95 = jackknife(lambda w: np.full(len(w), np.nan), units, bounds=(0, 1))
    assert np.isnan(value)
    assert ci95 is None
    values = np.array([0, 0, 0, 0, 0, 1.0])
    low, high = jackknife(lambda w: w @ values / w.sum(1), units, bounds=(0, 1))[1]
    assert low == 0
    assert high < 1


# ---- the probe


def blobs(n: int, n_features: int, separation: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 3
    centres = rng.normal(size=(3, n_features)) * separation
    return centres[label] + rng.normal(size=(n, n_features)), label


@pytest.mark.parametrize("n_features", [5, 200])
def test_probe_is_scikit_learn_s_ridge(n_features):
    states, label = blobs(150, n_features, 0.5)
    fit, score = states[:90], states[90:]
    mean, std = fit.mean(0), fit.std(0)
    fit, score = (fit - mean) / std, (score - mean) / std
    gram = fit @ fit.T
    penalties = PENALTIES * np.trace(gram) / 90
    theirs = RidgeClassifierCV(penalties).fit(fit, label[:90]).predict(score)
    ours = probe(gram, score @ fit.T, label[:90], np.arange(3))
    assert np.mean(ours == theirs) > 0.97
    assert np.mean(ours == label[90:]) > 0.5


def test_probe_is_at_chance_on_noise_and_on_nothing():
    states, label = blobs(900, 20, 0.0)
    fit, score = states[:300], states[300:]
    hits = probe(fit @ fit.T, score @ fit.T, label[:300], np.arange(3)) == label[300:]
    assert 0.26 < hits.mean() < 0.41
    alike = probe(np.zeros((300, 300)), np.zeros((9, 300)), label[:300], np.arange(3))
    assert len(set(alike)) == 1


# ---- inner products


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


def scored(n: int, **changes):
    """Return what rows are made with: n trials of two classes."""
    from zoo.stages._gap_rows import Scored

    label = np.arange(n) % 2
    given = {
        "class_N": label, "label_N": label, "label_P": label,
        "units": Units(np.arange(n), "trial"), "split": "test", "text": "an example", "seed": 0,
    }  # fmt: skip
    return Scored(**{**given, **changes})


def by_name(rows, when="after"):
    return {(r["measure"], r["layer"]): r for r in rows if r["when"] == when}


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


# ---- the stage


def measured(inputs, tmp_path, settings=TRAIN, name="clip_text", **own):
    """Train a conditioner and return what the stage finds, with every label but `when` as key."""
    complete(inputs)
    trained = train(inputs, tmp_path / "trained", settings, name=name, **own)
    out = tmp_path / "gap"
    out.mkdir()
    given = {**params(name, **own), "split": "test"}
    gap.run({**inputs, "condition": trained}, given, out, context(tmp_path))
    return json.loads((out / "gap.json").read_text())


def complete(inputs):
    """Add what the stages before publish and the toys leave out."""
    with np.load(inputs["select"] / "select.npz") as stored:
        select = dict(stored)
    select |= {"session": np.full(N, ""), "run": np.full(N, "1")}
    np.savez(inputs["select"] / "select.npz", **select)
    (inputs["prepare"] / "pairing.json").write_text(json.dumps({"image_known": False}))


LAYERED = {"cka", "probe_accuracy", "token_variance"}


def test_the_stage_measures_every_depth_of_a_text_transformer(inputs, tmp_path):
    found = measured(inputs, tmp_path)
    rows = found["rows"]
    assert "weights 'tiny'" in found["text_encoder"]
    for when in ("before", "after"):
        here = by_name(rows, when)
        depths = {name: {layer for m, layer in here if m == name} for name in LAYERED}
        assert all(layers == {0, 1, 2, None} for layers in depths.values()), depths
        assert {layer for m, layer in here if m == "centroid_distance"} == {0, None}
        assert {layer for m, layer in here if m == "variance_survival"} == {1, 2, None}
        assert here["hidden_pairs", None]["value"] == pytest.approx(5 / 12)
        assert here["mask_change", None]["value"] > 0
    for row in rows:
        assert tuple(row) == battery.ROW
        assert row["split"] == "test"
        assert row["n"] == {"pair": 36, "class": 2, "trial": 6}[row["unit"]]
        if row["ci95"] is not None:
            assert row["ci95"][0] <= row["value"] <= row["ci95"][1]
    distance = [by_name(rows, when)["centroid_distance", None] for when in ("before", "after")]
    assert distance[0]["value"] != distance[1]["value"]
    assert found["text_encoder"] in distance[1]["definition"]


@pytest.mark.parametrize("name", ["clip_text", "linear"])
def test_without_a_step_nothing_differs(name, inputs, tmp_path):
    """What stands for "before" is what training started from."""
    rows = measured(inputs, tmp_path, {**TRAIN, "steps": 0}, name)["rows"]
    before, after = (by_name(rows, when) for when in ("before", "after"))
    assert before.keys() == after.keys()
    for key, row in before.items():
        assert row["value"] == after[key]["value"], key
        assert row["ci95"] == after[key]["ci95"], key


def test_before_a_transfer_is_where_it_started(inputs, tmp_path):
    complete(inputs)
    source = train(inputs, tmp_path / "source", name="linear")
    out = tmp_path / "gap"
    out.mkdir()
    given = {**params("linear"), "split": "test"}
    gap.run({**inputs, "condition": source, "init": source}, given, out, context(tmp_path))
    rows = json.loads((out / "gap.json").read_text())["rows"]
    before, after = (by_name(rows, when) for when in ("before", "after"))
    assert all(row["value"] == after[key]["value"] for key, row in before.items())


@pytest.mark.parametrize("name", ["linear", "lora"])
def test_without_a_text_transformer_there_are_the_final_states_alone(name, inputs, tmp_path):
    rows = measured(inputs, tmp_path, name=name)["rows"]
    assert {row["layer"] for row in rows} == {None}
    assert {row["measure"] for row in rows} == {
        "centroid_distance", "angle_between_centroids", "angle_within_eeg", "angle_within_text",
        "cka", "probe_accuracy", "probe_accuracy_tokens",
    }  # fmt: skip


def test_depths_in_several_passes_are_those_of_one(inputs, tmp_path, monkeypatch):
    one = measured(inputs, tmp_path / "one")
    monkeypatch.setattr(_gap_states, "HELD", 1)
    assert measured(inputs, tmp_path / "many") == one


def test_few_of_many_trials_are_drawn_by_name():
    rows = np.arange(10, 60)
    drawn = gap._some(rows, 20, 3, "train")
    assert len(set(drawn.tolist())) == 20
    assert (np.diff(drawn) > 0).all()
    assert (drawn == gap._some(rows, 20, 3, "train")).all()
    assert (drawn != gap._some(rows, 20, 4, "train")).any()
    assert (gap._some(rows, 50, 3, "train") == rows).all()


def test_one_class_or_prompts_cut_alike_are_said(inputs, tmp_path):
    found = measured(inputs, tmp_path)
    with np.load(inputs["select"] / "select.npz") as stored:
        select = dict(stored)
    given = {**params("clip_text"), "split": "test"}
    out = tmp_path / "again"
    out.mkdir()

    def again():
        trained = {**inputs, "condition": tmp_path / "trained" / "condition"}
        gap.run(trained, given, out, context(tmp_path))
        return json.loads((out / "gap.json").read_text())

    assert again() == found
    (inputs["prepare"] / "signal.json").write_text(
        json.dumps({"class_names": ["very very very red", "very very very blue"]})
    )
    assert "all alike in the 6 tokens" in again()["reason"]
    np.savez(inputs["select"] / "select.npz", **{**select, "true_label": np.zeros(N, int)})
    assert again()["reason"] == (
        "not computed: needs 4 test trials of two classes, there are 6 of 1"
    )


def test_other_layers_than_the_text_encoder_s_are_refused(inputs, tmp_path, monkeypatch):
    real = CONDITIONERS.get("clip_text")
    layers = real.text_layers
    monkeypatch.setattr(real, "text_layers", lambda self, *a, **k: layers(self, *a, **k)[1:])
    with pytest.raises(UserError, match="gives 3 states, the pipeline's text encoder 4"):
        measured(inputs, tmp_path)


# ---- the metric


def test_the_metric_is_the_distance_after_training():
    given = battery.example(perfect=False)
    result = TextGap().compute(given)
    rows = {(r["measure"], r["when"]): r for r in result.table}
    assert result.value == rows["centroid_distance", "after"]["value"]
    assert result.ci95 == tuple(rows["centroid_distance", "after"]["ci95"])
    assert result.beside == {"before training": rows["centroid_distance", "before"]["value"]}
    assert result.per_sample is None
    assert "an example" in result.definition
    json.dumps(result.table, allow_nan=False)


def test_the_metric_repeats_why_there_is_no_gap():
    given = replace(battery.example(perfect=False), gap={"reason": "not computed: needs words"})
    assert TextGap().compute(given).reason == "not computed: needs words"


def test_states_of_tokens_do_not_depend_on_the_batch(monkeypatch):
    from zoo.checks.conditioner import tiny_pipeline

    built = CONDITIONERS.create(
        "clip_text", n_tokens=3, embed_dim=5, pipeline=tiny_pipeline().info()
    ).eval()
    tokens = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(0))
    whole = _gap_states.made(built, tokens, [0, None], "cpu")
    monkeypatch.setattr(_gap_states, "BATCH", 3)
    parts = _gap_states.made(built, tokens, [0, None], "cpu")
    assert all(np.allclose(parts[k], whole[k], atol=1e-5) for k in (0, None))


# ---- the whole way

RECIPE = """
schema: 1
name: tiny
dataset:
  name: pocket
  params: {n_classes: 2, images_per_class: 12, subjects: [1], split: single}
encoder: {name: eegnet, params: {embed_dim: 8}, train: {steps: 2, batch_size: 8, lr: 1e-3}}
conditioner: {name: clip_text, train: {steps: 3, batch_size: 4, lr: 1e-3, snapshots: [2]}}
pipeline:
  name: stable_diffusion
  params: {weights: tiny, image_size: 16}
  sample: {steps: 1, guidance_scale: 1}
metrics: [accuracy, text_gap]
controls: [shuffled_eeg, class_prompt]
"""


def test_a_recipe_asks_for_the_gap_once_and_tells_what_training_took(tmp_path):
    import zoo
    from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion

    # With 6 tokens every prompt is cut before its class.
    write_tiny_stable_diffusion(tmp_path / "weights" / "tiny", n_tokens=16)
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    run = zoo.run(
        tmp_path / "tiny.yaml", weights_root=tmp_path / "weights", out=tmp_path / "runs", threads=1
    )
    assert not run.failures
    found = json.loads((run.folder / "results.json").read_text())
    cells = {(c["control"], c["coords"].get("step")): c for c in found["cells"]}
    asked = [where for where, cell in cells.items() if "text_gap" in cell["metrics"]]
    assert asked == [(None, None)], "of the real thing at the end alone"
    figure = cells[None, None]["metrics"]["text_gap"]
    assert figure["value"] == pytest.approx(
        by_name(figure["table"])["centroid_distance", None]["value"]
    )
    assert figure["higher_is_better"] is False
    training = cells[None, None]["training"]
    assert training["steps"] == 3
    assert training["total"] == sum(training["parameters"].values())
    assert training["parameters"].keys() == {"projection", "text_encoder", "attn2"}
    assert training["seconds_per_step"] > 0
    assert cells["shuffled_eeg", None]["training"] == training
    assert cells["class_prompt", None]["training"] is None
