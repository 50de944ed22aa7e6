"""The pocket weights: a small Stable Diffusion of ten classes, and the command that trains it."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
