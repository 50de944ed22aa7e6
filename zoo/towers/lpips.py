"""LPIPS (Zhang et al. 2018) as vectors: the squared distance of two pictures' vectors is LPIPS.

LPIPS sums over layers the mean over places of sum_c w_c (f_c - g_c)^2, f and g channel vectors of
unit length. With w_c >= 0 that is the squared Euclidean distance of one vector per picture that
stacks sqrt(w_c / places) f_c; so every picture passes the network once, however many pairs follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: What LPIPS adds to the squared length of a channel vector.
EPS = 1e-8


def vectors(layers: Sequence[Tensor], weights: Sequence[Tensor] | None = None) -> Tensor:
    """Return one vector per picture whose squared distances are LPIPS, (B, F).

    Parameters
    ----------
    layers : sequence of Tensor (B, c, h, w)
        Activations.
    weights : sequence of Tensor (c,), optional
        Of each layer's channels; 1 when omitted.
    """
    stacked = []
    for i, layer_BCHW in enumerate(layers):
        length = (layer_BCHW.square().sum(1, keepdim=True) + EPS).sqrt()
        share = 1 / layer_BCHW[0, 0].numel()
        weight = share if weights is None else weights[i].view(-1, 1, 1) * share
        stacked.append((layer_BCHW / length * weight**0.5).flatten(1))
    return torch.cat(stacked, 1)
