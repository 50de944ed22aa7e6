"""Features: run a frozen tower once over all pictures; which one is the parameter ``tower``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.stages._context import Context, Inputs


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Publish what the tower makes of the pictures.

    Parameters
    ----------
    inputs : mapping
        What the tower needs.
    params : dict
        "tower": "vae" (latents of the pictures seen), "image" (what a named image tower makes of
        them, as targets), "picture" (all that a network gives for the pictures drawn or seen)
        or "judge" (classes of the pictures drawn).
    out : Path
    context : Context
    """
    # Imported here: each tower's node is keyed by its own code only.
    if params["tower"] == "vae":
        from zoo.stages import _vae_features as tower
    elif params["tower"] == "image":
        from zoo.stages import _image_features as tower
    elif params["tower"] == "picture":
        from zoo.stages import _picture_features as tower
    else:
        assert params["tower"] == "judge", params["tower"]
        from zoo.stages import _judge_features as tower
    tower.run(inputs, params, out, context)
