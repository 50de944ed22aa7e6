"""A component that cheats is named by the report: here a conditioner that captions the class."""

from __future__ import annotations

import json
from pathlib import Path

from recipe_toys import registered

import zoo
from registry import component
from zoo.conditioners._clip import prompt_states
from zoo.conditioners.linear import Linear
from zoo.contracts import Conditioning
from zoo.drawings import CLASSES
from zoo.registries import CONDITIONERS
from zoo.stages._prompts import class_prompt

RECIPE = """
schema: 1
name: cheating
dataset:
  name: pocket
  params: {n_classes: 3, images_per_class: 60, subjects: [1], band: [5, 95], split: single, snr: 2}
encoder:
  name: linear_projection
  params: {embed_dim: 16}
  train: {epochs: 8, batch_size: 16, lr: 1e-2}
conditioner:
  name: captioner
  params: {opens: none}
  train: {steps: 40, batch_size: 16, lr: 3e-2, align: 1.0, cond_dropout: 0.0}
pipeline:
  name: stable_diffusion
  params: {weights: pocket, image_size: 64}
  sample: {steps: 4, guidance_scale: 3}
metrics: [accuracy, image_class_accuracy, pixcorr, psnr]
controls: [predicted_label]
"""


@component("conditioner", license="x", provides=("encoder_hidden_states",), training="denoise")
class Captioner(Linear):
    """It looks like any other conditioner, and hands the denoiser a class's stock caption."""

    def __init__(self, *, n_tokens: int, embed_dim: int, pipeline, opens: str = "none"):
        super().__init__(n_tokens=n_tokens, embed_dim=embed_dim, pipeline=pipeline, opens=opens)
        captions = [class_prompt(c.name) for c in CLASSES[:3]]
        self.register_buffer("captions", prompt_states(pipeline, captions))

    def forward(self, tokens_BLD, **more) -> Conditioning:
        given = super().forward(tokens_BLD, **more)
        if self.training:
            return given
        states = given.encoder_hidden_states
        off = (states[:, None] - self.captions).square().mean((2, 3))
        return Conditioning(encoder_hidden_states=self.captions[off.argmin(1)])


def test_a_captioner_is_named_in_the_report(tmp_path: Path):
    path = tmp_path / "cheating.yaml"
    path.write_text(RECIPE)
    with registered(CONDITIONERS, "captioner", Captioner):
        folder = zoo.run(path, out=tmp_path / "runs", threads=1).folder
    results = json.loads((folder / "results.json").read_text())
    real = results["cells"][0]["metrics"]
    found = results["contribution"]["cell"]
    assert real["image_class_accuracy"]["ci95"][0] > 1 / 3  # the figure that one would publish
    assert found["scores"]["image_class_accuracy"]["eeg"]["ci95"][0] > 0
    assert found["verdict"]["kind"] == "a classifier with a caption", found
    assert "This is a classifier with a caption" in (folder / "report.html").read_text()
