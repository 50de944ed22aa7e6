"""Published folders, a training and a drawing on a tiny Stable Diffusion, for stage tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from zoo.checks.tiny_stable_diffusion import shared_tiny_stable_diffusion
from zoo.registries import DATASETS
from zoo.stages import condition, features, generate
from zoo.stages._context import Context
from zoo.stages._lineage import Lineage

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
def toy_pictures(monkeypatch):
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


def draw(
    inputs, trained: Path | None, folder: Path, sample=SAMPLE, snapshot=None, **chosen
) -> Path:
    out = folder / "generate"
    out.mkdir(parents=True)
    settings = {"sample": sample, "precision": "fp32", "snapshot": snapshot}
    settings["split"] = "test"
    given = inputs if trained is None else {**inputs, "condition": trained}
    generate.run(given, {**params(**chosen), **settings}, out, context(folder))
    return out


def same(one: Path, other: Path) -> bool:
    files = ("conditioner.safetensors", "denoiser.safetensors")
    return all((one / f).read_bytes() == (other / f).read_bytes() for f in files)
