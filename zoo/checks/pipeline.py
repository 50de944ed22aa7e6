"""What every pipeline promises: conditioning to pictures, each from its own seed; parts to open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor

from zoo.checks._case import Case, no_network
from zoo.checks.tiny_stable_diffusion import shared_tiny_stable_diffusion
from zoo.contracts import Conditioning, Pipeline

OPENS = ("none", "attn2", "attn2_lora", "unet", "unet_lora")


def load(case: Case) -> Pipeline:
    """Return a freshly loaded pipeline with tiny random weights."""
    weights = shared_tiny_stable_diffusion()
    with no_network():
        pipeline = case.cls(**case.params)
        pipeline.load(weights)
    return pipeline


def conditioning(pipeline: Pipeline, batch: int = 4, *, seed: int = 0) -> Conditioning:
    """Return random conditioning of the pipeline's width."""
    info = pipeline.info()
    shape = (batch, info.max_tokens, info.width)
    states = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Conditioning(encoder_hidden_states=states)


def draw(
    pipeline: Pipeline, given: Conditioning, seeds: list[int], guidance_scale: float = 2.0
) -> Tensor:
    """Return pictures of three steps as int16, so that they can be subtracted."""
    images = pipeline.generate(
        given,
        given.map(torch.zeros_like),
        seeds=seeds,
        steps=3,
        guidance_scale=guidance_scale,
    )
    assert images.dtype == torch.uint8, images.dtype
    return images.short()


def pictures(pipeline: Pipeline, batch: int = 4) -> Tensor:
    """Return random uint8 pictures of the pipeline's size."""
    shape = (batch, 3, pipeline.image_size, pipeline.image_size)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(1)).byte()


def losses(pipeline: Pipeline, given: Conditioning, rows: slice = slice(None)) -> Tensor:
    """Return the denoising loss of four fixed samples, or of some of them."""
    latents, _ = pipeline.encode_images(pictures(pipeline))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    return pipeline.denoising_loss(
        given.map(lambda value: value[rows]),
        latents[rows],
        noise_BChw=noise[rows],
        timesteps_B=torch.tensor([20, 300, 600, 950])[rows],
    )


def mark_is_whole(case: Case) -> None:
    """The mark says which fields of `Conditioning` the denoiser takes."""
    accepts = case.spec.meta["accepts"]
    assert set(accepts) <= {f.name for f in fields(Conditioning)}, accepts
    assert tuple(load(case).info().accepts) == tuple(accepts)


def pictures_are_whole(case: Case) -> None:
    """Pictures are uint8 (B, 3, H, W) at the size asked for, and not all one colour."""
    pipeline = load(case)
    images = draw(pipeline, conditioning(pipeline, 2), [1, 2])
    assert images.shape == (2, 3, pipeline.image_size, pipeline.image_size), images.shape
    assert images.float().std() > 0


def same_seed_same_picture(case: Case) -> None:
    """A seed names the noise: the same twice, another one elsewhere."""
    pipeline = load(case)
    given = conditioning(pipeline, 1)
    one, again, other = (draw(pipeline, given, [seed]) for seed in (7, 7, 8))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def batch_equals_single(case: Case) -> None:
    """A picture does not depend on its neighbours (up to one level of rounding)."""
    pipeline = load(case)
    given = conditioning(pipeline, 3)
    whole = draw(pipeline, given, [1, 2, 3])
    for i in range(3):
        one = draw(pipeline, given.map(lambda value, i=i: value[i : i + 1]), [i + 1])
        assert (one[0] - whole[i]).abs().max() <= 1


def conditioning_reaches_the_picture(case: Case) -> None:
    """Other conditioning, or more guidance, gives another picture from the same noise."""
    pipeline = load(case)
    one = draw(pipeline, conditioning(pipeline, 1, seed=0), [1])
    assert not torch.equal(one, draw(pipeline, conditioning(pipeline, 1, seed=1), [1]))
    assert not torch.equal(one, draw(pipeline, conditioning(pipeline, 1, seed=0), [1], 1.0))


def loss_is_per_sample(case: Case) -> None:
    """The denoising loss is (B,), finite, and a sample's own."""
    pipeline = load(case)
    given = conditioning(pipeline)
    with torch.no_grad():
        whole = losses(pipeline, given)
        assert whole.shape == (4,), whole.shape
        assert torch.isfinite(whole).all()
        for i in range(4):
            one = losses(pipeline, given, slice(i, i + 1))
            assert torch.allclose(one, whole[i : i + 1], rtol=1e-5)


def latents_are_per_sample(case: Case) -> None:
    """Pictures become latents with a positive deviation, each on its own."""
    pipeline = load(case)
    images = pictures(pipeline, 3)
    mean, std = pipeline.encode_images(images)
    assert mean.shape == std.shape
    assert (std > 0).all()
    one, _ = pipeline.encode_images(images[1:2])
    assert torch.allclose(one[0], mean[1], atol=1e-5)


def training_moves_what_is_opened(case: Case) -> None:
    """Whatever is opened gets gradients and moves; everything else stays.

    Adapters start as no change, so their first half gets its gradient in the second step.
    """
    for opens in OPENS:
        pipeline = load(case)
        given = conditioning(pipeline)
        untouched = losses(pipeline, given).detach()
        opened = [p for group in pipeline.open(opens, lora_rank=2).values() for p in group]
        assert bool(opened) == (opens != "none"), opens
        assert torch.allclose(losses(pipeline, given).detach(), untouched, rtol=1e-5), (
            f"opening {opens} changes the denoiser before any training"
        )
        ids = {id(p) for p in opened}
        others = {n: p for n, p in pipeline.unet.named_parameters() if id(p) not in ids}
        assert not any(p.requires_grad for p in others.values()), opens
        before = {name: p.clone() for name, p in others.items()}
        reached: set[int] = set()
        for _ in range(2 if opened else 0):
            losses(pipeline, given).mean().backward()
            reached |= {id(p) for p in opened if p.grad is not None and p.grad.any()}
            with torch.no_grad():
                for parameter in opened:
                    parameter -= 0.1 * parameter.grad.sign()
                    parameter.grad = None
        assert reached == ids, f"{opens}: {len(ids) - len(reached)} tensors get no gradient"
        for name, parameter in others.items():
            assert torch.equal(parameter, before[name]), f"{opens} moved {name}"


def what_was_trained_can_be_loaded(case: Case) -> None:
    """`trainable_state` holds what was opened and makes a fresh pipeline the same."""
    for opens in OPENS:
        one, other = load(case), load(case)
        given = conditioning(one)
        opened = [p for group in one.open(opens, lora_rank=2).values() for p in group]
        other.open(opens, lora_rank=2)
        with torch.no_grad():
            for parameter in opened:
                parameter += 0.05
            state = {name: value.clone() for name, value in one.trainable_state().items()}
            assert len(state) == len(opened), opens
            other.load_trainable_state(state)
            assert torch.equal(losses(one, given), losses(other, given)), opens


def saving_memory_changes_nothing(case: Case) -> None:
    """Checkpointing gives the same gradients, frozen weights in half what autocast gives."""
    for opens in ("attn2", "attn2_lora"):
        found = []
        for saving in (False, True):
            pipeline = load(case)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                groups = pipeline.open(opens, lora_rank=2)
            if saving:
                pipeline.checkpoint_gradients()
                pipeline.keep_frozen_in(torch.bfloat16)
            with torch.autocast("cpu", torch.bfloat16):
                loss_B = losses(pipeline, conditioning(pipeline))
            loss_B.mean().backward()
            gradients = [p.grad for group in groups.values() for p in group if p.grad is not None]
            found.append([loss_B.detach(), *gradients])
        for one, other in zip(*found, strict=True):
            assert torch.allclose(one, other, rtol=1e-5, atol=1e-8), opens


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    mark_is_whole,
    pictures_are_whole,
    same_seed_same_picture,
    batch_equals_single,
    conditioning_reaches_the_picture,
    loss_is_per_sample,
    latents_are_per_sample,
    training_moves_what_is_opened,
    what_was_trained_can_be_loaded,
    saving_memory_changes_nothing,
)
