"""The pocket Stable Diffusion's parts, untrained: autoencoder, denoiser, text encoder, tokenizer.

All parts are diffusers' and transformers' own classes, so that everything built for Stable
Diffusion runs on them unchanged; only the sizes are small.
"""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from zoo.drawings import CLASSES

IMAGE_SIZE = 64
LATENT_SIZE = 16
TEXT_WIDTH = 128
TEXT_LENGTH = 12

_NOISE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
}


def build_autoencoder() -> AutoencoderKL:
    """Return an untrained autoencoder, (3, 64, 64) to (4, 16, 16)."""
    autoencoder = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 48, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=IMAGE_SIZE,
        mid_block_add_attention=False,
    )
    # A posterior that starts wide drowns the latents in noise and the encoder never recovers.
    with torch.no_grad():
        autoencoder.quant_conv.bias[4:] = -5.0
        autoencoder.quant_conv.weight[4:] *= 0.1
    return autoencoder


def build_denoiser() -> UNet2DConditionModel:
    """Return an untrained denoiser."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(48, 80, 112),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer: one id a word, for the words that captions are made of."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["<pad>", "<bos>", "<unk>", "<eos>"]
    words = ["a", "an", "photo", "of"]
    words += [word for kind in CLASSES for word in kind.name.split()]
    words += [colour for kind in CLASSES for colour in kind.colours]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(special + words))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>",
        special_tokens=[(name, vocabulary[name]) for name in ("<bos>", "<eos>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=TEXT_LENGTH,
    )


def build_text_encoder(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """Return an untrained CLIP text encoder for `tokenizer`."""
    # transformers reads eos_token_id == 2 as "an old checkpoint, pool at the largest id".
    assert tokenizer.eos_token_id != 2
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TEXT_LENGTH,
            projection_dim=TEXT_WIDTH,
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def training_scheduler() -> DDPMScheduler:
    """Return the scheduler that noises latents in training."""
    return DDPMScheduler(**_NOISE, clip_sample=False)


def sampling_scheduler() -> DPMSolverMultistepScheduler:
    """Return the scheduler that ships: DPM-Solver++, second order."""
    return DPMSolverMultistepScheduler(
        **_NOISE,
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="trailing",
        lambda_min_clipped=-5.1,
        steps_offset=1,
    )


def token_ids(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> torch.Tensor:
    """Return the ids (N, TEXT_LENGTH) of captions."""
    return tokenizer(
        captions,
        padding="max_length",
        truncation=True,
        max_length=TEXT_LENGTH,
        return_tensors="pt",
    ).input_ids
