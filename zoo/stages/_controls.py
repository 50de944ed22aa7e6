"""What stands in for a trial's own tokens in a control, and which trial each picture came from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zoo.contracts import DataError
from zoo.seeds import numpy_rng, torch_generator

#: Controls whose tokens replace the EEG's in training too.
TRAINED = ("class_label",)
CONTROLS = ("shuffled_eeg", *TRAINED)


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
