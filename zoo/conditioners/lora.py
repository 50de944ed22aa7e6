"""A linear map to the cross-attention's input, and low-rank adapters on that cross-attention.

The path of the tokens is that of ``linear``; what is opened is a LoRA (Hu et al. 2022) on
``to_q to_k to_v to_out.0`` of every cross-attention. The trained denoiser part is then a small
adapter (3 MB for Stable Diffusion 1.x at rank 8) that stock diffusers loads
(``pipeline.load_lora_weights``); the projection is trained beside it.
"""

from __future__ import annotations

from registry import component
from zoo.conditioners._prompt_embeds import PromptEmbeds
from zoo.contracts import PipelineInfo


@component(
    "conditioner",
    paper="10.48550/arXiv.2106.09685",
    license="BSD-3-Clause",
    provides=("encoder_hidden_states",),
    training="denoise",
    opens="attn2_lora",
    adds=(),
    tiny={"lora_rank": 2},
    train={
        "epochs": 50,
        "batch_size": 8,
        "lr": {"projection": 1e-3, "attn2": 1e-5, "lora": 1e-4, "unet": 1e-5},
    },
)
class Lora(PromptEmbeds):
    """Linear projection to ``prompt_embeds`` with LoRA on the cross-attention.

    Parameters
    ----------
    n_tokens, embed_dim : int
        Shape of the encoder's tokens.
    pipeline : PipelineInfo
        The denoiser it feeds.
    lora_rank : int
        Rank of the adapter; its scale is 1 (alpha = rank).
    """

    def __init__(
        self, *, n_tokens: int, embed_dim: int, pipeline: PipelineInfo, lora_rank: int = 8
    ):
        super().__init__(
            n_tokens=n_tokens,
            embed_dim=embed_dim,
            pipeline=pipeline,
            opens="attn2_lora",
            lora_rank=lora_rank,
        )
