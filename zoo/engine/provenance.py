"""Where a run's figures come from: versions, sources, seeds, machine, timings; no host names."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from typing import Any

from zoo.engine.execute import Outcome
from zoo.engine.graph import Plan
from zoo.engine.versions import versions
from zoo.recipe.cells import Recipe
from zoo.registries import REGISTRIES


def provenance(
    recipe: Recipe,
    plan: Plan,
    outcome: Outcome,
    *,
    device: str,
    threads: int | None,
    seconds: float,
) -> dict[str, Any]:
    """Return the content of ``provenance.json``.

    Fingerprints are those in the keys: what was read, not what the folders hold by now.
    """
    code = hashlib.sha256(
        "".join(sorted({node.code.digest for node in plan.nodes.values()})).encode()
    )
    return {
        "schema": 1,
        "recipe": recipe.name,
        "scale": recipe.scale,
        "data": recipe.data,
        "weights": _weights(plan),
        "datasets": {
            cell.cell.dataset.name: plan.nodes[cell.prepare].params["fingerprint"]
            for cell in reversed(plan.cells)
        },
        "images": _images(plan),
        "components": _origins(recipe),
        "seeds": sorted({cell.seed for cell in recipe.cells}),
        "code": code.hexdigest(),
        "versions": versions(),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "device": device,
            "threads": threads or _threads_used(),
        },
        "seconds": round(seconds, 1),
        "nodes": [
            {
                "key": key,
                "stage": node.stage,
                "label": node.label,
                "seconds": round(outcome.seconds.get(key, 0.0), 2),
                "state": _state(key, outcome),
                "inputs": node.inputs,
            }
            for key, node in plan.nodes.items()
        ],
    }


def _images(plan: Plan) -> str | None:
    """Return the content hash of the folder of pictures; None where they come with the data."""
    first = plan.cells[0]
    real, reader = first.variants[0].condition, first.prepare
    if real is not None:
        reader = plan.nodes[real].inputs["features"]
    found: str | None = plan.nodes[reader].params.get("images")
    return found


def _weights(plan: Plan) -> list[dict[str, Any]]:
    """Return name, pinned revision and content hash of each denoiser that draws in the cells."""
    from zoo.pipelines._weights import NAMED

    found: dict[str, dict[str, Any]] = {}
    for cell in plan.cells:
        name = cell.cell.pipeline.params.get("weights")
        drawn = cell.variants[0].generate
        if name is not None and drawn is not None and name not in found:
            revision = getattr(NAMED.get(name), "revision", None)
            digest = plan.nodes[drawn].params["weights"]
            found[name] = {"name": name, "revision": revision, "sha256": digest}
    return list(found.values())


def _origins(recipe: Recipe) -> dict[str, str]:
    used = {
        (kind, getattr(cell, kind).name)
        for cell in recipe.cells
        for kind in ("dataset", "encoder", "conditioner", "pipeline")
    }
    used |= {("objective", cell.encoder.train["objective"]["name"]) for cell in recipe.cells}
    used |= {("metric", metric.name) for cell in recipe.cells for metric in cell.metrics}
    used |= {("analysis", analysis.name) for analysis in recipe.analyses}
    return {f"{kind} {name}": REGISTRIES[kind].origin(name) for kind, name in sorted(used)}


def _threads_used() -> int | None:
    """Return torch's thread count where torch was needed at all."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch is not None else None


def _state(key: str, outcome: Outcome) -> str:
    if key in outcome.failures:
        return "failed"
    return "ran" if key in outcome.ran else "reused"
