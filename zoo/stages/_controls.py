"""What stands in for a trial's own tokens in a control, and which trial each picture came from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from zoo.contracts import DataError, SignalInfo
from zoo.controls import CONTROLS
from zoo.seeds import numpy_rng, torch_generator
from zoo.stages._encoder import build_encoder, tokens_of_each

#: Controls whose tokens replace the EEG's in training too.
TRAINED = tuple(name for name, control in CONTROLS.items() if control.trained)


def derangement(subject_N: np.ndarray, seed: int) -> np.ndarray:
    """Return for each trial the position of another trial of the same subject.

    Classes are ignored, no trial keeps its own, each is given away once. The draw is a random
    cycle through a subject's trials, named by the seed and the subject alone.

    Raises
    ------
    DataError
        A subject has one trial only.
    """
    source_N = np.empty(len(subject_N), np.int64)
    for subject in np.unique(subject_N):
        own = np.flatnonzero(subject_N == subject)
        if len(own) < 2:
            raise DataError(
                f"control 'shuffled_eeg' swaps the EEG among the test trials of a subject, and "
                f"subject {int(subject)} has one; leave the control out or select more trials"
            )
        cycle = own[numpy_rng(seed, "shuffled_eeg", int(subject)).permutation(len(own))]
        source_N[cycle] = np.roll(cycle, 1)
    return source_N


def class_codes(n_classes: int, n_tokens: int, embed_dim: int) -> Tensor:
    """Return one standard normal code (L, D) per class, (n_classes, L, D).

    The codes depend on the class and on the shape alone, not on the recipe's seed.
    """
    return torch.stack(
        [
            torch.randn(n_tokens, embed_dim, generator=torch_generator(0, "class_label", k))
            for k in range(n_classes)
        ]
    )


def zero_tokens(encode: Path, subject_N: np.ndarray, *, device: str) -> Tensor:
    """Return the tokens (N, L, D) of an EEG that is zero throughout, for each trial's subject.

    Zero is meant after normalisation: the mean of the training trials where that is by channel.

    Parameters
    ----------
    encode : Path
        What the stage encode published.
    subject_N : array (N,)
        Subjects without training trials count as unseen, as in `encode`.
    device : str
    """
    built = json.loads((encode / "encoder.json").read_text(encoding="utf-8"))
    signal = SignalInfo.from_json(built["signal"])
    encoder = build_encoder({"name": built["name"], "params": built["params"]}, signal, seed=0)
    encoder.load_state_dict(load_file(encode / "encoder.safetensors"))
    encoder.eval().to(device)
    known_N = np.where(np.isin(subject_N, built["trained_subjects"]), subject_N, -1)
    subjects, of_trial_N = np.unique(known_N, return_inverse=True)
    tokens_SLD = tokens_of_each(
        encoder,
        torch.zeros(len(subjects), signal.n_chans, signal.n_times, device=device),
        torch.from_numpy(subjects.astype(np.int64)).to(device),
    )
    # As coarse as the published tokens of the real trials.
    return tokens_SLD.cpu().half().float()[torch.from_numpy(of_trial_N)]
