"""What `zoo plan` says of memory and time, against the models themselves and what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import main
from zoo.checks.tiny_stable_diffusion import shared_tiny_stable_diffusion
from zoo.conditioners._size import projection_numbers
from zoo.engine.forecast.training import encoding, forecast, matmul_flops, parameters
from zoo.pipelines._shapes import Denoiser, Weight, _positions, read_shapes
from zoo.recipe.cells import Block, Cell
from zoo.registries import CONDITIONERS, PIPELINES

#: Trained numbers at the size of Stable Diffusion 1.5, for 77 tokens of 768.
FULL_SIZE = {
    "clip_text": {"projection": 8_218_368, "text_encoder": 85_056_000, "attn2": 43_962_560},
    "linear": {"projection": 8_218_368, "attn2": 43_962_560},
    "lora": {"projection": 8_218_368, "lora": 795_648},
}
PARAMS: dict[str, dict[str, Any]] = {
    "clip_text": {"text_encoder": "trained", "opens": "attn2", "lora_rank": 8},
    "linear": {"opens": "attn2", "lora_rank": 8},
    "lora": {"lora_rank": 8},
}
TRAIN = {
    "steps": 4, "epochs": None, "batch_size": 2, "precision": "bf16", "checkpointing": False,
    "ema": None, "accumulate": 1,
}  # fmt: skip


def cell(name: str, shape: tuple[int, int], *, train=None, **params: Any) -> Cell:
    """Return a cell with the parts that a forecast looks at."""
    n_tokens, embed_dim = shape
    return Cell(
        id="cell",
        coords={},
        seed=0,
        dataset=Block("pocket"),
        encoder=Block("eeg_conv_net", {"n_tokens": n_tokens, "embed_dim": embed_dim}),
        conditioner=Block(name, {**PARAMS[name], **params}, {**TRAIN, **(train or {})}),
        pipeline=Block("stable_diffusion", {"weights": "tiny", "image_size": 16}),
        metrics=(),
        controls=(),
    )


@pytest.fixture(scope="module")
def full_size() -> Denoiser:
    """Stable Diffusion 1.5 at 256 pixels, from its classes on no device."""
    import torch
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
        encoder = CLIPTextModel(text)
    return Denoiser(
        unet=tuple(
            Weight(name, tuple(p.shape), _positions(name, 32, 4, 77))
            for name, p in unet.named_parameters()
        ),
        text={name: tuple(p.shape) for name, p in encoder.named_parameters()},
        file_bytes=2 * sum(p.numel() for p in unet.parameters()),
        width=768,
        n_tokens=77,
    )


@pytest.mark.parametrize("name", list(FULL_SIZE))
def test_trained_numbers_at_full_size(name, full_size):
    assert parameters(cell(name, (77, 768)), full_size) == FULL_SIZE[name]
    assert full_size.unet_numbers() == 859_520_964
    assert full_size.text_numbers(layers=False) == 123_060_480
    # two operations a number: the denoiser's published 0.8 TFLOP a picture of 512 pixels
    larger = replace(
        full_size, unet=tuple(replace(w, positions=_at_512(w)) for w in full_size.unet)
    )
    assert larger.unet_flops() == pytest.approx(803e9, rel=0.01)


def _at_512(weight: Weight) -> int:
    return _positions(weight.name, 64, 4, 77)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("clip_text", {}),
        ("clip_text", {"text_encoder": "lora", "opens": "unet_lora", "lora_rank": 2}),
        ("clip_text", {"text_encoder": "frozen", "opens": "none"}),
        ("linear", {}),
        ("linear", {"opens": "unet"}),
        ("lora", {"lora_rank": 3}),
    ],
)
@pytest.mark.parametrize("shape", [(3, 5), (1, 5), (6, 16)])
def test_trained_numbers_are_those_of_the_parts(name, params, shape):
    root = shared_tiny_stable_diffusion()
    pipeline = PIPELINES.create("stable_diffusion", weights="tiny", image_size=16)
    pipeline.load(root)
    chosen = {**PARAMS[name], **params}
    built = CONDITIONERS.create(
        name, n_tokens=shape[0], embed_dim=shape[1], pipeline=pipeline.info(), **chosen
    )
    groups: dict[str, int] = {}
    opened = pipeline.open(built.opens, lora_rank=built.lora_rank)
    for group, members in [*built.parameter_groups().items(), *opened.items()]:
        groups[group] = groups.get(group, 0) + sum(p.numel() for p in members)
    shapes = read_shapes("tiny", root, 16)
    assert parameters(cell(name, shape, **params), shapes) == groups
    assert shapes.unet_numbers() == sum(p.numel() for p in _base(pipeline.unet))


def _base(unet: Any) -> list[Any]:
    return [p for n, p in unet.named_parameters() if ".lora_" not in n]


def test_operations_are_those_that_torch_counts():
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    root = shared_tiny_stable_diffusion()
    pipeline = PIPELINES.create("stable_diffusion", weights="tiny", image_size=16)
    pipeline.load(root)
    counter = FlopCounterMode(display=False)
    with (
        counter,
        torch.no_grad(),
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        pipeline.unet(torch.randn(1, 4, 8, 8), torch.tensor([1]), torch.randn(1, 6, 16))
    shapes = read_shapes("tiny", root, 16)
    assert shapes.unet_flops() == pytest.approx(counter.get_total_flops(), rel=0.01)


@pytest.mark.parametrize(
    ("name", "train", "gigabytes", "seconds"),
    [
        ("clip_text", {}, 6.89, 6.28),
        ("linear", {"checkpointing": True}, 6.55, 7.43),
    ],
)
def test_full_size_is_predicted_within_a_factor_of_one_and_a_half(
    name, train, gigabytes, seconds, full_size, monkeypatch
):
    """Measured at 256 pixels, batch 2, bf16, one thread: docs/benchmarks.md."""
    monkeypatch.setattr("zoo.engine.forecast.training._speed_in_half", lambda: 1.4)
    made = forecast(
        cell(name, (77, 768), train=train), full_size, n_trials=8, device="cpu", matmul=103e9
    )
    assert 1 / 1.5 < made.memory / (gigabytes * 1e9) < 1.5
    assert made.seconds_per_step is not None
    assert 1 / 1.5 < made.seconds_per_step / seconds < 1.5


@pytest.mark.parametrize(
    ("encoder", "milliseconds"),
    [
        ("eegnet", 0.54),
        ("nice", 0.59),
        ("shallow_conv_net", 0.77),
        ("lstm", 1.3),
        ("eeg_conv_net", 3.9),
    ],
)
def test_encoders_are_guessed_within_a_factor_of_four(encoder, milliseconds):
    """Measured for each trial of a batch, 32 x 110, one thread."""
    guessed = encoding(64_000, 1_000, (32, 110), 103e9) / 64_000
    assert 1 / 4 < 1000 * guessed / milliseconds < 4, encoder


def test_what_costs_more_is_predicted_to(full_size):
    def made(**train: Any):
        return forecast(
            cell("clip_text", (77, 768), train={"batch_size": 64, **train}),
            full_size,
            n_trials=640,
            device="cuda",
            matmul=None,
        )

    plain = made()
    assert plain.seconds_per_step is None
    assert made(checkpointing=True).memory < 0.6 * plain.memory
    assert made(checkpointing=True).flops == pytest.approx(1.5 * plain.flops, rel=0.1)
    assert made(ema=0.99).memory - plain.memory == 4 * sum(plain.parameters.values())
    assert made(precision="fp32").memory > 1.5 * plain.memory
    assert made(accumulate=2).flops == 2 * plain.flops
    assert made(steps=None, epochs=3).steps == 30
    assert made(steps=None, epochs=3, accumulate=4).steps == 8


def test_projection_of_one_token_and_of_as_many_as_the_denoiser_takes():
    assert projection_numbers(1, 5, 6, 16) == 5 * 96 + 96
    assert projection_numbers(6, 5, 6, 16) == 5 * 16 + 64 * (30 + 96) + 96


def test_a_matrix_product_tells_the_speed():
    assert matmul_flops(1) > 1e9


def test_plan_says_what_training_takes(tmp_path: Path):
    command = ["plan", "paper", "--store", str(tmp_path), "--threads", "1"]
    done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code == 0, done.output
    real, control = json.loads(done.stdout)["training"]
    assert real["parameters"] == {"projection": 214528, "text_encoder": 396800, "attn2": 315568}
    assert real["steps"] == 200
    assert 0.7e9 < real["memory_bytes"] < 1.5e9
    assert real["seconds"] == pytest.approx(200 * real["seconds_per_step"])
    assert "class_label" in control["label"]
    text = CliRunner().invoke(main, command).stdout
    assert "Training of conditioners, predicted:" in text
    assert "0.93 M parameters trained" in text
    epochs = [*command, "--json", "--set", "conditioner.train.epochs=2"]
    known = json.loads(CliRunner().invoke(main, epochs).stdout)["training"][0]
    assert known["steps"] == 2 * 42  # 1340 training trials in batches of 32
