"""Checkpoint files: written whole or not at all, read without executing anything."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from registry.errors import UserError


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Replace the file `path` by `content` (tensors, numbers, strings, dicts and lists of them).

    A kill at any moment leaves either the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the content of the file `path`, on the CPU, or None where there is none.

    Raises
    ------
    UserError
        The file is not a checkpoint, or is damaged.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            f"the checkpoint {path} cannot be read ({type(error).__name__}); "
            "delete it to train from the start"
        ) from error
    assert isinstance(content, dict)
    return content
