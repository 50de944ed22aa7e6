"""CLIP's text transformer, called on token embeddings instead of token ids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, PreTrainedTokenizerBase
from transformers.masking_utils import create_causal_mask

from zoo.contracts import PipelineInfo

#: A caption that names no class: where the tokens of an untrained conditioner start.
NEUTRAL_CAPTION = "a photo of a"


def encode_embeddings(text_encoder: CLIPTextModel, embeddings_BMw: Tensor) -> Tensor:
    """Return the text states (B, M, width) of token embeddings, as stock CLIP would.

    `CLIPTextModel.forward` takes ids only; these are its own parts, in its own order. With the
    embeddings of true ids the result equals the stock forward bit by bit. The mask is causal:
    state i depends on the tokens up to i only.
    """
    hidden_BMw = text_encoder.embeddings(inputs_embeds=embeddings_BMw)
    mask = create_causal_mask(
        config=text_encoder.config,
        inputs_embeds=hidden_BMw,
        attention_mask=None,
        past_key_values=None,
    )
    hidden_BMw = text_encoder.encoder(
        inputs_embeds=hidden_BMw, attention_mask=mask, is_causal=True
    ).last_hidden_state
    return text_encoder.final_layer_norm(hidden_BMw)


def layer_states(
    text_encoder: CLIPTextModel, embeddings_BMw: Tensor, *, causal: bool = True
) -> tuple[Tensor, ...]:
    """Return the states (B, M, width) of token embeddings at every depth of the text transformer.

    At its input (positions added), after each layer, after the final norm: the last are those of
    `encode_embeddings`, bit by bit, unless `causal` is False: then every state sees every token.
    """
    hidden_BMw = text_encoder.embeddings(inputs_embeds=embeddings_BMw)
    mask = None
    if causal:
        mask = create_causal_mask(
            config=text_encoder.config,
            inputs_embeds=hidden_BMw,
            attention_mask=None,
            past_key_values=None,
        )
    states = [hidden_BMw]
    for layer in text_encoder.encoder.layers:
        states.append(layer(states[-1], mask, is_causal=causal))
    return *states, text_encoder.final_layer_norm(states[-1])


def token_ids(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], n_tokens: int) -> Tensor:
    """Return the ids (B, n_tokens) of prompts, padded as the denoiser saw them in training."""
    return tokenizer(
        list(prompts),
        padding="max_length",
        truncation=True,
        max_length=n_tokens,
        return_tensors="pt",
    ).input_ids


@torch.no_grad()
def prompt_embeddings(pipeline: PipelineInfo, prompts: Sequence[str]) -> Tensor:
    """Return the token embeddings (B, M, width) of prompts, before any position is added."""
    text_encoder = pipeline.text_encoder()
    ids_BM = token_ids(pipeline.tokenizer(), prompts, pipeline.max_tokens)
    return text_encoder.embeddings.token_embedding(ids_BM.to(text_encoder.device)).cpu()


@torch.no_grad()
def prompt_states(pipeline: PipelineInfo, prompts: Sequence[str]) -> Tensor:
    """Return the stock text encoder's states (B, M, width) of prompts."""
    text_encoder = pipeline.text_encoder()
    ids_BM = token_ids(pipeline.tokenizer(), prompts, pipeline.max_tokens)
    return text_encoder(ids_BM.to(text_encoder.device)).last_hidden_state.cpu()
