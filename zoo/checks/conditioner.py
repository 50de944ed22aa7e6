"""What every conditioner must pass: the battery for our conditioners and for those of others.

>>> from zoo.checks.conditioner import check
>>> check(MyConditioner, weights=folder)  # raises AssertionError that names the promise broken
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from zoo.contracts import Conditioner, Conditioning, Pipeline
from zoo.registries import PIPELINES

TRAININGS = ("denoise", "regress", "none")
OPENS = ("none", "attn2", "attn2_lora", "unet", "unet_lora")


@dataclass(frozen=True)
class Case:
    """One conditioner to be judged.

    Parameters
    ----------
    cls : type
        The conditioner's class.
    weights : Path
        A diffusers folder, see `zoo.checks.tiny_stable_diffusion`.
    params : dict
        Its own keywords; what its mark calls ``tiny`` where nothing is given.
    n_tokens, embed_dim : int
        Shape of the encoder's tokens.
    """

    cls: type
    weights: Path
    params: dict[str, Any] = field(default_factory=dict)
    n_tokens: int = 3
    embed_dim: int = 5

    def mark(self) -> dict[str, Any]:
        """Return the mark's keywords."""
        kind, meta = self.cls.__component__
        assert kind == "conditioner", f"marked as a {kind}"
        return meta

    def pipeline(self) -> Pipeline:
        """Return a freshly loaded pipeline."""
        pipeline = PIPELINES.create("stable_diffusion", weights="tiny", image_size=16)
        pipeline.load(self.weights)
        return pipeline

    def build(self, pipeline: Pipeline, seed: int = 0) -> Conditioner:
        """Return the conditioner with first weights named by `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.cls(
                n_tokens=self.n_tokens,
                embed_dim=self.embed_dim,
                pipeline=pipeline.info(),
                **{**self.mark().get("tiny", {}), **self.params},
            )

    def tokens(self, batch: int, seed: int = 0) -> Tensor:
        """Return random tokens (batch, L, D)."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(batch, self.n_tokens, self.embed_dim, generator=generator)


def mark_is_whole(case: Case) -> None:
    """The mark says what is provided and how it is trained, in known words."""
    mark = case.mark()
    known = {f.name for f in fields(Conditioning)}
    assert mark["provides"], "provides nothing"
    assert set(mark["provides"]) <= known, f"provides {mark['provides']}, known are {known}"
    assert mark["training"] in TRAININGS, mark["training"]
    built = case.build(case.pipeline())
    assert built.opens in OPENS, built.opens
    assert built.lora_rank >= 1, built.lora_rank


def fields_are_what_it_provides(case: Case) -> None:
    """Conditioning and its unconditional twin have the fields promised, in the same shapes."""
    built = case.build(case.pipeline())
    given = built(case.tokens(4)).present()
    empty = built.unconditional(4).present()
    assert set(given) == set(case.mark()["provides"]), set(given)
    shapes = {name: value.shape for name, value in given.items()}
    assert shapes == {name: value.shape for name, value in empty.items()}, shapes
    for name, value in [*given.items(), *empty.items()]:
        assert len(value) == 4, name
        assert torch.isfinite(value).all(), name


def states_fit_the_denoiser(case: Case) -> None:
    """``encoder_hidden_states`` has the denoiser's width and no more tokens than it knows."""
    pipeline = case.pipeline()
    states = case.build(pipeline)(case.tokens(2)).encoder_hidden_states
    if states is not None:
        assert states.shape[2] == pipeline.info().width, states.shape
        assert states.shape[1] >= 1, states.shape


def unconditional_is_one_for_all(case: Case) -> None:
    """What stands for "no EEG" is the same for every sample and every batch size."""
    built = case.build(case.pipeline())
    one, many = built.unconditional(1).present(), built.unconditional(3).present()
    for name, value in many.items():
        assert (value == one[name]).all(), name


def same_seed_same_weights(case: Case) -> None:
    """First weights come from torch's generator and from the pipeline alone."""
    one, twin, other = (case.build(case.pipeline(), seed).state_dict() for seed in (0, 0, 1))
    for name, value in one.items():
        assert torch.equal(value, twin[name]), name
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def batch_equals_single(case: Case) -> None:
    """A sample's conditioning does not depend on its neighbours."""
    built = case.build(case.pipeline()).eval()
    tokens = case.tokens(4)
    whole = built(tokens).present()
    for i in range(4):
        for name, value in built(tokens[i : i + 1]).present().items():
            assert torch.allclose(value[0], whole[name][i], atol=1e-5), name


def tokens_matter(case: Case) -> None:
    """Different tokens give different conditioning."""
    built = case.build(case.pipeline()).eval()
    given = built(case.tokens(2)).present()
    assert any(not torch.allclose(value[0], value[1], atol=1e-6) for value in given.values())


def training_moves_what_it_declares(case: Case) -> None:
    """Gradients reach every declared parameter, and nothing else changes.

    Adapters start as no change, so their first half gets its gradient in the second step.
    """
    pipeline = case.pipeline()
    built = case.build(pipeline)
    opened = pipeline.open(built.opens, lora_rank=built.lora_rank)
    groups = [*built.parameter_groups().values(), *opened.values()]
    declared = [p for group in groups for p in group]
    assert len({id(p) for p in declared}) == len(declared), "a parameter is in two groups"
    everything = _named(built, pipeline)
    before = {name: p.detach().clone() for name, p in everything.items()}
    reached: set[int] = set()
    if declared:
        optimiser = torch.optim.AdamW(declared, lr=1e-2, weight_decay=0.0)
    for step in range(3 if declared else 0):
        optimiser.zero_grad()
        _loss(built, pipeline, case.tokens(4, step), step).backward()
        reached |= {id(p) for p in declared if p.grad is not None and p.grad.any()}
        optimiser.step()
    ids = {id(p) for p in declared}
    for name, parameter in everything.items():
        if id(parameter) in ids:
            assert id(parameter) in reached, f"no gradient reaches {name}"
        else:
            assert torch.equal(parameter, before[name]), f"{name} moved and is not declared"


def survives_a_file(case: Case) -> None:
    """Saved and loaded, a conditioner gives the same conditioning."""
    pipeline = case.pipeline()
    one, other = case.build(pipeline, 0).eval(), case.build(pipeline, 1).eval()
    mean = torch.randn(case.n_tokens, case.embed_dim)
    one.set_token_statistics(mean, mean.abs() + 0.5)
    state = {name: value.contiguous() for name, value in one.state_dict().items()}
    other.load_state_dict(load(save(state)))
    for name, value in one(case.tokens(2)).present().items():
        assert torch.equal(value, other(case.tokens(2)).present()[name]), name
    for name, value in one.unconditional(2).present().items():
        assert torch.equal(value, other.unconditional(2).present()[name]), name


def _named(built: nn.Module, pipeline: Pipeline) -> dict[str, nn.Parameter]:
    """Return every parameter that training could touch."""
    named = {f"conditioner {name}": p for name, p in built.named_parameters()}
    for part in ("unet", "vae", "text_encoder"):
        model = getattr(pipeline, part)
        named |= {f"{part} {name}": p for name, p in model.named_parameters()}
    return named


def _loss(built: nn.Module, pipeline: Pipeline, tokens: Tensor, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    images = torch.randint(0, 256, (len(tokens), 3, 16, 16), generator=generator)
    latents, _ = pipeline.encode_images(images.byte())
    return pipeline.denoising_loss(
        built(tokens),
        latents,
        noise_BChw=torch.randn(latents.shape, generator=generator),
        timesteps_B=torch.randint(0, 1000, (len(tokens),), generator=generator),
    ).mean()


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    mark_is_whole,
    fields_are_what_it_provides,
    states_fit_the_denoiser,
    unconditional_is_one_for_all,
    same_seed_same_weights,
    batch_equals_single,
    tokens_matter,
    training_moves_what_it_declares,
    survives_a_file,
)


def check(cls: type, *, weights: Path, **params: Any) -> None:
    """Run every check on a conditioner class; raises AssertionError at the first promise broken.

    Parameters
    ----------
    cls : type
    weights : Path
        A diffusers folder, for example from
        `zoo.checks.tiny_stable_diffusion.write_tiny_stable_diffusion`.
    **params
        Keywords of the conditioner.
    """
    for promise in CHECKS:
        promise(Case(cls, weights, params))
