"""EEG tokens through CLIP's own text transformer, in place of the embeddings of words.

Yang & Liu (2024), "A New Framework Combining Diffusion Models and the Convolution Classifier for
Generating Images from EEG Signals", Brain Sciences 14(5), 478, figure 1: EEG features, position
embedding, "FrozenCLIPEmbedder", cross-attention. Here: projection, CLIP's position embedding,
CLIP's text transformer and final layer norm, ``encoder_hidden_states``.

Chosen by us where the paper is silent: the position embedding is CLIP's own; the projection
starts at the token embeddings of "a photo of a"; "no EEG" (classifier-free guidance) is the empty
prompt's states from the untouched text encoder. CLIP's causal mask is kept: state i sees the
tokens up to i only.
"""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from registry import component
from registry.errors import BadParameters
from zoo.conditioners._clip import (
    NEUTRAL_CAPTION,
    encode_embeddings,
    layer_states,
    prompt_embeddings,
    prompt_states,
)
from zoo.conditioners._projection import Projection
from zoo.contracts import Conditioning, PipelineInfo


@component(
    "conditioner",
    paper="10.3390/brainsci14050478",
    license="BSD-3-Clause",
    provides=("encoder_hidden_states",),
    training="denoise",
    adds=(),
    tiny={"lora_rank": 2},
    train={
        "epochs": 50,
        "batch_size": 8,
        "lr": {
            "projection": 1e-3, "text_encoder": 1e-5, "attn2": 1e-5, "lora": 1e-4, "unet": 1e-5,
        },
    },
)  # fmt: skip
class ClipText(nn.Module):
    """Projection, then a copy of the pipeline's CLIP text transformer.

    Parameters
    ----------
    n_tokens, embed_dim : int
        Shape of the encoder's tokens.
    pipeline : PipelineInfo
        The denoiser it feeds; its text encoder is copied.
    text_encoder : str
        How the copy is trained: all of its layers (``trained``; not its position embedding, which
        the projection's offset makes superfluous), low-rank adapters on its attention (``lora``),
        or not at all (``frozen``).
    opens : str
        What is trained in the denoiser. ``attn2``: its cross-attention; ``unet``: all of it;
        ``attn2_lora``, ``unet_lora``: low-rank adapters on the attention.
    lora_rank : int
        Rank of the adapters, where there are any.

    Raises
    ------
    BadParameters
        The pipeline's text encoder is not a CLIP text model of the denoiser's width.
    """

    def __init__(
        self,
        *,
        n_tokens: int,
        embed_dim: int,
        pipeline: PipelineInfo,
        text_encoder: Literal["trained", "lora", "frozen"] = "trained",
        opens: Literal["none", "attn2", "attn2_lora", "unet", "unet_lora"] = "attn2",
        lora_rank: int = 8,
    ):
        super().__init__()
        self.opens, self.lora_rank = opens, lora_rank
        self.trains = text_encoder
        neutral_Mw = prompt_embeddings(pipeline, [NEUTRAL_CAPTION])[0]
        if neutral_Mw.shape[1] != pipeline.width:
            raise BadParameters(
                f"conditioner 'clip_text' needs a text encoder as wide as the denoiser's "
                f"cross-attention ({pipeline.width}); this pipeline's is {neutral_Mw.shape[1]} wide"
            )
        self.projection = Projection(n_tokens, embed_dim, neutral_Mw)
        self.register_buffer("empty", prompt_states(pipeline, [""])[0].clone())
        self.text_encoder = _own_copy(pipeline.text_encoder(), text_encoder, lora_rank)

    def set_token_statistics(self, mean_LD: Tensor, std_LD: Tensor) -> None:
        """Store the train mean and standard deviation of the tokens."""
        self.projection.set_statistics(mean_LD, std_LD)

    def forward(
        self,
        tokens_BLD: Tensor,
        *,
        subject_B: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Conditioning:
        """Return the conditioning; `subject_B` and `generator` are not used."""
        embeddings_BMw = self.projection(tokens_BLD)
        return Conditioning(
            encoder_hidden_states=encode_embeddings(self.text_encoder, embeddings_BMw)
        )

    def text_layers(self, tokens_BLD: Tensor, *, causal: bool = True) -> tuple[Tensor, ...]:
        """Return the states (B, M, width) at the transformer's input, after each layer, at the end.

        With `causal` false, as they would be if every state saw every token.
        """
        return layer_states(self.text_encoder, self.projection(tokens_BLD), causal=causal)

    def unconditional(self, batch: int) -> Conditioning:
        """Return the stock text encoder's states of the empty prompt, `batch` times."""
        return Conditioning(encoder_hidden_states=self.empty.expand(batch, -1, -1))

    def checkpoint_gradients(self) -> None:
        """Compute the text transformer's layers again in the backward pass."""
        self.text_encoder.gradient_checkpointing_enable({"use_reentrant": False})

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters by ``train.lr`` group."""
        groups = {"projection": list(self.projection.parameters())}
        opened = [p for p in self.text_encoder.parameters() if p.requires_grad]
        if opened:
            groups["lora" if self.trains == "lora" else "text_encoder"] = opened
        return groups


def _own_copy(stock: nn.Module, trains: str, lora_rank: int) -> nn.Module:
    """Return a copy of the text encoder without its word embeddings, opened as `trains` says."""
    own = copy.deepcopy(stock).requires_grad_(False)
    # Words never enter here, and in CLIP-L their table is a third of the parameters.
    own.embeddings.token_embedding = None
    if trains == "trained":
        # The position embedding stays: the projection's offset already moves every position.
        own.encoder.requires_grad_(True)
        own.final_layer_norm.requires_grad_(True)
    elif trains == "lora":
        from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(
            r=lora_rank,
            lora_alpha=lora_rank,
            target_modules=["q_proj", "k_proj", "v_proj", "out_proj"],
        )
        inject_adapter_in_model(config, own)
    return own
