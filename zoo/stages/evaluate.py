"""Evaluate: one figure of merit from the published folders, aligned by trial id."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.contracts import MetricInputs, MetricResult
from zoo.registries import DATASETS, METRICS
from zoo.stages._context import Context, Inputs
from zoo.statistics import independent_units

#: Training images are kept at this size: metrics compare pictures coarser than that.
SIDE = 64


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Publish ``metric.json`` and, where the metric scores trials, ``per_sample.csv``.

    Trials with the same ``cluster`` there (an image, a run) are resampled together.

    Parameters
    ----------
    inputs : mapping
        ``prepare`` and ``select`` always; ``encode``, ``generate``, ``judge`` and ``features``
        (the judge's scores) as the metric's ``needs`` ask.
    params : dict
        ``metric`` (name), ``params``, ``split``, ``seed``; ``dataset`` and ``dataset_params``
        where the training images are needed.
    """
    metric = METRICS.create(params["metric"], **params["params"])
    scored = read_inputs(inputs, params, context)
    result = _averaged(metric.compute(scored), scored.repetitions)
    _check(result, params["metric"], len(scored.trial_id))
    kept = {name: value for name, value in asdict(result).items() if name != "per_sample"}
    text = json.dumps(kept, indent=2, allow_nan=False)
    (out / "metric.json").write_text(text + "\n", encoding="utf-8")
    if result.per_sample is not None:
        units, _ = independent_units(
            trial_id=scored.trial_id,
            image_id=scored.image_id,
            subject=scored.subject,
            run=scored.run,
            image_known=scored.image_known,
        )
        table = pd.DataFrame(
            {"trial_id": scored.trial_id, "score": result.per_sample, "cluster": units}
        )
        table.to_csv(out / "per_sample.csv", index=False)


def read_inputs(inputs: Inputs, params: dict[str, Any], context: Context) -> MetricInputs:
    """Return what a metric may read: the trials of the split, in the order of ``select``.

    Labels are the true ones even where training labels were shuffled.
    """
    signal = json.loads((inputs["prepare"] / "signal.json").read_text(encoding="utf-8"))
    with np.load(inputs["select"] / "select.npz", allow_pickle=False) as stored:
        select = {name: stored[name] for name in stored.files}
    here = select["split"] == params["split"]
    trial_id = select["trial_id"][here].astype(str)
    fields: dict[str, Any] = {}
    if "encode" in inputs:
        fields |= _answers(inputs["encode"], trial_id)
    if "generate" in inputs:
        index = pd.read_csv(inputs["generate"] / "index.csv", dtype={"trial_id": str})
        ids = index["trial_id"].to_numpy(dtype=str)
        images = np.load(inputs["generate"] / "images.npy", allow_pickle=False)
        fields["generated"] = images[_rows(ids, trial_id, "generate")]
    if "judge" in inputs:
        fields["judge"] = json.loads((inputs["judge"] / "judge.json").read_text(encoding="utf-8"))
        if "reason" not in fields["judge"]:
            ids = np.load(inputs["features"] / "trial_ids.npy", allow_pickle=False).astype(str)
            scores = np.load(inputs["features"] / "judge_logits.npy", allow_pickle=False)
            fields["judge_logits"] = scores[_rows(ids, trial_id, "features")]
    if (inputs["prepare"] / "repetitions.npy").is_file():
        counts = np.load(inputs["prepare"] / "repetitions.npy", allow_pickle=False)
        fields["repetitions"] = counts[select["rows"][here]]
    train = select["split"] == "train"
    if "dataset" in params:
        dataset = DATASETS.create(params["dataset"], **params["dataset_params"])
        shown = sorted(set(select["image_id"][train].astype(str).tolist()))
        fields["train_images"] = _images(dataset, shown, context)
    return MetricInputs(
        trial_id=trial_id,
        subject=select["subject"][here],
        run=_runs(select["session"], select["run"])[here],
        image_id=select["image_id"][here].astype(str),
        label=select["true_label"][here].astype(np.int64),
        class_names=tuple(signal["class_names"]),
        trained_classes=tuple(np.unique(select["label"][train]).tolist()),
        split=params["split"],
        seed=params["seed"],
        image_known=json.loads((inputs["prepare"] / "pairing.json").read_text())["image_known"],
        **fields,
    )


def _answers(encode: Path, trial_id: np.ndarray) -> dict[str, Any]:
    """Return the logits of the trials, or their similarities to candidate pictures."""
    if (encode / "logits.npy").is_file():
        ids = np.load(encode / "trial_ids.npy", allow_pickle=False).astype(str)
        logits = np.load(encode / "logits.npy", allow_pickle=False)
        return {"logits": logits[_rows(ids, trial_id, "encode")]}
    ids = np.load(encode / "similarity_ids.npy", allow_pickle=False).astype(str)
    similarity = np.load(encode / "similarity.npy", allow_pickle=False)
    facts = json.loads((encode / "candidates.json").read_text())
    return {
        "similarity": similarity[_rows(ids, trial_id, "encode")],
        "candidates": np.array(facts["image_ids"]),
        "tower": facts["tower"]["definition"],
    }


def _averaged(result: MetricResult, repetitions: np.ndarray | None) -> MetricResult:
    """Add to a figure's definition how many presentations each trial's EEG is the mean of."""
    if repetitions is None or not len(repetitions):
        return result
    few, many = int(repetitions.min()), int(repetitions.max())
    if many == 1:
        about = "The EEG of a trial is a single presentation, nothing is averaged."
    else:
        count = str(many) if few == many else f"{few} to {many}"
        about = f"The EEG of a trial is averaged over {count} repetitions of its picture."
    return replace(result, definition=f"{result.definition} {about}")


def _runs(session: np.ndarray, run: np.ndarray) -> np.ndarray:
    """Return the runs by names that are unique within a subject."""
    if not (session != "").any():
        return run
    return np.array([f"{s}/{r}" for s, r in zip(session, run, strict=True)])


def _rows(ids: np.ndarray, wanted: np.ndarray, stage: str) -> np.ndarray:
    """Return where in `ids` each wanted trial lies; every one has to be there, once."""
    order = pd.Index(ids)
    assert order.is_unique, f"{stage} holds a trial twice"
    rows = order.get_indexer(pd.Index(wanted))
    assert (rows >= 0).all(), f"{stage} lacks {(rows < 0).sum()} of {len(wanted)} trials"
    return rows


def _images(dataset: Any, image_ids: list[str], context: Context) -> np.ndarray:
    """Return the images, 64x64 at most, read in blocks: native ones may be large."""
    import torch

    blocks = []
    for start in range(0, len(image_ids), 256):
        chosen = image_ids[start : start + 256]
        images = dataset.images(chosen, context.data_root, context.image_root)
        if max(images.shape[2:]) > SIDE:
            large = torch.from_numpy(np.ascontiguousarray(images)).float()
            small = torch.nn.functional.interpolate(large, size=(SIDE, SIDE), mode="area")
            images = small.round().byte().numpy()
        blocks.append(images)
    return np.concatenate(blocks)


def _check(result: MetricResult, name: str, n_trials: int) -> None:
    """Refuse a result that no reader could use: NaN, no reason, scores of other trials."""
    if result.value is None:
        assert result.reason, f"metric {name} gave neither a value nor a reason"
        return
    numbers = [result.value, *(result.ci95 or ())]
    assert np.isfinite(numbers).all(), f"metric {name} gave {numbers}"
    if result.per_sample is not None:
        assert len(result.per_sample) == n_trials, f"metric {name} scored other trials"
