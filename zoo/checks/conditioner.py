"""What every conditioner promises: tokens to what the denoiser takes, sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from zoo.checks._case import Case, no_network
from zoo.checks.tiny_stable_diffusion import shared_tiny_stable_diffusion
from zoo.contracts import Conditioner, Conditioning, Pipeline
from zoo.registries import PIPELINES

TRAININGS = ("denoise", "regress", "none")
OPENS = ("none", "attn2", "attn2_lora", "unet", "unet_lora")
#: Shape of an encoder's tokens, (L, D).
TOKENS = (3, 5)


def tiny_pipeline(seed: int = 0) -> Pipeline:
    """Return a freshly loaded tiny Stable Diffusion, its weights drawn from `seed`."""
    pipeline = PIPELINES.create("stable_diffusion", weights="tiny", image_size=16)
    pipeline.load(shared_tiny_stable_diffusion(seed))
    return pipeline


def build(
    case: Case, pipeline: Pipeline, *, shape: tuple[int, int] = TOKENS, seed: int = 0
) -> Conditioner:
    """Return the conditioner for tokens of `shape`, with first weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]), no_network():
        torch.manual_seed(seed)
        n_tokens, embed_dim = shape
        return case.cls(
            n_tokens=n_tokens, embed_dim=embed_dim, pipeline=pipeline.info(), **case.params
        )


def tokens(batch: int = 4, *, shape: tuple[int, int] = TOKENS, seed: int = 0) -> Tensor:
    """Return random tokens (batch, L, D)."""
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(seed))


def mark_is_whole(case: Case) -> None:
    """The mark says what is provided and how it is trained, in known words."""
    mark = case.spec.meta
    known = {f.name for f in fields(Conditioning)}
    assert mark["provides"], "provides nothing"
    assert set(mark["provides"]) <= known, f"provides {mark['provides']}, known are {known}"
    assert mark["training"] in TRAININGS, mark["training"]
    built = build(case, tiny_pipeline())
    assert built.opens in OPENS, built.opens
    assert built.lora_rank >= 1, built.lora_rank


def fields_are_what_it_provides(case: Case) -> None:
    """Conditioning and its unconditional twin have the fields promised, in the same shapes."""
    built = build(case, tiny_pipeline())
    given = built(tokens()).present()
    empty = built.unconditional(4).present()
    assert set(given) == set(case.spec.meta["provides"]), set(given)
    shapes = {name: value.shape for name, value in given.items()}
    assert shapes == {name: value.shape for name, value in empty.items()}, shapes
    for name, value in [*given.items(), *empty.items()]:
        assert len(value) == 4, name
        assert torch.isfinite(value).all(), name


def states_fit_the_denoiser(case: Case) -> None:
    """``encoder_hidden_states`` has the denoiser's width and no more tokens than it knows."""
    pipeline = tiny_pipeline()
    states = build(case, pipeline)(tokens(2)).encoder_hidden_states
    if states is not None:
        assert states.shape[2] == pipeline.info().width, states.shape
        assert states.shape[1] >= 1, states.shape


def unconditional_is_one_for_all(case: Case) -> None:
    """What stands for "no EEG" is the same for every sample and every batch size."""
    built = build(case, tiny_pipeline())
    one, many = built.unconditional(1).present(), built.unconditional(3).present()
    for name, value in many.items():
        assert (value == one[name]).all(), name


def same_seed_same_weights(case: Case) -> None:
    """First weights come from torch's generator and from the pipeline alone."""
    one, twin, other = (build(case, tiny_pipeline(), seed=seed).state_dict() for seed in (0, 0, 1))
    for name, value in one.items():
        assert torch.equal(value, twin[name]), name
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def batch_equals_single(case: Case) -> None:
    """A sample's conditioning does not depend on its neighbours."""
    built = build(case, tiny_pipeline()).eval()
    tokens_BLD = tokens()
    whole = built(tokens_BLD).present()
    for i in range(4):
        for name, value in built(tokens_BLD[i : i + 1]).present().items():
            assert torch.allclose(value[0], whole[name][i], atol=1e-5), name


def tokens_matter(case: Case) -> None:
    """Different tokens give different conditioning."""
    built = build(case, tiny_pipeline()).eval()
    given = built(tokens(2)).present()
    assert any(not torch.allclose(value[0], value[1], atol=1e-6) for value in given.values())


def text_layers_are_those_of_forward(case: Case) -> None:
    """Where it tells its text layers: of one shape, the last its conditioning, the mask at work."""
    built = build(case, tiny_pipeline()).eval()
    if (tell := getattr(built, "text_layers", None)) is None:
        return
    layers, states = tell(tokens(2)), built(tokens(2)).encoder_hidden_states
    assert len(layers) >= 3, "input, at least one layer, and the end"
    assert {layer.shape for layer in layers} == {states.shape}, [tuple(x.shape) for x in layers]
    assert torch.allclose(layers[-1], states, atol=1e-6), "the last are not what forward gives"
    unmasked = tell(tokens(2), causal=False)
    assert torch.equal(unmasked[0], layers[0]), "the mask has no part in the input"
    assert not torch.allclose(unmasked[-1], layers[-1], atol=1e-6), "causal=False changes nothing"


def training_moves_what_it_declares(case: Case, shape: tuple[int, int] = TOKENS) -> None:
    """Gradients reach every declared parameter, and nothing else changes.

    Adapters start as no change, so their first half gets its gradient in the second step.
    """
    pipeline = tiny_pipeline()
    built = build(case, pipeline, shape=shape)
    opened = pipeline.open(built.opens, lora_rank=built.lora_rank)
    groups = [*built.parameter_groups().values(), *opened.values()]
    declared = [p for group in groups for p in group]
    assert len({id(p) for p in declared}) == len(declared), "a parameter is in two groups"
    everything = _named(built, pipeline)
    before = {name: p.detach().clone() for name, p in everything.items()}
    reached: set[int] = set()
    for step in range(2 if declared else 0):
        _loss(built, pipeline, tokens(seed=step, shape=shape), step).backward()
        reached |= {id(p) for p in declared if p.grad is not None and p.grad.any()}
        with torch.no_grad():
            for parameter in declared:
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad.sign()
                    parameter.grad = None
    ids = {id(p) for p in declared}
    for name, parameter in everything.items():
        if id(parameter) in ids:
            assert id(parameter) in reached, f"no gradient reaches {name}"
        else:
            assert torch.equal(parameter, before[name]), f"{name} moved and is not declared"


def survives_a_file(case: Case) -> None:
    """Saved and loaded, a conditioner gives the same conditioning.

    It is loaded beside another text encoder: what was looked up in the first is part of the state.
    """
    one = build(case, tiny_pipeline(), seed=0).eval()
    other = build(case, tiny_pipeline(seed=1), seed=1).eval()
    mean = torch.randn(TOKENS, generator=torch.Generator().manual_seed(2))
    one.set_token_statistics(mean, mean.abs() + 0.5)
    state = {name: value.contiguous() for name, value in one.state_dict().items()}
    other.load_state_dict(load(save(state)))
    for name, value in one(tokens(2)).present().items():
        assert torch.equal(value, other(tokens(2)).present()[name]), name
    for name, value in one.unconditional(2).present().items():
        assert torch.equal(value, other.unconditional(2).present()[name]), name


def _named(built: nn.Module, pipeline: Pipeline) -> dict[str, nn.Parameter]:
    """Return every parameter that training could touch."""
    named = {f"conditioner {name}": p for name, p in built.named_parameters()}
    for part in ("unet", "vae", "text_encoder"):
        model = getattr(pipeline, part)
        named |= {f"{part} {name}": p for name, p in model.named_parameters()}
    return named


def _loss(built: nn.Module, pipeline: Pipeline, tokens_BLD: Tensor, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    images = torch.randint(0, 256, (len(tokens_BLD), 3, 16, 16), generator=generator)
    latents, _ = pipeline.encode_images(images.byte())
    return pipeline.denoising_loss(
        built(tokens_BLD),
        latents,
        noise_BChw=torch.randn(latents.shape, generator=generator),
        timesteps_B=torch.randint(0, 1000, (len(tokens_BLD),), generator=generator),
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
    text_layers_are_those_of_forward,
    training_moves_what_it_declares,
    survives_a_file,
)
