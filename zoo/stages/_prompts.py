"""The stock text prompts of classes, and what the denoiser's own text encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.contracts import PipelineInfo


def class_prompt(name: str) -> str:
    """Return "a photo of a <class>", or "an" before a vowel."""
    return f"a photo of {'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def prompt_ids(info: PipelineInfo, prompts: Sequence[str]) -> Tensor:
    """Return the token ids (P, M) of prompts, padded to the text encoder's length."""
    return info.tokenizer()(
        list(prompts),
        padding="max_length",
        truncation=True,
        max_length=info.max_tokens,
        return_tensors="pt",
    ).input_ids


@torch.no_grad()
def text_states(info: PipelineInfo, prompts: Sequence[str]) -> Tensor:
    """Return the stock text states (P, M, width) of prompts, on the CPU."""
    text_encoder = info.text_encoder()
    ids_PM = prompt_ids(info, prompts).to(text_encoder.device)
    return text_encoder(ids_PM).last_hidden_state.cpu()
