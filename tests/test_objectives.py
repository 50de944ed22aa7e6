"""Objectives: the contract battery over all of them; classify against plain cross-entropy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from registry import BadParameters
from zoo.checks import promises
from zoo.objectives.align_image import AlignImage
from zoo.objectives.classify import Classify
from zoo.stages._context import Context
from zoo.stages._image_features import run
from zoo.stages._targets import ImageTarget

PROMISES = promises("objective")


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in PROMISES])
def test_promise(promise: Callable[[], None]):
    promise()


def test_the_battery_covers_every_objective():
    assert "objective-classify-loss_is_a_finite_scalar" in [i for i, _ in PROMISES]


def test_classify_is_cross_entropy_with_smoothing():
    tokens_BLD = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0))
    label_B = torch.tensor([0, 1, 2, 3, 0, 1])
    plain = Classify(n_tokens=2, embed_dim=3, n_outputs=4)
    smooth = Classify(n_tokens=2, embed_dim=3, n_outputs=4, label_smoothing=0.2)
    smooth.load_state_dict(plain.state_dict())
    log_BK = plain.predict(tokens_BLD).log_softmax(1)
    expected = -log_BK[torch.arange(6), label_B].mean()
    torch.testing.assert_close(plain(tokens_BLD, label_B), expected)
    torch.testing.assert_close(smooth(tokens_BLD, label_B), 0.8 * expected - 0.2 * log_BK.mean())


def align(**params: object) -> AlignImage:
    torch.manual_seed(0)
    return AlignImage(n_tokens=2, embed_dim=3, target_width=4, tower="pocket_judge", **params)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_align_image_is_clip_s_loss():
    objective, tokens_BLD, image_BF = align(), draw(6, 2, 3), draw(6, 4)
    eeg = F.normalize(objective.head(tokens_BLD.flatten(1)), dim=1)
    logits = eeg @ F.normalize(image_BF, dim=1).T / 0.07
    own = torch.arange(6)
    expected = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(objective(tokens_BLD, image_BF), expected)


def test_trials_of_one_picture_are_not_each_other_s_negatives():
    objective = align()
    with torch.no_grad():
        objective.head.weight.zero_()[:, :4] = torch.eye(4)
        objective.head.bias.zero_()
        objective.log_scale.fill_(math.log(100))
    image_BF = torch.eye(4)[[0, 1, 2, 2]]
    tokens_BLD = F.pad(image_BF, (0, 2)).unflatten(1, (2, 3))  # every embedding is its picture
    loss = objective(tokens_BLD, image_BF)
    assert loss.item() == pytest.approx(math.log(2) / 2, abs=1e-4)  # two of four share a picture
    loss.backward()
    assert objective.head.weight.grad.abs().max() < 1e-4, "a perfect answer is pushed away"


def test_a_temperature_beyond_its_bound_comes_back():
    objective = align()
    with torch.no_grad():
        objective.log_scale.fill_(math.log(100) + 1)
    objective(draw(6, 2, 3), draw(6, 4)).backward()
    assert objective.log_scale.item() == pytest.approx(math.log(100))
    assert objective.log_scale.grad.item() > 0, "the answers are wrong: it has to get warmer"


class Given(torch.nn.Module):
    """An objective whose similarities are the tokens."""

    def predict(self, tokens_BLD: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        assert len(candidates) == tokens_BLD.shape[-1]
        return tokens_BLD.flatten(1)


def test_ties_in_validation_are_no_wins():
    ids, split = np.array(["a", "b", "c"]), np.array(["val"] * 3)
    target = ImageTarget(ids, split, draw(3, 4), {})

    def scores(similarity: list[list[float]]) -> dict[str, float]:
        return target.validate(Given(), torch.tensor(similarity)[:, None])

    same = scores([[1.0] * 3] * 3)
    assert (same["val_mrr"], same["val_top1"]) == pytest.approx((1 / 2, 1 / 3))
    first = scores([[2.0, 1, 1], [1, 2, 1], [1, 1, 2]])
    assert (first["val_mrr"], first["val_top1"]) == (1, 1)
    second = scores([[2.0, 2, 1], [3, 2, 1], [3, 3, 2]])
    assert second["val_mrr"] == pytest.approx((1 / 1.5 + 1 / 2 + 1 / 3) / 3)
    assert second["val_top1"] == pytest.approx((1 / 2) / 3)
    for value in (math.nan, math.inf):
        lost = scores([[value, 1, 1], [1, 2, 1], [1, 1, 2]])
        assert math.isnan(lost["val_mrr"])
        assert math.isnan(lost["val_top1"])


def test_align_image_needs_candidates_and_a_known_tower():
    with pytest.raises(ValueError, match="predict needs their features as candidates"):
        align().predict(draw(6, 2, 3))
    with pytest.raises(BadParameters, match="unknown image tower 'clip-vit-l-41'. Did you mean"):
        AlignImage(n_tokens=2, embed_dim=3, target_width=4, tower="clip-vit-l-41")
    with pytest.raises(BadParameters, match="image tower 'vit-h-14' gives no features. Towers"):
        AlignImage(n_tokens=2, embed_dim=3, target_width=4, tower="vit-h-14")


def test_the_tower_sees_the_pictures_of_selected_trials_alone(tmp_path: Path):
    ids = np.array([f"n03063599_{i:04d}" for i in range(6)])
    pd.DataFrame({"image_id": ids}).to_csv(tmp_path / "trials.csv", index=False)
    kept, split = ids[[0, 4, 2, 4]], np.array(["train", "test", "train", "test"])
    np.savez(tmp_path / "select.npz", image_id=kept, split=split)
    params = {"name": "pocket_judge", "dataset": "pocket", "dataset_params": {}}
    found = {}
    for roles in (("prepare",), ("prepare", "select")):
        out = tmp_path / roles[-1]
        out.mkdir()
        run(dict.fromkeys(roles, tmp_path), params, out, Context(work=tmp_path / "work"))
        found[roles[-1]] = json.loads((out / "image_ids.json").read_text())
    assert found == {"prepare": ids.tolist(), "select": ids[[0, 2, 4]].tolist()}

    few, all_ = (ImageTarget.read(tmp_path / role, kept, split) for role in found)
    torch.testing.assert_close(few.feature_NF, all_.feature_NF)
    assert few.candidates("test")[0].tolist() == [ids[4]]
