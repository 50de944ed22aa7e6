"""braindecode's networks as encoders of one token: imported quietly, given a linear embedding."""

from __future__ import annotations

import math
import warnings
from types import ModuleType

from torch import Tensor, nn


def braindecode_models() -> ModuleType:
    """Return ``braindecode.models``.

    Importing it draws warnings that concern neither the caller nor us: MNE's about montages that it
    will rename, and deprecations inside its dependencies. Those alone are kept quiet, here alone.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Montage name", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import braindecode.models

    return braindecode.models


def embed(network: nn.Module, n_features: int, embed_dim: int) -> nn.Module:
    """Replace a network's classification layer by ``Linear(n_features, embed_dim)``.

    Parameters
    ----------
    network : Module
        A braindecode network with a ``final_layer``.
    n_features : int
        Values that reach the final layer per trial.
    embed_dim : int

    Returns
    -------
    Module
        The same network, mapping ``eeg_BCT`` to features ``(B, D)``.
    """
    network.final_layer = nn.Sequential(nn.Flatten(), nn.Linear(n_features, embed_dim))
    return network


def one_token(network: nn.Module, eeg_BCT: Tensor) -> Tensor:
    """Return the features as ``tokens_BLD`` with L = 1."""
    return network(eeg_BCT).unsqueeze(1)


def samples(seconds: float, sfreq: float) -> int:
    """Return a duration in samples, at least one."""
    return max(1, math.floor(seconds * sfreq + 0.5))
