"""Procedurally drawn pictures: ten ImageNet classes, every visible factor known and varied."""

from __future__ import annotations

from zoo.drawings.world import (
    CLASSES,
    DrawnClass,
    Factors,
    caption,
    draw,
    sample_factors,
)

__all__ = ["CLASSES", "DrawnClass", "Factors", "caption", "draw", "sample_factors"]
