"""Which parameters of a denoiser are opened for training, and under which names they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from registry.errors import BadParameters

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

#: What can be opened -> group of ``train.lr``, part of a parameter's name, LoRA targets.
CROSS_ATTENTION = r".*\.attn2\.(to_q|to_k|to_v|to_out\.0)"
ALL_ATTENTION = r".*\.attn[12]\.(to_q|to_k|to_v|to_out\.0)"
OPENS: dict[str, tuple[str, str, str | None]] = {
    "attn2": ("attn2", ".attn2.", None),
    "unet": ("unet", "", None),
    "attn2_lora": ("lora", ".lora_", CROSS_ATTENTION),
    "unet_lora": ("lora", ".lora_", ALL_ATTENTION),
}


def open_denoiser(
    unet: UNet2DConditionModel, opens: str, lora_rank: int
) -> dict[str, list[nn.Parameter]]:
    """Make part of the denoiser trainable; return it by ``train.lr`` group.

    Adapters draw their first weights from torch's global generator and start as no change; their
    scale is 1.

    Raises
    ------
    BadParameters
        `opens` is not one of `OPENS`.
    """
    if opens not in OPENS:
        raise BadParameters(f"a denoiser cannot open {opens!r}; it opens none, {', '.join(OPENS)}")
    group, part, targets = OPENS[opens]
    if targets is not None:
        from peft import LoraConfig

        unet.add_adapter(
            LoraConfig(
                r=lora_rank,
                lora_alpha=lora_rank,
                init_lora_weights="gaussian",
                target_modules=targets,
            )
        )
    chosen = [p for name, p in unet.named_parameters() if part in name]
    for parameter in chosen:
        parameter.requires_grad_(True)
    return {group: chosen}


def opened_parameters(unet: UNet2DConditionModel, opens: str | None) -> dict[str, nn.Parameter]:
    """Return the trainable parameters under the names they are saved by.

    Adapters carry the names that ``StableDiffusionPipeline.load_lora_weights`` reads, full
    parameters those of the denoiser's own ``load_state_dict``.
    """
    opened = {n: p for n, p in unet.named_parameters() if p.requires_grad}
    if opens is None or not opens.endswith("_lora"):
        return opened
    return {f"unet.{n.replace('.default.', '.')}": p for n, p in opened.items()}


@torch.no_grad()
def load_opened(unet: UNet2DConditionModel, opens: str | None, state: Mapping[str, Tensor]) -> None:
    """Copy `state` into the parameters that were opened.

    Raises
    ------
    ValueError
        `state` holds other parameters than were opened.
    """
    trainable = opened_parameters(unet, opens)
    if trainable.keys() != state.keys():
        raise ValueError(
            f"the denoiser was opened as {opens!r} ({len(trainable)} tensors), "
            f"the state holds {len(state)} others"
        )
    for name, parameter in trainable.items():
        parameter.copy_(state[name])
