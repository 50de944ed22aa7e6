"""The verdict on real trainings: a conditioner crippled on purpose is found, equal arms are not."""

from __future__ import annotations

import json

import pytest
import torch
from recipe_toys import registered

import zoo
from registry import component
from zoo.conditioners.linear import Linear
from zoo.contracts import Conditioning
from zoo.registries import CONDITIONERS

#: Five seeds of one path, of the same path without its tokens, and of the same path again from
#: other initial weights.
RECIPE = """
schema: 1
name: verdict
dataset:
  name: pocket
  params: {n_classes: 3, images_per_class: 45, subjects: [1], band: [5, 95], split: single, snr: 1}
encoder:
  name: linear_projection
  params: {embed_dim: 16}
  train: {epochs: 8, batch_size: 16, lr: 1e-2}
conditioner:
  name: linear
  params: {opens: none}
  train: {steps: 8, snapshots: [2, 4], batch_size: 8, lr: 3e-2, align: 1.0, cond_dropout: 0.0}
pipeline:
  name: stable_diffusion
  params: {weights: pocket, image_size: 64}
  sample: {steps: 2, guidance_scale: 1}
metrics: [image_class_accuracy]
grid: {conditioner: [linear, deaf, twin], seed: [0, 1, 2, 3, 4]}
analyses:
  - name: difference
    label: planted
    params:
      ask: Do the tokens matter?
      "yes": a
      metric: image_class_accuracy
      over: area
      a: {conditioner: linear}
      b: {conditioner: deaf}
  - name: difference
    label: nothing
    params:
      ask: Is the twin better?
      "yes": b
      metric: image_class_accuracy
      over: area
      a: {conditioner: linear}
      b: {conditioner: twin}
"""


@component("conditioner", license="x", provides=("encoder_hidden_states",), training="denoise")
class Deaf(Linear):
    """It hears nothing: every token is zero before the path begins."""

    def __init__(self, *, n_tokens: int, embed_dim: int, pipeline, opens: str = "none"):
        super().__init__(n_tokens=n_tokens, embed_dim=embed_dim, pipeline=pipeline, opens=opens)

    def forward(self, tokens_BLD, **more) -> Conditioning:
        return super().forward(torch.zeros_like(tokens_BLD), **more)


@component("conditioner", license="x", provides=("encoder_hidden_states",), training="denoise")
class Twin(Linear):
    """It is `linear` by another name; only its initial weights are others."""

    def __init__(self, *, n_tokens: int, embed_dim: int, pipeline, opens: str = "none"):
        torch.rand(1)  # one draw ahead: every initial weight is another
        super().__init__(n_tokens=n_tokens, embed_dim=embed_dim, pipeline=pipeline, opens=opens)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("verdict")
    (folder / "verdict.yaml").write_text(RECIPE)
    with registered(CONDITIONERS, "deaf", Deaf), registered(CONDITIONERS, "twin", Twin):
        result = zoo.run(
            folder / "verdict.yaml", out=folder / "runs", store=folder / "store", threads=1
        )
    assert not result.failures
    found = json.loads((result.folder / "results.json").read_text())
    return {answer["label"]: answer for answer in found["answers"]}


def test_a_crippled_conditioner_is_found(answers: dict[str, dict]):
    found = answers["planted"]
    assert found["ci95"][0] > 0, found["sentence"]
    assert found["sentence"].startswith("Do the tokens matter? Yes: ")
    assert "bootstrap crossed over 5 seeds and" in found["sentence"]
    assert "text encoder of the pocket weights (2 layers, 128 wide)" in found["sentence"]
    assert "simulated EEG" in found["sentence"]
    assert "image_class_accuracy (mean over training steps 2 to 8) over " in found["sentence"]


def test_equal_arms_are_not_told_apart(answers: dict[str, dict]):
    found = answers["nothing"]
    one, other = (row["by_seed"] for row in found["rows"] if row["row"] == "arm")
    assert one != other, "the twin has to differ by the noise of training"
    assert found["ci95"][0] <= 0 <= found["ci95"][1], found["sentence"]
    assert found["sentence"].startswith("Is the twin better? Not told: ")
