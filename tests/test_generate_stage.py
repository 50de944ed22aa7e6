"""The stage generate: what a picture depends on, and what it carries."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from condition_toys import (
    SAMPLE,
    N,
    draw,
    inputs,
    toy_pictures,
    train,
)
from PIL import Image

from zoo.contracts import DataError
from zoo.seeds import named_seed

__all__ = ["inputs", "toy_pictures"]  # fixtures


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
            "control": None, "prompt": "", "picture": 0,
            "seed": named_seed(3, "image", trial_id, 0),
        }  # fmt: skip


def test_a_picture_depends_on_its_trial_and_number_alone(inputs, tmp_path):
    trained = train(inputs, tmp_path / "a")
    one = np.load(draw(inputs, trained, tmp_path / "b") / "images.npy").astype(int)
    sample = {**SAMPLE, "images_per_trial": 2, "batch_size": 5}
    two = np.load(draw(inputs, trained, tmp_path / "c", sample) / "images.npy").astype(int)
    assert two.shape == (6, 2, 3, 16, 16)
    assert np.abs(two[:, 0] - one[:, 0]).max() <= 1
    assert (two[:, 0] != two[:, 1]).any()


def test_without_test_trials(inputs, tmp_path):
    trained = train(inputs, tmp_path / "a")
    with np.load(inputs["select"] / "select.npz") as stored:
        arrays = {**stored, "split": np.array(["train"] * N)}
    np.savez(inputs["select"] / "select.npz", **arrays)
    with pytest.raises(DataError, match="no test trial"):
        draw(inputs, trained, tmp_path / "b")
