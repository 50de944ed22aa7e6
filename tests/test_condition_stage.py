"""The stages features (vae), condition and generate on a tiny Stable Diffusion; the controls."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from registry.errors import UserError
from zoo.checks.tiny_stable_diffusion import shared_tiny_stable_diffusion
from zoo.contracts import DataError
from zoo.registries import DATASETS
from zoo.seeds import named_seed
from zoo.stages import _vae_features, condition, features, generate
from zoo.stages._context import Context
from zoo.stages._controls import class_codes, derangement
from zoo.stages._lineage import Lineage
from zoo.training import TrainingDiverged

NAMES = ("red cat", "old dog")
N, N_TRAIN, N_VAL = 24, 14, 4
PIPELINE = {"name": "stable_diffusion", "params": {"weights": "tiny", "image_size": 16}}
TRAIN: dict[str, Any] = {
    "epochs": None, "steps": 4, "batch_size": 4, "lr": 1e-2, "weight_decay": 0.01,
    "schedule": "cosine", "warmup": 0.05, "grad_clip": 1.0, "accumulate": 1, "ema": None,
    "precision": "fp32", "cond_dropout": 0.1, "timesteps": [250, 1000], "snr_gamma": None,
    "token_noise": 0.1, "align": 0.0, "select": "last", "snapshots": [], "checkpointing": False,
}  # fmt: skip
SAMPLE = {
    "steps": 2, "guidance_scale": 2, "scheduler": None, "images_per_trial": 1, "batch_size": 4,
}  # fmt: skip


class Pictures:
    """A data set of random pictures; condition and features ask it for nothing else."""

    def images(self, image_ids, root, image_root=None):
        rng = {i: np.random.default_rng(int(i[1:])) for i in image_ids}
        return np.stack([rng[i].integers(0, 256, (3, 24, 24), dtype=np.uint8) for i in image_ids])


@pytest.fixture(autouse=True)
def _pictures(monkeypatch):
    real = DATASETS.create
    monkeypatch.setattr(
        DATASETS, "create", lambda name, **p: Pictures() if name == "x" else real(name, **p)
    )


@pytest.fixture
def inputs(tmp_path) -> dict[str, Path]:
    """Return what the stages before published: 14 training, 4 validation and 6 test trials."""
    folders = {name: tmp_path / name for name in ("prepare", "select", "encode", "features")}
    for folder in folders.values():
        folder.mkdir()
    ids = np.array([f"t{i}" for i in range(N)])
    image_id = np.array([f"i{i % 9}" for i in range(N)])
    label = np.arange(N) % 2
    pd.DataFrame({"trial_id": ids, "image_id": image_id}).to_csv(
        folders["prepare"] / "trials.csv", index=False
    )
    (folders["prepare"] / "signal.json").write_text(json.dumps({"class_names": NAMES}))
    np.savez(
        folders["select"] / "select.npz",
        trial_id=ids,
        label=label,
        true_label=label,
        split=np.array(["train"] * N_TRAIN + ["val"] * N_VAL + ["test"] * (N - N_TRAIN - N_VAL)),
        subject=np.zeros(N, np.int64),
        image_id=image_id,
        trial_key=np.arange(N, dtype=np.uint64),
        unit_key=np.arange(N, dtype=np.uint64) // 4,
    )
    Lineage().write(folders["encode"])
    tokens = np.random.default_rng(0).normal(label[:, None, None], 1, (N, 3, 5))
    np.save(folders["encode"] / "tokens.npy", tokens.astype(np.float16))
    np.save(folders["encode"] / "trial_ids.npy", ids)
    params = {
        "tower": "vae", "dataset": "x", "dataset_params": {},
        "pipeline": PIPELINE["name"], "params": PIPELINE["params"],
    }  # fmt: skip
    features.run({"prepare": folders["prepare"]}, params, folders["features"], context(tmp_path))
    return folders


def context(folder: Path) -> Context:
    return Context(work=folder / "work", weights_root=shared_tiny_stable_diffusion())


def params(name: str = "linear", control: str | None = None, **own: Any) -> dict[str, Any]:
    return {
        "conditioner": {"name": name, "params": own},
        "pipeline": PIPELINE,
        "seed": 3,
        "control": control,
        "tokens": [3, 5] if control == "class_label" else None,
    }


def train(inputs, folder: Path, settings: dict[str, Any] = TRAIN, **chosen: Any) -> Path:
    out = folder / "condition"
    out.mkdir(parents=True)
    condition.run(inputs, {**params(**chosen), "train": settings}, out, context(folder))
    return out


def draw(inputs, trained: Path, folder: Path, sample=SAMPLE, snapshot=None, **chosen) -> Path:
    out = folder / "generate"
    out.mkdir(parents=True)
    settings = {"sample": sample, "precision": "fp32", "snapshot": snapshot}
    given = {**inputs, "condition": trained}
    generate.run(given, {**params(**chosen), **settings}, out, context(folder))
    return out


def same(one: Path, other: Path) -> bool:
    files = ("conditioner.safetensors", "denoiser.safetensors")
    return all((one / f).read_bytes() == (other / f).read_bytes() for f in files)


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
        wanted = condition._class_captions(pipeline.info(), list(NAMES)).mean(0)
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


# ---- generate


def test_pictures_carry_what_made_them(inputs, tmp_path):
    out = draw(inputs, train(inputs, tmp_path / "a"), tmp_path / "b")
    index = pd.read_csv(out / "index.csv")
    images = np.load(out / "images.npy")
    assert index.trial_id.tolist() == [f"t{i}" for i in range(18, 24)]
    assert index.source_trial_id.tolist() == index.trial_id.tolist()
    assert index.label.tolist() == [0, 1] * 3
    for row, trial_id in enumerate(index.trial_id):
        with Image.open(out / f"images/{trial_id}_0.png") as picture:
            made = json.loads(picture.text["eegzoo"])
            assert np.array_equal(np.asarray(picture).transpose(2, 0, 1), images[row, 0])
        assert made == {
            "generated": True, "trial_id": trial_id, "source_trial_id": trial_id,
            "control": None, "picture": 0, "seed": named_seed(3, "image", trial_id, 0),
        }  # fmt: skip


def test_a_picture_depends_on_its_trial_and_number_alone(inputs, tmp_path):
    trained = train(inputs, tmp_path / "a")
    one = np.load(draw(inputs, trained, tmp_path / "b") / "images.npy").astype(int)
    sample = {**SAMPLE, "images_per_trial": 2, "batch_size": 5}
    two = np.load(draw(inputs, trained, tmp_path / "c", sample) / "images.npy").astype(int)
    assert two.shape == (6, 2, 3, 16, 16)
    assert np.abs(two[:, 0] - one[:, 0]).max() <= 1
    assert (two[:, 0] != two[:, 1]).any()


def test_shuffled_eeg_swaps_tokens_and_keeps_the_noise(inputs, tmp_path):
    trained = train(inputs, tmp_path / "a")
    out = draw(inputs, trained, tmp_path / "b", control="shuffled_eeg")
    index = pd.read_csv(out / "index.csv")
    assert (index.trial_id != index.source_trial_id).all()
    assert set(index.trial_id) == set(index.source_trial_id)
    swapped = np.load(out / "images.npy").astype(int)
    tokens = np.load(inputs["encode"] / "tokens.npy")
    place = {f"t{i}": i for i in range(N)}
    tokens[18:] = tokens[[place[source] for source in index.source_trial_id]]
    np.save(inputs["encode"] / "tokens.npy", tokens)
    by_hand = np.load(draw(inputs, trained, tmp_path / "c") / "images.npy").astype(int)
    assert np.abs(swapped - by_hand).max() <= 1


def test_class_label_needs_no_encoder(inputs, tmp_path):
    del inputs["encode"]
    trained = train(inputs, tmp_path / "a", control="class_label")
    out = draw(inputs, trained, tmp_path / "b", control="class_label")
    assert len(np.load(out / "images.npy")) == 6


def test_class_label_stays_the_ceiling_where_labels_are_shuffled(inputs, tmp_path, monkeypatch):
    """A code and the picture drawn from it are of one class, whatever the EEG was."""
    with np.load(inputs["select"] / "select.npz") as stored:
        arrays = dict(stored)
    shown = np.r_[np.roll(np.arange(N_TRAIN), 1), np.arange(N_TRAIN, N)]  # the next class's turn
    told = {name: arrays[name][shown] for name in ("label", "image_id")}
    assert (told["label"][:N_TRAIN] != arrays["true_label"][:N_TRAIN]).all()
    np.savez(inputs["select"] / "select.npz", **arrays | told)
    read = []
    real = condition._Batches.read
    monkeypatch.setattr(
        condition._Batches, "read", lambda *given: read.append(real(*given)) or read[-1]
    )
    train(inputs, tmp_path, control="class_label")
    label = torch.from_numpy(told["label"][:N_TRAIN])
    assert torch.equal(read[0].label_N, label)
    assert torch.equal(read[0].tokens_NLD, class_codes(2, 3, 5)[label])
    assert read[0].image_N.tolist() == [int(i[1:]) for i in told["image_id"][:N_TRAIN]]


def test_without_test_trials(inputs, tmp_path):
    trained = train(inputs, tmp_path / "a")
    with np.load(inputs["select"] / "select.npz") as stored:
        arrays = {**stored, "split": np.array(["train"] * N)}
    np.savez(inputs["select"] / "select.npz", **arrays)
    with pytest.raises(DataError, match="no test trial"):
        draw(inputs, trained, tmp_path / "b")


# ---- controls


def test_derangement_moves_every_trial_within_its_subject():
    subject = np.random.default_rng(0).integers(0, 4, 200)
    source = derangement(subject, seed=0)
    assert (source != np.arange(200)).all()
    assert (subject[source] == subject).all()
    assert sorted(source) == list(range(200))
    assert np.array_equal(source, derangement(subject, seed=0))
    assert not np.array_equal(source, derangement(subject, seed=1))


def test_derangement_of_a_subject_does_not_depend_on_the_others():
    alone = derangement(np.full(9, 2), seed=0)
    mixed = derangement(np.r_[np.full(9, 2), np.full(5, 1)], seed=0)
    assert np.array_equal(alone, mixed[:9])


def test_derangement_ignores_classes():
    """A quarter of 4 000 trials of four classes gets EEG of its own class, as chance has it."""
    label = np.repeat(np.arange(4), 1000)
    source = derangement(np.zeros(4000, int), seed=0)
    assert abs((label[source] == label).mean() - 0.25) < 0.03


def test_a_single_trial_cannot_be_swapped():
    with pytest.raises(DataError, match="subject 7 has one"):
        derangement(np.array([1, 1, 7]), seed=0)


def test_class_codes_are_fixed_and_distinct():
    codes = class_codes(3, 2, 4)
    assert codes.shape == (3, 2, 4)
    assert torch.equal(codes[:2], class_codes(2, 2, 4))
    assert not torch.allclose(codes[0], codes[1])
