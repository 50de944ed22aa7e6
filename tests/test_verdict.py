"""From pictures to the verdict: a generator that captions the class is told from one that draws."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine_toys import CELL

from zoo.drawings import draw, sample_factors
from zoo.engine.contribution import contribution, verdict
from zoo.engine.graph import CellPlan, Variant
from zoo.recipe.cells import Block
from zoo.registries import DATASETS
from zoo.stages import evaluate
from zoo.stages._context import Context

N_CLASSES, PER_CLASS = 6, 12
N = N_CLASSES * PER_CLASS
METRICS = ("pixcorr", "ssim", "psnr")


class Drawings:
    """A data set of drawings, twelve of each class; evaluate asks it for nothing else."""

    def images(self, image_ids, root, image_root=None):
        return np.stack([picture(int(name[1:])) for name in image_ids])


def picture(i: int) -> np.ndarray:
    return draw(sample_factors(i // PER_CLASS, np.random.default_rng(i)))


def noisy(pictures: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 25, pictures.shape)
    return np.clip(pictures + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path, monkeypatch) -> dict[str, Path]:
    """Return prepare and select of 72 test trials, each with a picture of its own."""
    real = DATASETS.create
    monkeypatch.setattr(
        DATASETS, "create", lambda name, **p: Drawings() if name == "x" else real(name, **p)
    )
    found = {name: tmp_path / name for name in ("prepare", "select")}
    for folder in found.values():
        folder.mkdir()
    names = [f"class {c}" for c in range(N_CLASSES)]
    (found["prepare"] / "signal.json").write_text(json.dumps({"class_names": names}))
    (found["prepare"] / "pairing.json").write_text(json.dumps({"image_known": True}))
    label = np.arange(N) // PER_CLASS
    np.savez(
        found["select"] / "select.npz",
        rows=np.arange(N),
        trial_id=np.array([f"t{i:03d}" for i in range(N)]),
        label=label,
        true_label=label,
        split=np.array(["test"] * N),
        subject=np.zeros(N, np.int64),
        session=np.array([""] * N),
        run=np.array(["1"] * N),
        image_id=np.array([f"i{i:03d}" for i in range(N)]),
    )
    return found


class Folders:
    """A store whose keys are the names of folders."""

    def __init__(self, root: Path):
        self.root = root

    def path(self, key: str) -> Path:
        return self.root / key

    def valid(self, key: str) -> bool:
        return self.path(key).is_dir()


def judged(folders: dict[str, Path], root: Path, drawn: dict[str | None, np.ndarray]) -> dict:
    """Score what each variant drew and return what the cell's contribution says."""
    variants = []
    for control, pictures in drawn.items():
        generate = root / f"generate-{control}"
        generate.mkdir()
        np.save(generate / "images.npy", pictures[:, None])
        ids = [f"t{i:03d}" for i in range(N)]
        pd.DataFrame({"trial_id": ids}).to_csv(generate / "index.csv", index=False)
        keys = {}
        for metric in METRICS:
            out = root / f"{metric}-{control}"
            out.mkdir()
            params = {
                "metric": metric, "params": {}, "split": "test", "seed": 0,
                "pictures": ["seen"], "dataset": "x", "dataset_params": {},
            }  # fmt: skip
            given = {**folders, "generate": generate}
            evaluate.run(given, params, out, Context(work=root / "work"))
            keys[metric] = out.name
        variants.append(Variant(control, None, "condition", generate.name, keys))
    return contribution(cell_of(METRICS, variants), Folders(root))


def cell_of(metrics, variants) -> CellPlan:
    controls = tuple(variant.control for variant in variants if variant.control)
    blocks = tuple(Block(name, {}, label=name) for name in metrics)
    cell = replace(CELL, controls=controls, metrics=blocks)
    return CellPlan(cell, "prepare", "select", "encode", None, tuple(variants))


SEEN = np.stack([picture(i) for i in range(N)])
#: A picture of each class that no trial saw.
OF_CLASS = np.stack(
    [draw(sample_factors(i // PER_CLASS, np.random.default_rng(10_000 + i))) for i in range(N)]
)


def test_a_cheating_generator_is_named(folders, tmp_path):
    """It draws some picture of the class: all of its scores come from the class."""
    other = np.roll(OF_CLASS.reshape(N_CLASSES, PER_CLASS, 3, 64, 64), 5, axis=1).reshape(
        SEEN.shape
    )
    found = judged(
        folders, tmp_path, {None: noisy(OF_CLASS, 1), "predicted_label": noisy(other, 2)}
    )
    assert found["scores"]["pixcorr"]["eeg"]["ci95"][0] > 0  # it looks as if the EEG did it
    assert found["verdict"]["kind"] == "a classifier with a caption", found["verdict"]


def test_a_generator_that_draws_what_was_seen_is_not(folders, tmp_path):
    found = judged(folders, tmp_path, {None: noisy(SEEN, 1), "predicted_label": noisy(OF_CLASS, 2)})
    assert found["verdict"]["kind"] == "beyond the class"
    for score in found["scores"].values():
        assert score["within_class"]["ci95"][0] > 0
    assert found["over"]["predicted_label"]["pixcorr"]["p_holm"] < 0.05


def test_pictures_paired_by_category_cannot_tell(folders, tmp_path):
    (folders["prepare"] / "pairing.json").write_text(json.dumps({"image_known": False}))
    found = judged(folders, tmp_path, {None: noisy(SEEN, 1), "predicted_label": noisy(OF_CLASS, 2)})
    assert found["verdict"]["kind"] == "not told"
    assert "paired" in found["verdict"]["sentence"]


def test_what_the_encoder_finds_does_not_lift_what_is_drawn(tmp_path):
    """A captioner behind an encoder that retrieves the very picture still draws captions."""
    variants = []
    for control in (None, "predicted_label"):
        keys = {}
        for metric, value, p in (("retrieval", 0.5, 1e-6), ("pixcorr", 0.0, 0.9)):
            if control and metric == "retrieval":
                continue
            within = {"value": value, "ci95": [value - 0.1, value + 0.1], "p": p, "n": 40}
            about = {"contribution": {"eeg": within, "within_class": within}}
            about |= {"higher_is_better": True, "split": "test"}
            keys[metric] = f"{metric}-{control}"
            folder = tmp_path / keys[metric]
            folder.mkdir()
            (folder / "metric.json").write_text(json.dumps(about))
            scores = np.random.default_rng(len(variants)).normal(size=40)
            table = pd.DataFrame({"trial_id": range(40), "score": scores, "cluster": range(40)})
            table.to_csv(folder / "per_sample.csv", index=False)
        variants.append(Variant(control, None, "condition", "generate", keys))
    found = contribution(cell_of(("retrieval", "pixcorr"), variants), Folders(tmp_path))
    assert set(found["scores"]) == {"retrieval", "pixcorr"}
    assert found["verdict"]["kind"] == "a classifier with a caption", found["verdict"]


def test_a_caption_without_a_score_against_what_was_seen_settles_nothing():
    """Its picture scores failed; the one that is left repeats the decoder's word."""
    gain = {"value": 0.01, "p": 0.5, "p_holm": 0.5, "smallest_p": 0.001, "ci95": [-0.1, 0.1]}
    scores = {"pixcorr": {"eeg": gain, "within_class": gain}}
    found = verdict(scores, {"predicted_label": {"decoded_class_agreement": gain}})
    assert found["kind"] == "not told"
