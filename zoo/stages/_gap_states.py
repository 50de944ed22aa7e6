"""States made from EEG and from real text at every depth, and the inner products of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from registry.errors import UserError
from zoo.contracts import Conditioner, PipelineInfo
from zoo.stages._prompts import prompt_ids

#: 0: the text transformer's input; k: after its layer k; None: the final states, which the denoiser
#: reads; "unmasked": those as they would be without the causal mask.
Place = int | str | None
FINAL, UNMASKED = None, "unmasked"

#: Trials in one forward pass.
BATCH = 128
#: Features that are multiplied out at once, in double precision.
BLOCK = 4096
#: Bytes of states held at once; with more, the forward pass is done again for further depths.
HELD = 1_500_000_000
#: A feature that varies less than this share of the average one is not blown up to unit variance.
LEAST_STD = 1e-3


@torch.no_grad()
def real_text(info: PipelineInfo, prompts: Sequence[str]) -> dict[Place, np.ndarray]:
    """Return the stock text encoder's states (K, M, w) of prompts at every depth."""
    encoder = info.text_encoder()
    ids_KM = prompt_ids(info, prompts)
    found = encoder(ids_KM.to(encoder.device), output_hidden_states=True)
    layers = {**dict(enumerate(found.hidden_states)), FINAL: found.last_hidden_state}
    return {place: _array(states) for place, states in layers.items()}


@torch.no_grad()
def places(conditioner: Conditioner, one_1LD: Tensor, text: dict[Place, np.ndarray]) -> list[Place]:
    """Return the depths at which a conditioner tells its states of tokens; `one_1LD` is a trial's.

    Raises
    ------
    UserError
        It has other layers than the pipeline's text encoder.
    """
    tell = getattr(conditioner, "text_layers", None)
    if tell is None:
        return [FINAL]
    if (told := len(tell(one_1LD))) != len(text):
        raise UserError(
            f"{type(conditioner).__name__}.text_layers gives {told} states, the pipeline's text "
            f"encoder {len(text)}: its input, after each of its layers, and its end"
        )
    return [*text, UNMASKED]


def by_memory(wanted: Sequence[Place], n_trials: int, states: int) -> Iterator[list[Place]]:
    """Yield the depths in groups whose states (so many float32 numbers a trial) fit into `HELD`."""
    step = max(1, HELD // (4 * n_trials * states))
    for start in range(0, len(wanted), step):
        yield list(wanted[start : start + step])


@torch.no_grad()
def made(
    conditioner: Conditioner, tokens_NLD: Tensor, wanted: Sequence[Place], device: str
) -> dict[Place, np.ndarray]:
    """Return the states (N, M, w) that a conditioner makes of tokens, at the depths wanted."""
    found: dict[Place, np.ndarray] = {}
    for start in range(0, len(tokens_NLD), BATCH):
        part = slice(start, start + BATCH)
        at = _at(conditioner, tokens_NLD[part].to(device), wanted)
        for place in wanted:
            if place not in found:
                found[place] = np.empty((len(tokens_NLD), *at[place].shape[1:]), np.float32)
            found[place][part] = _array(at[place])
    return found


def _at(
    conditioner: Conditioner, tokens_BLD: Tensor, wanted: Sequence[Place]
) -> dict[Place, Tensor]:
    tell = getattr(conditioner, "text_layers", None)
    if tell is None:
        states = conditioner(tokens_BLD).encoder_hidden_states  # type: ignore[operator]
        return {FINAL: states}
    found: dict[Place, Tensor] = {}
    if any(place != UNMASKED for place in wanted):
        *layers, final = tell(tokens_BLD)
        found = {**dict(enumerate(layers)), FINAL: final}
    if UNMASKED in wanted:
        found[UNMASKED] = tell(tokens_BLD, causal=False)[-1]
    return found


@torch.no_grad()
def without_mask(
    conditioner: Conditioner, tokens_NLD: Tensor, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far final states move without the mask, and their length, both squared, (N,)."""
    moved, energy = [], []
    for start in range(0, len(tokens_NLD), BATCH):
        part = tokens_NLD[start : start + BATCH].to(device)
        at = _at(conditioner, part, [FINAL, UNMASKED])
        final, unmasked = (np.float64(_array(at[place])) for place in (FINAL, UNMASKED))
        moved.append(np.square(unmasked - final).sum((1, 2)))
        energy.append(np.square(final).sum((1, 2)))
    return np.concatenate(moved), np.concatenate(energy)


@dataclass(frozen=True)
class Products:
    """Inner products of states at one depth, in double precision.

    Parameters
    ----------
    both : array (N + K, N + K)
        Of the states of N scored trials, then of the real text of K classes.
    normalised : array (N, N)
        Of the scored trials' states, each token at mean 0 and deviation 1 over its features.
    behind : array (N, N)
        Of the scored trials' states, token j (from 0) scaled by the root of j.
    train : array (P, P)
        Of P training trials, each feature at mean 0 and deviation 1 over them.
    test : array (N, P)
        Of the scored trials on the same scale and the training trials.
    """

    both: np.ndarray
    normalised: np.ndarray
    behind: np.ndarray
    train: np.ndarray
    test: np.ndarray


def products(train_PMw: np.ndarray, test_NMw: np.ndarray, text_KMw: np.ndarray) -> Products:
    """Multiply states out, a few tokens at a time."""
    (n, n_tokens, width), p, k = test_NMw.shape, len(train_PMw), len(text_KMw)
    found = Products(
        both=np.zeros((n + k, n + k)),
        normalised=np.zeros((n, n)),
        behind=np.zeros((n, n)),
        train=np.zeros((p, p)),
        test=np.zeros((n, p)),
    )
    least = LEAST_STD * _deviation(train_PMw)
    for part in _blocks(n_tokens, width):
        test_NMb, train_PF = np.float64(test_NMw[:, part]), _flat(train_PMw[:, part])
        both = np.concatenate([_flat(test_NMb), _flat(text_KMw[:, part])])
        found.both[:] += both @ both.T
        own = test_NMb - test_NMb.mean(2, keepdims=True)
        own /= np.maximum(own.std(2, keepdims=True), 1e-12)
        own = _flat(own)
        found.normalised[:] += own @ own.T
        scaled = _flat(test_NMb * np.sqrt(np.arange(n_tokens)[part, None]))
        found.behind[:] += scaled @ scaled.T
        mean_F, std_F = train_PF.mean(0), train_PF.std(0)
        std_F = np.maximum(std_F, max(least, 1e-12))
        train_PF = (train_PF - mean_F) / std_F
        found.train[:] += train_PF @ train_PF.T
        found.test[:] += ((_flat(test_NMb) - mean_F) / std_F) @ train_PF.T
    return found


def _deviation(states_NMw: np.ndarray) -> float:
    """Return the root mean square deviation over the trials."""
    parts = [
        np.float64(states_NMw[:, part]).var(0).sum() for part in _blocks(*states_NMw.shape[1:])
    ]
    return float(np.sqrt(sum(parts) / states_NMw[0].size))


def _blocks(n_tokens: int, width: int) -> Iterator[slice]:
    step = max(1, BLOCK // width)
    yield from (slice(start, start + step) for start in range(0, n_tokens, step))


def _flat(states: np.ndarray) -> np.ndarray:
    return np.float64(states).reshape(len(states), int(np.prod(states.shape[1:])))


def _array(states: Tensor) -> np.ndarray:
    return states.detach().float().cpu().numpy()
