"""Why a run folder holds no pipeline to draw with, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Stages without which there is nothing to draw with.
_TRAINED = ("encode ", "condition ")


def why_no_pipeline(run: Path, cell: str | None) -> str | None:
    """Return what was not trained, and the remedy; None where `run` tells of no such cell.

    Parameters
    ----------
    run : Path
        The folder that was named, of a run or of anything.
    cell : str or None
        The cell whose pipeline is missing; None is all of them.
    """
    about = _results(run)
    found = [one for one in about.get("cells", []) if _is_real(one) and cell in (None, one["id"])]
    if not found:
        return None
    who = f"cell {cell!r} of {run}" if cell is not None else str(run)
    failed = [f for one in found for f in one["failures"] if f["node"].startswith(_TRAINED)]
    again = f"zoo run {about['recipe']}"
    if failed:
        return (
            f"{who} holds nothing to draw with, since its training failed "
            f"({failed[0]['node']}: {failed[0]['message']}); mend that and run {again} again"
        )
    if not any("condition" in one["timings"] for one in found):
        return (
            f"{who} was run without pictures (images_per_trial: 0), and no conditioner is trained "
            f"then; train one with {again} --set pipeline.sample.images_per_trial=1 (stages that "
            "are in the store do not run again) and name the new run folder"
        )
    return (
        f"{who} holds no trained pipeline in pipeline/<cell>: it draws with another pipeline than "
        "stable_diffusion, or its folder could not be written (see failures/)"
    )


def _results(run: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((run / "results.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _is_real(entry: dict[str, Any]) -> bool:
    return entry["control"] is None and "step" not in entry["coords"]
