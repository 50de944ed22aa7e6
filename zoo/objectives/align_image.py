"""Align with images: contrast each trial's embedding with the features of the picture seen.

The symmetric InfoNCE loss of CLIP (Radford et al. 2021), as NICE (Song et al. 2024) and its
successors train EEG encoders: of all pictures of a batch, a trial has to point at its own, and the
picture at its trial.

The tower that makes the features is frozen and named, and runs once: ``pocket_judge`` (ships with
the pocket weights; knows drawings only), ``clip-vit-l-14`` (OpenAI, 768 wide, as NICE uses) or
``clip-vit-h-14`` (LAION-2B, 1024 wide, as ATM uses), read from ``DIR/<name>`` under
``--weights-root DIR``; what is missing is named with the command that fetches it.

Differences from NICE: the temperature is learned (there it is created but never given to the
optimiser), and trials of one batch that saw the same picture share the target instead of counting
as each other's negatives.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import BadParameters, component
from zoo.towers.table import unknown

#: Pictures whose features point the same way to this precision are the same picture.
SAME = 1 - 1e-5
#: CLIP's bounds of the temperature: it starts at 0.07 and never falls below 0.01.
FIRST, COLDEST = math.log(1 / 0.07), math.log(100)


@component(
    "objective",
    paper="10.48550/arXiv.2308.13234",
    license="BSD-3-Clause",
    target="image",
    tiny={"tower": "pocket_judge"},
)
class AlignImage(nn.Module):
    """Symmetric InfoNCE between EEG embeddings and image features, both of unit length.

    Parameters
    ----------
    n_tokens, embed_dim : int
        Shape of the tokens, L and D.
    target_width : int
        Width of the image features.
    tower : str
        What makes the image features: pocket_judge, clip-vit-l-14 or clip-vit-h-14.
    """

    def __init__(
        self, *, n_tokens: int, embed_dim: int, target_width: int, tower: str = "clip-vit-l-14"
    ):
        super().__init__()
        if (problem := unknown(tower, giving="features")) is not None:
            raise BadParameters(f"objective 'align_image' parameter 'tower': {problem}")
        self.head = nn.Linear(n_tokens * embed_dim, target_width)
        self.log_scale = nn.Parameter(torch.tensor(FIRST))

    def forward(self, tokens_BLD: Tensor, target: Tensor) -> Tensor:
        """Return the mean of both directions' cross-entropies (scalar).

        Parameters
        ----------
        tokens_BLD : Tensor (B, L, D)
        target : Tensor (B, target_width)
            Features of the picture that each trial saw.
        """
        with torch.no_grad():  # here, as beyond the bound `predict` would give it no gradient
            self.log_scale.clamp_(max=COLDEST)
        logits_BB = self.predict(tokens_BLD, target)
        image_BF = F.normalize(target, dim=1)
        same_BB = (image_BF @ image_BF.T >= SAME).float()
        same_BB.fill_diagonal_(1)
        share_BB = same_BB / same_BB.sum(1, keepdim=True)  # symmetric: serves both directions
        return (F.cross_entropy(logits_BB, share_BB) + F.cross_entropy(logits_BB.T, share_BB)) / 2

    def predict(self, tokens_BLD: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return the scaled cosine similarity to each candidate picture, (B, K).

        Parameters
        ----------
        tokens_BLD : Tensor (B, L, D)
        candidates : Tensor (K, target_width)
            Features of the pictures to choose from.

        Raises
        ------
        ValueError
            There are no candidates: pictures are ranked, no classes are named.
        """
        if candidates is None:
            raise ValueError(
                "align_image ranks pictures: predict needs their features as candidates"
            )
        eeg_BF = F.normalize(self.head(tokens_BLD.flatten(1)), dim=1)
        scale = self.log_scale.clamp(max=COLDEST).exp()
        return scale * eeg_BF @ F.normalize(candidates, dim=1).T
