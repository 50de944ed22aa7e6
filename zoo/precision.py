"""What each ``precision`` of a recipe computes in, under autocast."""

from __future__ import annotations

import torch

HALF = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
