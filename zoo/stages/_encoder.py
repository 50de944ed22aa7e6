"""What stages do with encoders: build one for a signal, normalise EEG, run it over many trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.contracts import SignalInfo
from zoo.registries import ENCODERS, OBJECTIVES
from zoo.seeds import named_seed

#: Trials per forward pass outside training; fixed, so that results do not depend on memory.
BATCH = 128


def build_encoder(block: dict[str, Any], signal: SignalInfo, *, seed: int) -> nn.Module:
    """Return the encoder ``{"name", "params"}`` for `signal`, its first weights named by `seed`.

    Raises
    ------
    ComponentError
        There is no such encoder, or its parameters do not fit.
    """
    takes = {parameter.name for parameter in ENCODERS.spec(block["name"]).parameters}
    supplied = {
        "n_chans": signal.n_chans,
        "n_times": signal.n_times,
        "sfreq": signal.sfreq,
        "n_subjects": signal.n_subjects,
        "ch_names": list(signal.ch_names),
        "ch_pos": signal.ch_pos,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named_seed(seed, "encoder"))
        return ENCODERS.create(
            block["name"],
            **{name: value for name, value in supplied.items() if name in takes},
            **block["params"],
        )


def build_objective(
    block: dict[str, Any], *, n_tokens: int, embed_dim: int, supplied: dict[str, int], seed: int
) -> nn.Module:
    """Return the objective ``{"name", "params"}``, its first weights named by `seed`.

    `supplied` may hold ``n_outputs`` (classes) and ``target_width`` (of image features); the
    objective is given what its constructor takes.
    """
    takes = {parameter.name for parameter in OBJECTIVES.spec(block["name"]).parameters}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named_seed(seed, "objective"))
        return OBJECTIVES.create(
            block["name"],
            n_tokens=n_tokens,
            embed_dim=embed_dim,
            **{name: value for name, value in supplied.items() if name in takes},
            **block["params"],
        )


def normalised(eeg_NCT: np.ndarray, how: str, mean_C: np.ndarray, std_C: np.ndarray) -> np.ndarray:
    """Return float32 EEG as the data set's ``normalise`` asks.

    Parameters
    ----------
    eeg_NCT : array (N, C, T)
    how : {"channel", "trial", "none"}
        By the training trials' mean and deviation of each channel; by each trial's own of each
        channel; not at all. A channel that never moves becomes zero.
    mean_C, std_C : arrays (C,)
        Of the training trials.
    """
    eeg_NCT = np.asarray(eeg_NCT, dtype=np.float32)
    if how == "none":
        return eeg_NCT
    if how == "channel":
        mean, std = (np.float32(values)[None, :, None] for values in (mean_C, std_C))
    else:
        assert how == "trial", how
        mean, std = eeg_NCT.mean(2, keepdims=True), eeg_NCT.std(2, keepdims=True)
    moves = std > 1e-6 * np.abs(mean)  # not only rounding errors of a constant
    safe = np.where(moves, std, 1)
    scaled = eeg_NCT - mean
    scaled /= safe  # in place: full-size sets are gigabytes
    return scaled


@torch.no_grad()
def tokens_of(encoder: nn.Module, eeg_NCT: Tensor, subject_N: Tensor) -> Tensor:
    """Return the tokens of all trials ``(N, L, D)``, computed in batches of a fixed size."""
    assert not encoder.training, "tokens are computed in evaluation mode"
    parts = zip(eeg_NCT.split(BATCH), subject_N.split(BATCH), strict=True)
    return torch.cat([encoder(eeg_BCT, subject_B) for eeg_BCT, subject_B in parts])


def tokens_of_each(encoder: nn.Module, eeg_NCT: Tensor, subject_N: Tensor) -> Tensor:
    """Return the tokens (N, L, D), the last batch filled up to the size of the others.

    Libraries sum in another order where a batch holds a few trials only. Filled up, a trial's
    tokens are the same bits whether it comes alone or among others.
    """
    lacking = -len(eeg_NCT) % BATCH
    filled = [torch.cat([part, part[-1:].expand(lacking, *part.shape[1:])])
              for part in (eeg_NCT, subject_N)]  # fmt: skip
    return tokens_of(encoder, *filled)[: len(eeg_NCT)]


@torch.no_grad()
def settle_batch_norm(encoder: nn.Module, eeg_NCT: Tensor, subject_N: Tensor) -> None:
    """Measure batch norm's statistics anew on `eeg_NCT`, as the encoder is in evaluation.

    The averages kept while training saw dropout, which widens what every later norm is fed: without
    it the features sit elsewhere and the border between classes has moved. One norm after the
    other, each sees what the settled ones before it give.

    Parameters
    ----------
    encoder : module in evaluation mode
    eeg_NCT, subject_N : Tensor
        Training trials, all of them.
    """
    n_batches = -(-len(eeg_NCT) // BATCH)  # of equal size, as each counts the same
    parts = eeg_NCT.tensor_split(n_batches), subject_N.tensor_split(n_batches)
    batches = list(zip(*parts, strict=True))
    for norm in _norms_as_they_run(encoder, batches):
        momentum, norm.momentum = norm.momentum, None  # None: plain mean over the batches
        norm.reset_running_stats()
        norm.train()
        for eeg_BCT, subject_B in batches:
            encoder(eeg_BCT, subject_B)
        norm.eval()
        norm.momentum = momentum


def _norms_as_they_run(
    encoder: nn.Module, batches: list[tuple[Tensor, Tensor]]
) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the batch norms that the trials reach, in the order in which they first do.

    Encoders may register their parts in another order than the one in which they call them.
    """
    reached: dict[nn.modules.batchnorm._BatchNorm, None] = {}
    hooks = [
        module.register_forward_pre_hook(lambda norm, _args: reached.setdefault(norm))
        for module in encoder.modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
    ]
    for eeg_BCT, subject_B in batches if hooks else []:
        encoder(eeg_BCT, subject_B)
    for hook in hooks:
        hook.remove()
    return list(reached)
