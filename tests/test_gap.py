"""The gap between EEG-made and real text states: the stage, the metric, the whole way."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from condition_toys import TRAIN, N, context, inputs, params, toy_pictures, train
from gap_toys import by_name

from registry.errors import UserError
from zoo.checks import metric as battery
from zoo.metrics.text_gap import TextGap
from zoo.registries import CONDITIONERS
from zoo.stages import _gap_states, gap

__all__ = ["inputs", "toy_pictures"]  # fixtures


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
