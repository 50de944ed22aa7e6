"""One linear map from EEG tokens to the denoiser's cross-attention input, past the text encoder.

The tokens are projected to the shape of a prompt's text states and handed to the denoiser as
diffusers' ``prompt_embeds``; the text encoder is only used to find where the map starts (the
states of "a photo of a") and what stands for "no EEG" (the states of the empty prompt).

Ours: the plainest path, against which the paper's detour through CLIP's text transformer
(``clip_text``) is measured.
"""

from __future__ import annotations

from typing import Literal

from registry import component
from zoo.conditioners._prompt_embeds import PromptEmbeds
from zoo.contracts import PipelineInfo


@component(
    "conditioner",
    license="BSD-3-Clause",
    provides=("encoder_hidden_states",),
    training="denoise",
    adds=(),
    tiny={},
    train={
        "epochs": 50,
        "batch_size": 8,
        "lr": {"projection": 1e-3, "attn2": 1e-5, "lora": 1e-4, "unet": 1e-5},
    },
)
class Linear(PromptEmbeds):
    """Linear projection to ``prompt_embeds``.

    Parameters
    ----------
    n_tokens, embed_dim : int
        Shape of the encoder's tokens.
    pipeline : PipelineInfo
        The denoiser it feeds.
    opens : str
        What is trained besides the projection. ``attn2``: the denoiser's cross-attention;
        ``unet``: all of it; ``attn2_lora``, ``unet_lora``: low-rank adapters on the attention.
    lora_rank : int
        Rank of the adapter, where one is opened.
    """

    def __init__(
        self,
        *,
        n_tokens: int,
        embed_dim: int,
        pipeline: PipelineInfo,
        opens: Literal["none", "attn2", "attn2_lora", "unet", "unet_lora"] = "attn2",
        lora_rank: int = 8,
    ):
        super().__init__(
            n_tokens=n_tokens,
            embed_dim=embed_dim,
            pipeline=pipeline,
            opens=opens,
            lora_rank=lora_rank,
        )
