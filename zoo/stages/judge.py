"""Make or fetch the judge that says which class a picture shows; it never sees generated ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.registries import DATASETS
from zoo.stages import _photograph_judge, _pocket_judge
from zoo.stages._context import Context, Inputs

#: A judge below this, on photographs it was not trained on, judges nothing.
GOOD_ENOUGH = 0.9


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Publish ``judge.json`` and ``judge.safetensors``; only the former where there is no judge.

    Parameters
    ----------
    inputs : mapping
        ``prepare``: its trials and class names.
    params : dict
        ``judge``: "pocket" (ships with the weights) or "stimuli" (trained here on the distinct
        pictures of the prepared set); ``dataset``, ``dataset_params``: where pictures come from.
    """
    signal = json.loads((inputs["prepare"] / "signal.json").read_text(encoding="utf-8"))
    names = list(signal["class_names"])
    if params["judge"] == "pocket":
        facts = _pocket(names, out)
    elif params["judge"] == "stimuli":
        facts = _from_stimuli(names, inputs["prepare"], params, out, context)
    else:
        facts = {"reason": f"not computed: data set {params['dataset']} names no judge"}
    judge = {"kind": params["judge"], "class_names": names, **facts}
    text = json.dumps(judge, indent=2, allow_nan=False)
    (out / "judge.json").write_text(text + "\n", encoding="utf-8")


def _pocket(names: list[str], out: Path) -> dict[str, Any]:
    facts = _pocket_judge.facts(names, _pocket_judge.SHIPPED)
    if "reason" not in facts:
        shutil.copyfile(_pocket_judge.SHIPPED / "model.safetensors", out / "judge.safetensors")
    return facts


def _from_stimuli(
    names: list[str], prepare: Path, params: dict[str, Any], out: Path, context: Context
) -> dict[str, Any]:
    table = pd.read_csv(prepare / "trials.csv", dtype={"image_id": str}, keep_default_na=False)
    shown = table.loc[table["image_id"] != "", ["image_id", "label"]]
    stimuli = shown.drop_duplicates().sort_values("image_id")
    labels = stimuli["label"].to_numpy()
    counts = np.bincount(labels, minlength=len(names))
    few = [name for name, count in zip(names, counts, strict=True) if count < 2]
    if few or len(names) < 2:
        what = f"two pictures of {', '.join(few[:3])}" if few else "two classes"
        return {"reason": f"not computed: a judge made from the stimuli needs {what}"}
    dataset = DATASETS.create(params["dataset"], **params["dataset_params"])
    images = dataset.images(stimuli["image_id"].tolist(), context.data_root, context.image_root)
    arrays, facts = _photograph_judge.train(images, labels)
    if facts["accuracy"] < GOOD_ENOUGH:
        return {
            "reason": (
                f"not computed: the judge made from the stimuli names {facts['accuracy']:.0%} of "
                f"{facts['n']} {facts['tested_on']} rightly, it needs {GOOD_ENOUGH:.0%}"
            )
        }
    _photograph_judge.save(arrays, out / "judge.safetensors")
    return facts
