"""What every encoder promises: EEG of any geometry to finite tokens, trial by trial, trainable."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from zoo.checks._case import Case, no_network

#: (n_chans, n_times, sfreq): THINGS-EEG2, the paper's recordings, a consumer headset, 17 channels.
GEOMETRIES = ((63, 250, 250.0), (128, 440, 1000.0), (4, 256, 256.0), (17, 250, 250.0))
SMALL = (17, 250, 250.0)
N_SUBJECTS = 3


def build(case: Case, geometry: tuple[int, int, float] = SMALL, *, seed: int = 0) -> nn.Module:
    """Return the encoder for a geometry, with weights drawn from `seed`, in evaluation mode."""
    n_chans, n_times, sfreq = geometry
    takes = {parameter.name for parameter in case.spec.parameters}
    supplied: dict[str, Any] = {
        "n_chans": n_chans,
        "n_times": n_times,
        "sfreq": sfreq,
        "n_subjects": N_SUBJECTS,
        "ch_names": [f"E{i}" for i in range(1, n_chans + 1)],
        "ch_pos": [(0.09 * i / n_chans, 0.0, 0.05) for i in range(n_chans)],
    }
    with torch.random.fork_rng(devices=[]), no_network():
        torch.manual_seed(seed)
        given = {name: value for name, value in supplied.items() if name in takes}
        return case.cls(**given, **case.params).eval()


def eeg(geometry: tuple[int, int, float] = SMALL, batch: int = 4, *, seed: int = 0) -> Tensor:
    """Return standardised noise ``(B, C, T)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *geometry[:2], generator=generator)


def subjects(batch: int = 4) -> Tensor:
    """Return subject numbers ``(B,)``."""
    return torch.arange(batch) % N_SUBJECTS


def within_limits(case: Case) -> list[tuple[int, int, float]]:
    """Return the geometries that the mark's ``limits`` ({"n_chans": [low, high], ...}) allow."""
    limits = case.spec.meta.get("limits", {})
    names = ("n_chans", "n_times", "sfreq")

    def allowed(geometry: tuple[int, int, float]) -> bool:
        bounds = (limits.get(name, (0, float("inf"))) for name in names)
        return all(b[0] <= v <= b[1] for v, b in zip(geometry, bounds, strict=True))

    return [geometry for geometry in GEOMETRIES if allowed(geometry)]


def tokens_have_the_promised_shape(case: Case) -> None:
    """Every geometry gives finite float32 tokens (B, n_tokens, embed_dim), as the mark says."""
    geometries = within_limits(case)
    assert geometries, f"limits {case.spec.meta['limits']} leave no geometry to check"
    for geometry in geometries:
        encoder = build(case, geometry)
        with no_network(), torch.no_grad():
            tokens_BLD = encoder(eeg(geometry, 2), subjects(2))
        assert tokens_BLD.shape == (2, encoder.n_tokens, encoder.embed_dim), tokens_BLD.shape
        assert tokens_BLD.dtype == torch.float32, tokens_BLD.dtype
        assert tokens_BLD.isfinite().all(), geometry
    declared = case.spec.meta.get("tokens")
    assert declared, "@component('encoder', tokens=(L, D)) is missing"
    defaults = {p.name: p.default for p in case.spec.parameters} | case.params
    shape = tuple(defaults[part] if isinstance(part, str) else part for part in declared)
    assert shape == (encoder.n_tokens, encoder.embed_dim), f"the mark says tokens={declared}"


def wrong_shape_is_refused(case: Case) -> None:
    """Other channels or samples than it was built for are an error that names both."""
    encoder = build(case)
    n_chans, n_times, _ = SMALL
    for wrong in ((n_chans + 1, n_times), (n_chans, n_times - 1)):
        said = "nothing"
        try:
            encoder(torch.zeros(2, *wrong), subjects(2))
        except ValueError as error:
            said = str(error)
        expected = f"was built for ({n_chans}, {n_times}), got ({wrong[0]}, {wrong[1]})"
        assert expected in said, f"expected an error that says {expected!r}, got {said!r}"


def batch_equals_single(case: Case) -> None:
    """A trial's tokens do not depend on the trials beside it."""
    encoder, x = build(case), eeg()
    with torch.no_grad():
        together = encoder(x, subjects())
        alone = torch.cat([encoder(x[i : i + 1], subjects()[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def evaluation_repeats(case: Case) -> None:
    """In evaluation mode the same EEG gives the same tokens, and nothing is learned from it."""
    encoder, x = build(case), eeg()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.no_grad():
        first, second = encoder(x, subjects()), encoder(x, subjects())
    assert torch.equal(first, second)
    changed = [n for n, v in encoder.state_dict().items() if not torch.equal(v, before[n])]
    assert not changed, f"changed by looking: {changed}"


def every_channel_matters(case: Case) -> None:
    """No channel is left out."""
    gradient_CT = _input_gradient(case)
    deaf = (gradient_CT.amax(1) == 0).nonzero().flatten().tolist()
    assert not deaf, f"channels without influence: {deaf}"


def time_matters(case: Case) -> None:
    """Every eighth of the window counts, and so does the direction of time."""
    gradient_CT = _input_gradient(case)
    parts = [part.abs().sum().item() for part in gradient_CT.chunk(8, dim=1)]
    assert min(parts) > 0, f"influence of the eighths of the window: {parts}"
    encoder, x = build(case), eeg()
    with torch.no_grad():
        assert not torch.allclose(encoder(x, subjects()), encoder(x.flip(2), subjects()))


def unseen_subjects_are_taken(case: Case) -> None:
    """Subject -1 (never seen in training) gives finite tokens."""
    with torch.no_grad():
        tokens_BLD = build(case)(eeg(), torch.full((4,), -1))
    assert tokens_BLD.isfinite().all()


def same_seed_same_weights(case: Case) -> None:
    """Weights come from torch's generator alone, and the constructor does not seed it."""
    one, same, other = build(case), build(case), build(case, seed=1)
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name]), name
    values = zip(one.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in values), "another seed gives the same weights"


def gradients_reach_every_parameter(case: Case) -> None:
    """After one step, every trainable parameter has a finite gradient that is not zero."""
    encoder = build(case).train()
    optimiser = torch.optim.SGD(encoder.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(1)
    x = eeg(batch=8)
    for _ in range(2):  # some parameters (adapters) get a gradient only after the first step
        optimiser.zero_grad(set_to_none=True)
        tokens_BLD = encoder(x, subjects(8))
        (tokens_BLD * torch.randn(tokens_BLD.shape, generator=generator)).sum().backward()
        optimiser.step()
    trainable = [(n, p.grad) for n, p in encoder.named_parameters() if p.requires_grad]
    missing = [n for n, g in trainable if g is None or not g.isfinite().all() or not g.any()]
    assert not missing, f"no gradient reaches {missing}"


def gradients_do_not_hang_on_the_kernel(case: Case) -> None:
    """The gradients of oneDNN's kernels, torch's default on CPUs, are those of torch's own.

    Of some convolutions they are not: output one column wide and 14 to 19 wide kernels, or padded
    and as high as the maps. Nothing else shows it; the loss falls, only less.
    """
    for geometry in within_limits(case):
        encoder = build(case, geometry)
        default = _gradients(encoder, geometry, onednn=True)
        own = _gradients(encoder, geometry, onednn=False)
        largest = max(float(gradient.norm()) for gradient in own.values())
        for name, gradient in own.items():
            off = float((default[name] - gradient).norm())
            assert off <= 0.01 * float(gradient.norm()) + 1e-4 * largest, (
                f"the gradient of {name} at (n_chans, n_times, sfreq) = {geometry} hangs on "
                "torch.backends.mkldnn: write its convolution in another way (over time alone, "
                "or padded before it)"
            )


def weights_survive_safetensors(case: Case) -> None:
    """Saved and loaded into a fresh encoder, the weights give the same tokens."""
    encoder, fresh = build(case), build(case, seed=1)
    with torch.no_grad():
        encoder.train()(eeg(seed=1), subjects())  # so that running statistics have moved
    fresh.load_state_dict(load(save(encoder.state_dict())))
    with torch.no_grad():
        assert torch.equal(encoder.eval()(eeg(), subjects()), fresh(eeg(), subjects()))


def learns_sixteen_trials(case: Case) -> None:
    """With a linear head and dropout off, it learns sixteen trials of noise by heart."""
    encoder = build(case).train()
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x, label = eeg(batch=16), torch.arange(16) % 4
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = nn.Linear(encoder.n_tokens * encoder.embed_dim, 4)
        optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 1e-2)
        for _step in range(200):
            logits = head(encoder(x, subjects(16)).flatten(1))
            right = int((logits.argmax(1) == label).sum())
            if right >= 15:
                return
            optimiser.zero_grad()
            nn.functional.cross_entropy(logits, label).backward()
            optimiser.step()
    raise AssertionError(f"{right} of 16 after 200 steps")


def _gradients(
    encoder: nn.Module, geometry: tuple[int, int, float], *, onednn: bool
) -> dict[str, Tensor]:
    """Return the gradient of every trainable parameter it reaches."""
    encoder.zero_grad(set_to_none=True)
    generator = torch.Generator().manual_seed(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="TF32 acceleration")  # torch's, of its own flags
        with torch.backends.mkldnn.flags(enabled=onednn):
            tokens_BLD = encoder(eeg(geometry), subjects())
            (tokens_BLD * torch.randn(tokens_BLD.shape, generator=generator)).sum().backward()
    return {n: p.grad for n, p in encoder.named_parameters() if p.grad is not None}


def _input_gradient(case: Case) -> Tensor:
    """Return the absolute influence of every input value, summed over a batch, ``(C, T)``."""
    encoder, x = build(case), eeg().requires_grad_()
    tokens_BLD = encoder(x, subjects())
    generator = torch.Generator().manual_seed(1)
    (tokens_BLD * torch.randn(tokens_BLD.shape, generator=generator)).sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum(0)


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    tokens_have_the_promised_shape,
    wrong_shape_is_refused,
    batch_equals_single,
    evaluation_repeats,
    every_channel_matters,
    time_matters,
    unseen_subjects_are_taken,
    same_seed_same_weights,
    gradients_reach_every_parameter,
    gradients_do_not_hang_on_the_kernel,
    weights_survive_safetensors,
    learns_sixteen_trials,
)
