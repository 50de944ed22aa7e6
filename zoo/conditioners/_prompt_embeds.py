"""Tokens straight to the cross-attention's input, past the text encoder: shared by linear, lora."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.conditioners._clip import NEUTRAL_CAPTION, prompt_states
from zoo.conditioners._projection import Projection
from zoo.contracts import Conditioning, PipelineInfo


class PromptEmbeds(nn.Module):
    """The projection's output *is* ``encoder_hidden_states`` (diffusers' ``prompt_embeds``).

    Parameters
    ----------
    n_tokens, embed_dim : int
        Shape of the encoder's tokens.
    pipeline : PipelineInfo
    opens : str
        What the pipeline opens for training.
    lora_rank : int
        Rank of the adapter, where it opens one.
    """

    def __init__(
        self, *, n_tokens: int, embed_dim: int, pipeline: PipelineInfo, opens: str, lora_rank: int
    ):
        super().__init__()
        self.opens, self.lora_rank = opens, lora_rank
        neutral_Mw, empty_Mw = prompt_states(pipeline, [NEUTRAL_CAPTION, ""])
        self.projection = Projection(n_tokens, embed_dim, neutral_Mw)
        self.register_buffer("empty", empty_Mw.clone())

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
        return Conditioning(encoder_hidden_states=self.projection(tokens_BLD))

    def unconditional(self, batch: int) -> Conditioning:
        """Return the stock text encoder's states of the empty prompt, `batch` times."""
        return Conditioning(encoder_hidden_states=self.empty.expand(batch, -1, -1))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters by ``train.lr`` group."""
        return {"projection": list(self.projection.parameters())}
