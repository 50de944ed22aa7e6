"""The stages features (vae) and condition on a tiny Stable Diffusion."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from condition_toys import (
    N_TRAIN,
    NAMES,
    PIPELINE,
    TRAIN,
    draw,
    inputs,
    same,
    toy_pictures,
    train,
)
from safetensors.torch import load_file

from registry.errors import UserError
from zoo.checks.tiny_stable_diffusion import shared_tiny_stable_diffusion
from zoo.stages import _vae_features, condition
from zoo.stages._controls import class_codes
from zoo.stages._prompts import class_prompt, text_states
from zoo.training import TrainingDiverged

__all__ = ["inputs", "toy_pictures"]  # fixtures


# ---- features


def test_each_picture_is_encoded_once(inputs):
    stored = load_file(inputs["features"] / "features.safetensors")
    ids = json.loads((inputs["features"] / "image_ids.json").read_text())
    assert ids == [f"i{i}" for i in range(9)]
    assert stored["mean"].shape == stored["std"].shape == (9, 4, 8, 8)


def test_of_a_selection_only_its_pictures_are_encoded(inputs):
    with np.load(inputs["select"] / "select.npz") as stored:
        few = {name: stored[name][:4] for name in stored.files}
    np.savez(inputs["select"] / "select.npz", **few)
    assert _vae_features.seen(inputs) == ["i0", "i1", "i2", "i3"]
    assert len(_vae_features.seen({"prepare": inputs["prepare"]})) == 9


def test_resizing_keeps_what_fits_and_averages_what_does_not():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16), dtype=np.uint8)
    assert np.array_equal(_vae_features.resized(images, 16).numpy(), images)
    plain = np.full((1, 3, 40, 40), 77, np.uint8)
    assert (_vae_features.resized(plain, 16) == 77).all()


# ---- condition


@pytest.mark.parametrize("name", ["clip_text", "linear", "lora"])
def test_training_publishes_what_generate_reads(name, inputs, tmp_path):
    trained = train(inputs, tmp_path / "a", {**TRAIN, "ema": 0.9, "snapshots": [2]}, name=name)
    report = json.loads((trained / "condition.json").read_text())
    opened = "lora" if name == "lora" else "attn2"
    assert set(report["parameters"]) - {"text_encoder"} == {"projection", opened}
    assert report["trials"] == N_TRAIN
    assert report["snapshots"] == [2]
    denoiser = load_file(trained / "denoiser.safetensors")
    assert sum(v.numel() for v in denoiser.values()) == report["parameters"][opened]
    with (trained / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)][-1] == "4"
    assert not same(trained, trained / "snapshots/2")

    last = np.load(draw(inputs, trained, tmp_path / "b", name=name) / "images.npy")
    early = np.load(draw(inputs, trained, tmp_path / "c", name=name, snapshot=2) / "images.npy")
    assert last.shape == (6, 1, 3, 16, 16)
    assert last.dtype == np.uint8
    assert not np.array_equal(last, early)


def test_the_same_training_twice(inputs, tmp_path):
    one, twin = (train(inputs, tmp_path / folder) for folder in "ab")
    assert same(one, twin)


def test_nothing_but_training_trials_is_read(inputs, tmp_path):
    one = train(inputs, tmp_path / "a")
    tokens = np.load(inputs["encode"] / "tokens.npy")
    tokens[N_TRAIN:] = 100
    np.save(inputs["encode"] / "tokens.npy", tokens)
    assert same(one, train(inputs, tmp_path / "b"))
    tokens[0] += 1
    np.save(inputs["encode"] / "tokens.npy", tokens)
    assert not same(one, train(inputs, tmp_path / "c"))


def test_a_killed_training_goes_on_where_it_was(inputs, tmp_path, monkeypatch):
    whole = train(inputs, tmp_path / "a", name="clip_text", opens="attn2_lora")
    monkeypatch.setattr("zoo.training.CHECKPOINT_SECONDS", 0.0)
    real = condition._Batches.draw

    def killed(self, indices, batch, settings):
        if batch == 2:
            raise KeyboardInterrupt
        return real(self, indices, batch, settings)

    with monkeypatch.context() as patch:
        patch.setattr(condition._Batches, "draw", killed)
        with pytest.raises(KeyboardInterrupt):
            train(inputs, tmp_path / "b", name="clip_text", opens="attn2_lora")
    (tmp_path / "b/condition").rename(tmp_path / "b/thrown away")
    assert same(whole, train(inputs, tmp_path / "b", name="clip_text", opens="attn2_lora"))


def test_tokens_are_standardised_by_the_training_trials(inputs, tmp_path):
    stored = load_file(train(inputs, tmp_path / "a") / "conditioner.safetensors")
    tokens = torch.from_numpy(np.load(inputs["encode"] / "tokens.npy")[:N_TRAIN].astype("float32"))
    assert torch.allclose(stored["projection.token_mean"], tokens.mean(0), atol=1e-6)
    assert torch.allclose(stored["projection.token_std"], tokens.std(0, False), atol=1e-6)


def test_draws_of_a_batch_are_named(inputs, tmp_path, monkeypatch):
    """Two paths and a control see the same noise; timesteps are stratified within their range."""
    seen: dict[str, list[dict[str, torch.Tensor]]] = {}
    real = condition._Batches.draw

    def spy(self, *given):
        seen.setdefault(running, []).append(real(self, *given))
        return seen[running][-1]

    monkeypatch.setattr(condition._Batches, "draw", spy)
    for running, chosen in {
        "linear": {}, "lora": {"name": "lora"}, "control": {"control": "class_label"},
    }.items():  # fmt: skip
        train(inputs, tmp_path / running, {**TRAIN, "token_noise": 0.0}, **chosen)
    for first, second, third in zip(*seen.values(), strict=True):
        for name in ("latents", "noise", "timesteps", "keep", "label"):
            assert torch.equal(first[name], second[name]), name
            assert torch.equal(first[name], third[name]), name
        assert torch.equal(first["tokens"], second["tokens"])
        size = len(first["timesteps"])
        assert ((first["timesteps"] - 250) * size // 750).tolist() == list(range(size))
        codes = class_codes(2, 3, 5)
        assert torch.equal(third["tokens"], codes[third["label"]])
    assert not torch.equal(seen["linear"][0]["noise"], seen["linear"][1]["noise"])


def test_align_pulls_towards_the_caption(inputs, tmp_path):
    distance = {}
    for align in (0.0, 100.0):
        settings = {**TRAIN, "align": align, "steps": 30, "lr": 3e-2, "token_noise": 0.0}
        trained = train(inputs, tmp_path / str(align), settings, opens="none")
        state = load_file(trained / "conditioner.safetensors")
        offset = state["projection.offset"] * state["projection.scale"]
        from zoo.registries import PIPELINES

        pipeline = PIPELINES.create(PIPELINE["name"], **PIPELINE["params"])
        pipeline.load(shared_tiny_stable_diffusion())
        wanted = text_states(pipeline.info(), [class_prompt(n) for n in NAMES]).mean(0)
        distance[align] = (offset - wanted).square().mean().item()
    assert distance[100.0] < 0.5 * distance[0.0]


def test_training_from_another_one(inputs, tmp_path):
    first = train(inputs, tmp_path / "a")
    given = {**inputs, "init": first}
    assert same(first, train(given, tmp_path / "b", {**TRAIN, "steps": 0}))
    assert not same(first, train(given, tmp_path / "c"))
    with pytest.raises(UserError, match="do not fit"):
        train(given, tmp_path / "d", name="lora")


@pytest.mark.parametrize("ema", [None, 0.9])
def test_weights_that_end_in_nan_are_not_published(inputs, tmp_path, monkeypatch, ema):
    """The loss of the last step is a number, its gradient is not."""
    real = condition._loss

    def broken(conditioner, *given):
        whole = real(conditioner, *given)
        weight = next(p for p in conditioner.parameters() if p.requires_grad)
        last = TRAIN["steps"] - 1

        def loss(indices, batch):
            value = whole(indices, batch)
            return value + (0 * weight.sum()).sqrt() if batch == last else value

        return loss

    monkeypatch.setattr(condition, "_loss", broken)
    with pytest.raises(TrainingDiverged, match="train conditioner: weights are NaN"):
        train(inputs, tmp_path, {**TRAIN, "ema": ema})
    assert not (tmp_path / "condition/conditioner.safetensors").exists()
