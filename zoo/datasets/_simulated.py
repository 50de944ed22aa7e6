"""How a folder of made-up recordings says that it is one."""

from __future__ import annotations

import json
from pathlib import Path

#: Lies in every folder that ``zoo simulate`` writes; results of runs on it say "simulated".
MARKER = "SIMULATED.json"


def is_simulated(root: Path | None) -> bool:
    """Return whether the recordings under `root` are simulated."""
    return root is not None and (root / MARKER).is_file()


def simulated_note(root: Path) -> tuple[str, ...]:
    """Return the sentence that belongs beside results, where the recordings are simulated."""
    if not is_simulated(root):
        return ()
    try:
        about = json.loads((root / MARKER).read_text("utf-8"))
        seed = f", seed {about['seed']}"
    except (OSError, ValueError, KeyError, TypeError):  # the mark counts, whatever it says
        seed = ""
    return (
        f"simulated: files written by 'zoo simulate'{seed}; nobody's EEG. What is decoded from "
        "them says that the code works, nothing about brains",
    )
