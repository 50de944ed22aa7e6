"""The random numbers of a training batch, drawn by trial: nobody depends on its neighbours.

Each trial of each batch has a stream of its own (the counter-based generator Philox, keyed by the
seed and the trial, counted by the batch). So several processes can draw their shares, and two
conditioners or a control see the same noise. A stream costs 8 microseconds to start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.seeds import named_seed


@dataclass(frozen=True)
class Drawn:
    """What was drawn for B trials of a batch.

    Parameters
    ----------
    noise_BChw, spread_BChw : Tensor, float32
        Standard normal: the noise to be predicted, the place within a picture's latents.
    jitter_BLD : Tensor, float32, or None
        Standard normal noise for the tokens, where there is to be some.
    share_B : Tensor, float32
        In [0, 1): stratified, one from each equal share of the whole batch.
    uniform_B : Tensor, float32
        In [0, 1): whether the condition is kept.
    """

    noise_BChw: Tensor
    spread_BChw: Tensor
    jitter_BLD: Tensor | None
    share_B: Tensor
    uniform_B: Tensor


class Draws:
    """Draws by trial.

    Parameters
    ----------
    seed : int
    trial_id : array of str (N,)
        The training trials.
    """

    def __init__(self, seed: int, trial_id: np.ndarray):
        self.seed = named_seed(seed, "noise")
        self.trial_N = np.array([named_seed(0, "trial", str(name)) for name in trial_id], np.uint64)

    def batch(
        self,
        indices: np.ndarray,
        batch: int,
        part: slice,
        *,
        latent: tuple[int, ...],
        tokens: tuple[int, ...] | None,
    ) -> Drawn:
        """Return the draws of one part of a batch.

        Parameters
        ----------
        indices : array (n,), int64
            The trials of the whole batch.
        batch : int
            Batches since the start of the training.
        part : slice
            Which of them are wanted.
        latent, tokens : shape of one sample
            `tokens` is None where none are to be jittered.
        """
        places = range(*part.indices(len(indices)))
        noise = np.empty((len(places), *latent), np.float32)
        spread = np.empty_like(noise)
        jitter = None if tokens is None else np.empty((len(places), *tokens), np.float32)
        uniform = np.empty((len(places), 2), np.float32)
        for i, place in enumerate(places):
            key = np.array([self.seed, self.trial_N[indices[place]]], np.uint64)
            philox = np.random.Philox(key=key, counter=np.array([0, 0, 0, batch], np.uint64))
            stream = np.random.Generator(philox)
            stream.random(out=uniform[i], dtype=np.float32)
            stream.standard_normal(out=noise[i], dtype=np.float32)
            stream.standard_normal(out=spread[i], dtype=np.float32)
            if jitter is not None:  # last, so that no other draw depends on the tokens' shape
                stream.standard_normal(out=jitter[i], dtype=np.float32)
        share = (np.asarray(places, np.float32) + uniform[:, 0]) / len(indices)
        return Drawn(
            noise_BChw=torch.from_numpy(noise),
            spread_BChw=torch.from_numpy(spread),
            jitter_BLD=None if jitter is None else torch.from_numpy(jitter),
            share_B=torch.from_numpy(share.astype(np.float32)),
            uniform_B=torch.from_numpy(uniform[:, 1].copy()),
        )
