"""``scores/`` of the run folder: the score of every test trial, so that runs can be compared."""

from __future__ import annotations

import shutil
from pathlib import Path

from zoo.engine.graph import Plan
from zoo.engine.store import Store


def write_scores(folder: Path, plan: Plan, store: Store) -> None:
    """Copy each metric's scores by trial to ``<cell>/<metric>[.<control>].csv`` below `folder`.

    Columns: ``trial_id``, ``subject``, ``image_id``, ``score``, and ``cluster`` (where two ways
    cross, ``cluster_subject`` too): what was resampled together. Snapshots are left out, and so are
    metrics that score no trials by themselves (kappa, FID).
    """
    folder.mkdir()
    for cell in plan.cells:
        for variant in cell.variants:
            if variant.step is not None:
                continue
            for label, key in variant.metrics.items():
                table = store.path(key) / "per_sample.csv"
                if table.is_file():
                    name = f"{label}.{variant.control}" if variant.control else label
                    target = folder / cell.cell.id / f"{name}.csv"
                    target.parent.mkdir(exist_ok=True)
                    shutil.copyfile(table, target)
