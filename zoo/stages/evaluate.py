"""Evaluate: one figure of merit from the published folders, aligned by trial id."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.contracts import MetricInputs, MetricResult, TowerOutput
from zoo.metrics._intervals import units_of
from zoo.registries import DATASETS, METRICS
from zoo.stages._context import Context, Inputs
from zoo.stages._contribution import contributions
from zoo.stages._vae_features import resized
from zoo.towers.table import file_of

#: Training images are kept at this size: metrics compare pictures coarser than that.
SIDE = 64


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Publish ``metric.json`` and, where the metric scores trials, ``per_sample.csv``.

    Trials with the same ``cluster`` there (an image, a run) are resampled together. A metric that
    scores every pairing of what was drawn with what was seen also gets ``contribution``: what the
    trial's own EEG adds, and what it adds beyond the class.

    Parameters
    ----------
    inputs : mapping
        ``prepare`` and ``select`` always; ``encode``, ``generate``, ``judge``, ``features`` (the
        judge's scores), ``drawn`` and ``seen`` (a tower's outputs), ``gap`` as the metric's
        ``needs`` ask.
    params : dict
        ``metric`` (name), ``params``, ``split``, ``seed``; ``pictures`` ("seen", "train_images"),
        ``dataset`` and ``dataset_params`` where pictures are needed; ``tower`` (name) or
        ``tower_missing`` (a sentence) where a tower is.
    """
    metric = METRICS.create(params["metric"], **params["params"])
    scored = read_inputs(inputs, params, context)
    result = _averaged(metric.compute(scored), scored.repetitions)
    _check(result, params["metric"], len(scored.trial_id))
    kept = {
        field.name: getattr(result, field.name)
        for field in fields(result)
        if field.name not in ("per_sample", "pairs")
    }
    if result.value is not None:
        kept["higher_is_better"] = METRICS.spec(params["metric"]).meta["higher_is_better"]
    if result.pairs is not None:
        kept["contribution"] = contributions(result, scored, kept["higher_is_better"])
    text = json.dumps(kept, indent=2, allow_nan=False)
    (out / "metric.json").write_text(text + "\n", encoding="utf-8")
    if result.per_sample is not None:
        table = pd.DataFrame(
            {
                "trial_id": scored.trial_id,
                "subject": scored.subject,
                "image_id": scored.image_id,
                "score": result.per_sample,
                **units_of(scored).columns(),
            }
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
    image_id = select["image_id"][here].astype(str)
    distinct, target = np.unique(image_id, return_inverse=True)
    given: dict[str, Any] = {"target": target.astype(np.int64)}
    if "encode" in inputs:
        given |= _answers(inputs["encode"], trial_id)
    if "generate" in inputs:
        index = pd.read_csv(inputs["generate"] / "index.csv", dtype={"trial_id": str})
        ids = index["trial_id"].to_numpy(dtype=str)
        given["generated"] = _aligned(
            inputs["generate"] / "images.npy", _rows(ids, trial_id, "generate")
        )
    if "judge" in inputs:
        given["judge"] = json.loads((inputs["judge"] / "judge.json").read_text(encoding="utf-8"))
        if "reason" not in given["judge"]:
            ids = np.load(inputs["features"] / "trial_ids.npy", allow_pickle=False).astype(str)
            scores = np.load(inputs["features"] / "judge_logits.npy", allow_pickle=False)
            given["judge_logits"] = scores[_rows(ids, trial_id, "features")]
    if "gap" in inputs:
        given["gap"] = json.loads((inputs["gap"] / "gap.json").read_text(encoding="utf-8"))
    given["tower_missing"] = params.get("tower_missing")
    if "drawn" in inputs:
        given |= _tower(inputs, params["tower"], trial_id, distinct)
    if (inputs["prepare"] / "repetitions.npy").is_file():
        counts = np.load(inputs["prepare"] / "repetitions.npy", allow_pickle=False)
        given["repetitions"] = counts[select["rows"][here]]
    train = select["split"] == "train"
    pictures = params.get("pictures", ())
    if pictures:
        dataset = DATASETS.create(params["dataset"], **params["dataset_params"])
    if "train_images" in pictures:
        shown = sorted(set(select["image_id"][train].astype(str).tolist()))
        given["train_images"] = _images(dataset, shown, context, side=SIDE)
    if "seen" in pictures:
        side = given["generated"].shape[-1]
        given["seen"] = _images(dataset, distinct.tolist(), context, side=side, exactly=True)
    return MetricInputs(
        trial_id=trial_id,
        subject=select["subject"][here],
        run=_runs(select["session"], select["run"])[here],
        image_id=image_id,
        label=select["true_label"][here].astype(np.int64),
        class_names=tuple(signal["class_names"]),
        trained_classes=tuple(np.unique(select["label"][train]).tolist()),
        split=params["split"],
        seed=params["seed"],
        image_known=json.loads((inputs["prepare"] / "pairing.json").read_text())["image_known"],
        **given,
    )


def _tower(
    inputs: Inputs, name: str, trial_id: np.ndarray, distinct: np.ndarray
) -> dict[str, TowerOutput]:
    """Return what a tower gives, features or class scores or both."""
    drawn, seen = inputs["drawn"], inputs["seen"]
    rows = _rows(np.load(drawn / "trial_ids.npy").astype(str), trial_id, "features")
    image_ids = json.loads((seen / "image_ids.json").read_text())
    assert image_ids == distinct.tolist(), "features and select disagree about the pictures seen"
    definition = json.loads((drawn / "tower.json").read_text())["definition"][name]
    found = {}
    outputs = (("features", file_of(name)), ("scores", file_of(f"{name}:logits")))
    for field, file in outputs:
        if (drawn / file).is_file():
            found[field] = TowerOutput(
                name=name,
                definition=definition,
                drawn=_aligned(drawn / file, rows),
                seen=np.load(seen / file, mmap_mode="c", allow_pickle=False),
            )
    return found


def _aligned(file: Path, rows: np.ndarray) -> np.ndarray:
    """Return the rows of an array, memory-mapped where they are all in order."""
    # Copy on write: torch takes no read-only arrays, and nothing ever reaches the file.
    array = np.load(file, mmap_mode="c", allow_pickle=False)
    return array if np.array_equal(rows, np.arange(len(array))) else array[rows]


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


def _images(
    dataset: Any, image_ids: list[str], context: Context, *, side: int, exactly: bool = False
) -> np.ndarray:
    """Return the images, of this side (at most, unless `exactly`), read in blocks.

    Native ones may be large. Training images are compared coarsely, by area; pictures seen are
    brought to the size of those drawn by Lanczos' filter, as the denoiser's training saw them.
    """
    import torch

    whole: np.ndarray | None = None
    for start in range(0, len(image_ids), 64):
        chosen = image_ids[start : start + 64]
        images = dataset.images(chosen, context.data_root, context.image_root)
        if exactly:
            images = resized(images, side).numpy()
        elif max(images.shape[2:]) > side:
            large = torch.from_numpy(np.ascontiguousarray(images)).float()
            small = torch.nn.functional.interpolate(large, size=(side, side), mode="area")
            images = small.round().byte().numpy()
        if whole is None:  # filled in place: two copies of all would be gigabytes at 512 pixels
            whole = np.empty((len(image_ids), *images.shape[1:]), np.uint8)
        whole[start : start + len(chosen)] = images
    assert whole is not None, "no picture is asked for"
    return whole


def _check(result: MetricResult, name: str, n_trials: int) -> None:
    """Refuse a result that no reader could use: NaN, no reason, scores of other trials."""
    if result.value is None:
        assert result.reason, f"metric {name} gave neither a value nor a reason"
        return
    numbers = [result.value, *(result.ci95 or ())]
    assert np.isfinite(numbers).all(), f"metric {name} gave {numbers}"
    if result.per_sample is not None:
        assert len(result.per_sample) == n_trials, f"metric {name} scored other trials"
