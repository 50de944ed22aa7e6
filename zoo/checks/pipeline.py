"""What every pipeline must pass: the battery for our pipelines and for those of others.

>>> from zoo.checks.pipeline import check
>>> check(MyPipeline, weights=folder)  # raises AssertionError that names the promise broken
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.contracts import Conditioning, Pipeline

OPENS = ("none", "attn2", "attn2_lora", "unet", "unet_lora")


@dataclass(frozen=True)
class Case:
    """One pipeline to be judged.

    Parameters
    ----------
    cls : type
        The pipeline's class.
    weights : Path
        What `load` is given.
    params : dict
        Its own keywords; what its mark calls ``tiny`` where nothing is given.
    """

    cls: type
    weights: Path
    params: dict[str, Any] = field(default_factory=dict)

    def mark(self) -> dict[str, Any]:
        """Return the mark's keywords."""
        kind, meta = self.cls.__component__
        assert kind == "pipeline", f"marked as a {kind}"
        return meta

    def load(self) -> Pipeline:
        """Return a freshly loaded pipeline."""
        pipeline = self.cls(**{**self.mark().get("tiny", {}), **self.params})
        pipeline.load(self.weights)
        return pipeline

    def given(self, pipeline: Pipeline, batch: int, seed: int = 0) -> Conditioning:
        """Return random conditioning of the pipeline's width."""
        info = pipeline.info()
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, info.max_tokens, info.width)
        return Conditioning(encoder_hidden_states=torch.randn(shape, generator=generator))

    def draw(
        self, pipeline: Pipeline, given: Conditioning, seeds: list[int], guidance: float = 2.0
    ) -> Tensor:
        """Return pictures of three steps as int16, so that they can be subtracted."""
        empty = given.map(torch.zeros_like)
        images = pipeline.generate(given, empty, seeds=seeds, steps=3, guidance_scale=guidance)
        assert images.dtype == torch.uint8, images.dtype
        return images.short()

    def losses(self, pipeline: Pipeline, given: Conditioning, rows: slice = slice(None)) -> Tensor:
        """Return the denoising loss of four fixed samples, or of some of them."""
        generator = torch.Generator().manual_seed(1)
        size = pipeline.image_size
        images = torch.randint(0, 256, (4, 3, size, size), generator=generator).byte()
        latents, _ = pipeline.encode_images(images)
        noise = torch.randn(latents.shape, generator=generator)
        return pipeline.denoising_loss(
            given.map(lambda value: value[rows]),
            latents[rows],
            noise_BChw=noise[rows],
            timesteps_B=torch.tensor([20, 300, 600, 950])[rows],
        )


def mark_is_whole(case: Case) -> None:
    """The mark says which fields of `Conditioning` the denoiser takes."""
    accepts = case.mark()["accepts"]
    assert set(accepts) <= {f.name for f in fields(Conditioning)}, accepts
    assert tuple(case.load().info().accepts) == tuple(accepts)


def pictures_are_whole(case: Case) -> None:
    """Pictures are uint8 (B, 3, H, W) at the size asked for, and not all one colour."""
    pipeline = case.load()
    images = case.draw(pipeline, case.given(pipeline, 2), [1, 2])
    assert images.shape == (2, 3, pipeline.image_size, pipeline.image_size), images.shape
    assert images.float().std() > 0


def same_seed_same_picture(case: Case) -> None:
    """A seed names the noise: the same twice, another one elsewhere."""
    pipeline = case.load()
    given = case.given(pipeline, 1)
    one, again, other = (case.draw(pipeline, given, [seed]) for seed in (7, 7, 8))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def batch_equals_single(case: Case) -> None:
    """A picture does not depend on its neighbours (up to one level of rounding)."""
    pipeline = case.load()
    given = case.given(pipeline, 3)
    whole = case.draw(pipeline, given, [1, 2, 3])
    for i in range(3):
        one = case.draw(pipeline, given.map(lambda value, i=i: value[i : i + 1]), [i + 1])
        assert (one[0] - whole[i]).abs().max() <= 1


def conditioning_reaches_the_picture(case: Case) -> None:
    """Other conditioning, or more guidance, gives another picture from the same noise."""
    pipeline = case.load()
    one = case.draw(pipeline, case.given(pipeline, 1, seed=0), [1])
    assert not torch.equal(one, case.draw(pipeline, case.given(pipeline, 1, seed=1), [1]))
    assert not torch.equal(one, case.draw(pipeline, case.given(pipeline, 1, seed=0), [1], 1.0))


def loss_is_per_sample(case: Case) -> None:
    """The denoising loss is (B,), finite, and a sample's own."""
    pipeline = case.load()
    given = case.given(pipeline, 4)
    with torch.no_grad():
        whole = case.losses(pipeline, given)
        assert whole.shape == (4,), whole.shape
        assert torch.isfinite(whole).all()
        for i in range(4):
            one = case.losses(pipeline, given, slice(i, i + 1))
            assert torch.allclose(one, whole[i : i + 1], rtol=1e-5)


def latents_are_per_sample(case: Case) -> None:
    """Pictures become latents with a positive deviation, each on its own."""
    pipeline = case.load()
    generator = torch.Generator().manual_seed(0)
    size = pipeline.image_size
    images = torch.randint(0, 256, (3, 3, size, size), generator=generator).byte()
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
        pipeline = case.load()
        given = case.given(pipeline, 4)
        untouched = case.losses(pipeline, given).detach()
        opened = [p for group in pipeline.open(opens, lora_rank=2).values() for p in group]
        assert bool(opened) == (opens != "none"), opens
        assert torch.allclose(case.losses(pipeline, given).detach(), untouched, rtol=1e-5), (
            f"opening {opens} changes the denoiser before any training"
        )
        ids = {id(p) for p in opened}
        others = {n: p for n, p in pipeline.unet.named_parameters() if id(p) not in ids}
        assert not any(p.requires_grad for p in others.values()), opens
        before = {name: p.clone() for name, p in others.items()}
        reached: set[int] = set()
        for _ in range(2 if opened else 0):
            case.losses(pipeline, given).mean().backward()
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
        one, other = case.load(), case.load()
        given = case.given(one, 4)
        opened = [p for group in one.open(opens, lora_rank=2).values() for p in group]
        other.open(opens, lora_rank=2)
        with torch.no_grad():
            for parameter in opened:
                parameter += 0.05
            state = {name: value.clone() for name, value in one.trainable_state().items()}
            assert len(state) == len(opened), opens
            other.load_trainable_state(state)
            assert torch.equal(case.losses(one, given), case.losses(other, given)), opens


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
)


def check(cls: type, *, weights: Path, **params: Any) -> None:
    """Run every check on a pipeline class; raises AssertionError at the first promise broken.

    Parameters
    ----------
    cls : type
    weights : Path
        What its `load` is given.
    **params
        Keywords of the pipeline.
    """
    for promise in CHECKS:
        promise(Case(cls, weights, params))
