"""A tiny folder in the exact format of the 40-class block-design set, and changes to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from zoo.simulate import eeg_imagenet40 as simulation

#: Two subjects, four classes of eight pictures; two trials longer than the length rule allows.
TINY = simulation.Size(2, 4, 8, 1, 1, 2, pause=2.0)


def write_imagenet40(root: Path) -> Path:
    """Write the folder and return it."""
    root.mkdir(parents=True, exist_ok=True)
    simulation.write(root, TINY, seed=0)
    return root


def linked(root: Path, to: Path) -> Path:
    """Return a copy of the folder whose files are links, to change some of."""
    to.mkdir(parents=True, exist_ok=True)
    for path in root.iterdir():
        (to / path.name).symlink_to(path, target_is_directory=path.is_dir())
    return to


def rewritten(
    root: Path, name: str, change: Callable[[Any], Any] = lambda content: content, **options: Any
) -> Path:
    """Write one file of a linked folder again, its content changed; return the file."""
    content = torch.load(root / name, weights_only=True)
    content = change(content) or content
    (root / name).unlink()
    torch.save(content, root / name, **options)
    return root / name
