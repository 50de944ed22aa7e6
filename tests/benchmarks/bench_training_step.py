"""One training step of stage 2 against its bare form, and against encoding pictures each time.

    python -m pytest -s tests/benchmarks/bench_training_step.py
    ZOO_BENCH_WEIGHTS=DIR python -m pytest -s tests/benchmarks/bench_training_step.py

The first line measures the pocket weights (64 pixels, batch 32, fp32), the second the diffusers
folder DIR (256 pixels, batch 2, bf16). The file's name keeps it out of the normal test run. Steps
of all kinds take turns in one process; medians are compared.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from zoo import training
from zoo.stages import condition
from zoo.stages._context import Context
from zoo.stages._drawing import HALF

#: How much longer a step may take than its bare form.
LIMIT = {"linear": 1.05, "lora": 1.05, "clip_text": 1.10}
#: How much longer a step takes that encodes its pictures with autoencoder and CLIP, at least.
CACHE_GAIN = 1.4


@dataclass(frozen=True)
class Size:
    """What is measured."""

    weights: str
    root: Path | None
    image_size: int
    latent: int
    tokens: tuple[int, int]
    batch: int
    precision: str
    rounds: int
    vision: dict[str, int]


def size() -> Size:
    named = os.environ.get("ZOO_BENCH_WEIGHTS")
    if named is None:
        vision = {  # to the pocket text tower what ViT-L/14 is to its own
            "hidden_size": 176, "intermediate_size": 704, "num_hidden_layers": 4,
            "num_attention_heads": 4, "image_size": 64, "patch_size": 8,
        }  # fmt: skip
        return Size("pocket", None, 64, 16, (12, 128), 32, "fp32", 15, vision)
    vision = {  # ViT-L/14, whose text tower is Stable Diffusion's
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
    }  # fmt: skip
    return Size("sd-1.5", Path(named), 256, 32, (77, 768), 2, "bf16", 3, vision)


@pytest.mark.parametrize("name", list(LIMIT))
def test_step(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = size()
    captured = capture(name, chosen, tmp_path, monkeypatch)
    ours, bare, encoding = steps_of(chosen, captured)
    found = interleaved({"ours": ours, "bare": bare, "encoding": encoding}, chosen.rounds)
    over, gain = found["ours"] / found["bare"], found["encoding"] / found["ours"]
    print(
        f"\n{name}, {chosen.weights} at {chosen.image_size} pixels, batch {chosen.batch}, "
        f"{chosen.precision}, {torch.get_num_threads()} threads: ours {found['ours']:.3f} s, "
        f"bare {found['bare']:.3f} s ({over:.3f} x), encoding each time {found['encoding']:.3f} s "
        f"({gain:.2f} x ours)"
    )
    assert over <= LIMIT[name]
    assert gain >= CACHE_GAIN


def interleaved(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each kind of step; they take turns, the first is dropped."""
    seconds: dict[str, list[float]] = {kind: [] for kind in steps}
    for _ in range(rounds + 1):
        for kind, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[kind].append(time.perf_counter() - began)
    return {kind: statistics.median(values[1:]) for kind, values in seconds.items()}


def steps_of(
    chosen: Size, captured: dict[str, Any]
) -> tuple[Callable[[], None], Callable[[], None], Callable[[], None]]:
    """Return one step of the stage, its bare form, and the bare form that encodes pictures."""
    conditioner, pipeline, _ = captured["parts"]
    half = HALF[chosen.precision]
    run = training._Training(
        captured["groups"], captured["n_items"], captured["train"], 0, captured["state"],
        captured["checkpoint"], "benchmark", captured["log"],
    )  # fmt: skip
    run.set_mode(training=True)
    turn = iter(range(run.total))

    latents, noise = (torch.randn(chosen.batch, 4, chosen.latent, chosen.latent) for _ in range(2))
    timesteps = torch.linspace(50, 950, chosen.batch).long()
    info = pipeline.info()
    states = torch.randn(chosen.batch, info.max_tokens, info.width, requires_grad=True)
    opened = [p for p in pipeline.unet.parameters() if p.requires_grad]
    tower = getattr(conditioner, "text_encoder", None)
    if tower is not None:
        opened += [p for p in tower.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(opened, lr=1e-6)
    scheduler = pipeline._noise
    prediction = pipeline.folder.prediction_type
    pictures = torch.randint(0, 256, (chosen.batch, 3, chosen.image_size, chosen.image_size)).byte()
    vision = clip_vision(chosen.vision)

    def denoise(clean: Tensor) -> None:
        with torch.autocast("cpu", half, enabled=half is not None):
            given = states if tower is None else text_states(tower, states)
            noisy = scheduler.add_noise(clean, noise, timesteps)
            target = noise
            if prediction == "v_prediction":
                target = scheduler.get_velocity(clean, noise, timesteps)
            predicted = pipeline.unet(noisy, timesteps, encoder_hidden_states=given).sample
            loss = torch.nn.functional.mse_loss(predicted.float(), target)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        states.grad = None

    def encoding() -> None:
        with torch.no_grad(), torch.autocast("cpu", half, enabled=half is not None):
            mean, std = pipeline.encode_images(pictures)
            resized = torch.nn.functional.interpolate(
                pictures.float() / 127.5 - 1, chosen.vision["image_size"], mode="bilinear"
            )
            vision(resized)
        denoise((mean + std * noise).float())

    def ours() -> None:
        run.update(next(turn), captured["loss"])

    def bare() -> None:
        denoise(latents)

    return ours, bare, encoding


def text_states(tower: torch.nn.Module, embeddings: Tensor) -> Tensor:
    """Return the text transformer's states: its own layers in their order, causal."""
    hidden = tower.embeddings(inputs_embeds=embeddings)
    whole = tower.encoder(inputs_embeds=hidden, attention_mask=None, is_causal=True)
    return tower.final_layer_norm(whole.last_hidden_state)


def clip_vision(settings: dict[str, int]) -> torch.nn.Module:
    """Return a CLIP image tower with random weights, as peers run it on every picture."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(CLIPVisionConfig(**settings)).requires_grad_(False).eval()


def capture(
    name: str, chosen: Size, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Run the stage up to its training loop; return what the loop was given."""
    captured: dict[str, Any] = {}

    class Captured(Exception):
        pass

    real = condition.build

    def build(*given: Any, **more: Any) -> Any:
        captured["parts"] = real(*given, **more)
        return captured["parts"]

    def fit(**given: Any) -> None:
        captured.update(given)
        raise Captured

    monkeypatch.setattr(condition, "build", build)
    monkeypatch.setattr(condition, "fit", fit)
    inputs = write_inputs(chosen, folder)
    train = {
        "epochs": None, "steps": 1000, "batch_size": chosen.batch, "lr": 1e-6, "ema": None,
        "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.05, "grad_clip": 1.0,
        "accumulate": 1, "precision": chosen.precision, "cond_dropout": 0.1,
        "timesteps": [0, 1000], "snr_gamma": None, "token_noise": 1.0, "align": 0.0,
        "select": "last", "snapshots": [], "checkpointing": False,
    }  # fmt: skip
    params = {
        "conditioner": {"name": name, "params": {}},
        "pipeline": {
            "name": "stable_diffusion",
            "params": {"weights": chosen.weights, "image_size": chosen.image_size},
        },
        "seed": 0, "control": None, "tokens": None, "train": train,
    }  # fmt: skip
    context = Context(work=folder / "work", weights_root=chosen.root)
    with pytest.raises(Captured):
        condition.run(inputs, params, folder, context)
    return captured


def write_inputs(chosen: Size, folder: Path) -> dict[str, Path]:
    """Write what the stages before would have published, of noise."""
    inputs = {name: folder / name for name in ("prepare", "select", "encode", "features")}
    for path in inputs.values():
        path.mkdir()
    n_trials = 4 * chosen.batch
    ids = np.array([f"t{i}" for i in range(n_trials)])
    label = np.arange(n_trials) % 2
    (inputs["prepare"] / "signal.json").write_text(json.dumps({"class_names": ["cat", "dog"]}))
    np.savez(
        inputs["select"] / "select.npz", trial_id=ids, label=label, true_label=label,
        split=np.array(["train"] * n_trials), subject=np.zeros(n_trials, np.int64), image_id=ids,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    np.save(
        inputs["encode"] / "tokens.npy", rng.normal(size=(n_trials, *chosen.tokens)).astype("f4")
    )
    np.save(inputs["encode"] / "trial_ids.npy", ids)
    shape = (n_trials, 4, chosen.latent, chosen.latent)
    latents = {"mean": torch.randn(shape), "std": torch.rand(shape)}
    save_file(latents, inputs["features"] / "features.safetensors")
    (inputs["features"] / "image_ids.json").write_text(json.dumps(ids.tolist()))
    return inputs
