"""What stage 2 needs at full size, on a tiny Stable Diffusion: memory saved, work shared."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from condition_toys import (  # noqa: F401 (fixtures)
    TRAIN,
    context,
    inputs,
    params,
    same,
    toy_pictures,
    train,
)
from safetensors.torch import load_file

from registry.errors import UserError
from zoo.checks.conditioner import tiny_pipeline, tokens
from zoo.contracts import Conditioning, Pipeline
from zoo.engine import distribute
from zoo.engine.distribute import ProcessFailed, run_shared
from zoo.processes import Processes
from zoo.registries import CONDITIONERS
from zoo.stages._draws import Draws
from zoo.stages.condition import checkpoint_gradients

IDS = np.array([f"t{i}" for i in range(9)])


def losses(folder: Path) -> list[float]:
    with (folder / "log.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        name: value
        for part in ("conditioner", "denoiser")
        for name, value in load_file(folder / f"{part}.safetensors").items()
    }


# ---- draws


def draw(indices: list[int], batch: int = 0, part: slice = slice(None), tokens=(2, 3), seed=0):
    draws = Draws(seed, IDS)
    return draws.batch(np.array(indices), batch, part, latent=(1, 2, 2), tokens=tokens)


def test_a_trial_draws_the_same_whoever_is_beside_it():
    one, other = draw([4, 1, 7]), draw([0, 7, 2, 5])
    for name in ("noise_BChw", "spread_BChw", "jitter_BLD", "uniform_B"):
        assert torch.equal(getattr(one, name)[2], getattr(other, name)[1]), name
        assert not torch.equal(getattr(one, name)[0], getattr(one, name)[1]), name
    assert torch.equal(one.noise_BChw, draw([4, 1, 7], tokens=(5, 8)).noise_BChw)
    assert draw([4, 1, 7], tokens=None).jitter_BLD is None
    assert not torch.equal(one.noise_BChw, one.spread_BChw)
    for changed in (draw([4, 1, 7], batch=1), draw([4, 1, 7], seed=1)):
        assert not torch.equal(one.noise_BChw, changed.noise_BChw)


def test_shares_of_a_batch_are_its_parts():
    whole = draw([4, 1, 7, 0, 3])
    parts = [draw([4, 1, 7, 0, 3], part=Processes(rank, 3).share(5)) for rank in range(3)]
    for name in ("noise_BChw", "spread_BChw", "jitter_BLD", "share_B", "uniform_B"):
        assert torch.equal(torch.cat([getattr(p, name) for p in parts]), getattr(whole, name)), name
    assert (whole.share_B * 5).long().tolist() == [0, 1, 2, 3, 4]


def test_draws_are_standard_normal_and_uniform():
    drawn = Draws(0, np.array([f"t{i}" for i in range(400)])).batch(
        np.arange(400), 0, slice(None), latent=(4, 8, 8), tokens=(4, 64)
    )
    for normal in (drawn.noise_BChw, drawn.spread_BChw, drawn.jitter_BLD):
        assert abs(normal.mean()) < 0.02
        assert abs(normal.std() - 1) < 0.02
    assert abs(drawn.uniform_B.mean() - 0.5) < 0.05


# ---- memory


def gradients(name: str, *, checkpointing: bool) -> tuple[dict[str, torch.Tensor], int]:
    """Return the gradients of a step and how many tensors were kept for the backward pass."""
    torch.manual_seed(0)
    pipeline = tiny_pipeline()
    conditioner = CONDITIONERS.create(name, n_tokens=3, embed_dim=5, pipeline=pipeline.info())
    pipeline.open(conditioner.opens, lora_rank=2)
    if checkpointing:
        checkpoint_gradients(conditioner, pipeline)
    conditioner.train()
    kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = noised(pipeline, conditioner(tokens())).mean()
    loss.backward()
    named = [*conditioner.named_parameters(), *pipeline.unet.named_parameters()]
    return {n: p.grad for n, p in named if p.requires_grad}, kept


def noised(pipeline: Pipeline, given: Conditioning) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    latents, noise = (torch.randn(4, 4, 8, 8, generator=generator) for _ in range(2))
    timesteps = torch.tensor([20, 300, 600, 950])
    return pipeline.denoising_loss(given, latents, noise_BChw=noise, timesteps_B=timesteps)


@pytest.mark.parametrize("name", ["clip_text", "linear", "lora"])
def test_checkpointing_keeps_less_and_changes_nothing(name):
    plain, kept = gradients(name, checkpointing=False)
    again, kept_less = gradients(name, checkpointing=True)
    assert plain.keys() == again.keys()
    for parameter, gradient in plain.items():
        assert torch.allclose(gradient, again[parameter], rtol=1e-5, atol=1e-8), parameter
    assert kept_less < 0.5 * kept


def test_checkpointing_is_a_setting_of_the_training(inputs, tmp_path):  # noqa: F811
    plain = train(inputs, tmp_path / "a", name="clip_text")
    again = train(inputs, tmp_path / "b", {**TRAIN, "checkpointing": True}, name="clip_text")
    assert losses(plain) == pytest.approx(losses(again), rel=1e-5)


@pytest.mark.parametrize("opens", ["none", "attn2", "attn2_lora"])
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_frozen_weights_in_half_give_what_autocast_gives(opens, half):
    found, sizes = [], []
    for kept in (False, True):
        torch.manual_seed(0)
        pipeline = tiny_pipeline()
        pipeline.open(opens, lora_rank=2)
        if kept:
            pipeline.keep_frozen_in(half)
        states = torch.randn(4, 6, 16, generator=torch.Generator().manual_seed(2))
        states.requires_grad_()
        with torch.autocast("cpu", half):
            loss_B = noised(pipeline, Conditioning(encoder_hidden_states=states))
        loss_B.mean().backward()
        opened = [p for p in pipeline.unet.parameters() if p.requires_grad]
        assert all(p.dtype == torch.float32 for p in opened)
        found.append([loss_B.detach(), states.grad, *(p.grad for p in opened)])
        sizes.append(sum(p.numel() * p.element_size() for p in pipeline.unet.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert sizes[1] < 0.7 * sizes[0]


def test_attention_is_scaled_dot_product_attention():
    """What diffusers and transformers choose by themselves is torch's fused attention."""
    pipeline = tiny_pipeline()
    processors = {type(p).__name__ for p in pipeline.unet.attn_processors.values()}
    assert processors == {"AttnProcessor2_0"}
    built = CONDITIONERS.create("clip_text", n_tokens=3, embed_dim=5, pipeline=pipeline.info())
    assert built.text_encoder.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("name", ["clip_text", "linear", "lora"])
def test_the_optimiser_holds_what_is_opened_and_nothing_else_moves(
    name,
    inputs,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    """One step through the stage itself: parameters by name, before and after."""
    from zoo.stages import condition

    built: dict[str, Any] = {}
    real_build, real_fit = condition.build, condition.fit

    def build(*given, **more):
        built["parts"] = real_build(*given, **more)
        return built["parts"]

    def parameters() -> dict[str, torch.Tensor]:
        conditioner, pipeline, _ = built["parts"]
        models = (conditioner, pipeline.unet, pipeline.vae, pipeline.text_encoder)
        return {f"{i} {n}": p for i, m in enumerate(models) for n, p in m.named_parameters()}

    def fit(**given):
        built["before"] = {n: p.detach().clone() for n, p in parameters().items()}
        return real_fit(**given)

    monkeypatch.setattr(condition, "build", build)
    monkeypatch.setattr(condition, "fit", fit)
    train(inputs, tmp_path, {**TRAIN, "steps": 1, "warmup": 0.0}, name=name)
    moved = {n for n, p in parameters().items() if not torch.equal(p, built["before"][n])}
    trained = {id(p) for group in built["parts"][2].values() for p in group}
    expected = {n for n, p in parameters().items() if id(p) in trained}
    # an adapter starts as no change: in the first step its first half has no gradient
    assert moved == {n for n in expected if ".lora_A." not in n} or moved == expected
    frozen = {n for n, p in parameters().items() if id(p) not in trained}
    assert not moved & frozen
    assert len(frozen) > len(expected)


# ---- several processes


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch):
    """Keep out what other tests gave as ``--plugin``: its files are gone."""
    monkeypatch.setattr(distribute, "PLUGINS", [])


def shared(inputs, folder: Path, settings: dict[str, Any], *, processes: int, **chosen) -> Path:  # noqa: F811
    out = folder / "condition"
    out.mkdir(parents=True)
    given = context(folder)
    given.work.mkdir(exist_ok=True)
    given = type(given)(**{**vars(given), "threads": 1})
    run_shared("condition", inputs, {**params(**chosen), "train": settings}, out, given, processes)
    return out


def test_two_processes_make_one_training(inputs, tmp_path, monkeypatch):  # noqa: F811
    """The same losses and weights as one process, and one can go on where two were stopped."""
    settings = {**TRAIN, "steps": 6, "ema": 0.9, "snapshots": [3], "align": 0.5, "accumulate": 2}
    one = train(inputs, tmp_path / "one", settings, name="clip_text")
    two = shared(inputs, tmp_path / "two", settings, processes=2, name="clip_text")
    assert len(losses(one)) == 6
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    expected = weights(one)
    assert close(weights(two), expected)
    assert (two / "snapshots/3/denoiser.safetensors").exists()

    (tmp_path / "two/condition").rename(tmp_path / "two/thrown away")
    monkeypatch.setattr(
        "zoo.stages.condition._Batches.draw", lambda *_: pytest.fail("trained again")
    )
    assert close(weights(train(inputs, tmp_path / "two", settings, name="clip_text")), expected)


def close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    assert found.keys() == expected.keys()
    # A key's bias moves nothing in attention: its gradient is rounding, which Adam scales up.
    names = [name for name in found if not name.endswith("k_proj.bias")]
    return all(torch.allclose(found[n], expected[n], atol=1e-4) for n in names)


def test_the_first_error_is_told_with_its_traceback(tmp_path):
    """The others fail because the first one did."""
    for rank, when in ((0, 2.0), (1, 1.0)):
        report = {"rank": rank, "user": False, "message": f"E: {rank}", "traceback": "Trace"}
        (tmp_path / f"error-{rank}.json").write_text(json.dumps({**report, "time": when}))
    with pytest.raises(ProcessFailed, match="process 1: E: 1") as raised:
        distribute._raise(tmp_path, 0, 1)
    assert raised.value.__notes__ == ["Trace"]
    mistake = {"rank": 0, "user": True, "message": "mend it", "traceback": "", "time": 3.0}
    (tmp_path / "error-0.json").write_text(json.dumps(mistake))
    with pytest.raises(UserError, match="mend it"):
        distribute._raise(tmp_path, 1, 1)
    for path in tmp_path.glob("error-*"):
        path.unlink()
    with pytest.raises(ProcessFailed, match="process 0 ended with code -9 and no message; was the"):
        distribute._raise(tmp_path, 0, -9)


def test_a_helping_process_ends_with_the_one_that_started_it():
    """Killed without a word, a run leaves nobody behind who would write under its lock."""
    script = (
        "import threading, time; from zoo.engine.worker import _end_with_parent\n"
        "threading.Thread(target=_end_with_parent, daemon=True).start()\n"
        "print('up', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdin is not None
    with process.stdout, process:
        assert process.stdout.readline() == b"up\n"
        process.stdin.close()
        assert process.wait(timeout=10) == 3
