"""The versions of what computes: recorded with every entry and every run."""

from __future__ import annotations

import importlib.metadata
import platform
from functools import cache

#: Distributions whose versions are recorded in full.
RECORDED = (
    "eegzoo", "torch", "torchvision", "diffusers", "transformers", "peft", "timm", "braindecode",
    "mne", "mne-bids", "numpy", "scipy", "scikit-learn", "pandas", "pillow", "safetensors",
)  # fmt: skip


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute."""
    found = {"python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
