"""Stage select: which prepared trials take part, in which split, under which label and scale.

Publishes ``select.npz`` (one entry per selected trial, in the order of the prepared array: rows,
trial_id, label, true_label, split, subject, session, run, image_id, trial_key and unit_key, which
name a trial and its unit of independence in every selection of the data set; further mean_C and
std_C of the training trials, normalise, trained_classes) and ``splits.json``: ``shares``, for each
pair of splits the share of the first's trials whose image, block, run, session, subject or EEG (bit
by bit) the second has, image only where it is known; ``same_eeg``, for each pair with the test its
first trials that have it; and the data set's ``independent``.

With ``shuffle_labels`` the trials of training and validation trade what they are said to have
shown: ``label`` and ``image_id`` move together. So neither encoder nor conditioner is told more
than chance of what a trial's EEG belongs to, while the picture still is one of its label. The
trials of the test keep theirs, and ``true_label`` is the true one everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.contracts import DataError
from zoo.datasets._limit import PARTS
from zoo.datasets._splits import require_known_images, select_named
from zoo.registries import DATASETS
from zoo.seeds import named_seed, numpy_rng
from zoo.stages._context import Context, Inputs
from zoo.stages._units import PAIRS, UNITS, keys, same_eeg, shares

TEXT = {"subject_name": str, "session": str, "run": str, "image_id": str, "trial_id": str}


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:  # noqa: ARG001
    """Choose rows, split, labels and normalisation.

    Parameters
    ----------
    inputs : mapping
        ``prepare``.
    params : dict
        ``dataset`` (name), ``params`` (all of the data set's), ``seed`` (where labels and
        pictures are shuffled).
    out : Path
    context : Context
        Not used.

    Raises
    ------
    DataError
        Nothing is left to train or to test on, or a subject is named that is not there.
    """
    table = read_table(inputs["prepare"])
    dataset = DATASETS.create(params["dataset"], **params["params"])
    settings = params["params"]
    image_known = json.loads((inputs["prepare"] / "pairing.json").read_text())["image_known"]
    if not image_known:
        require_known_images(settings.get("split"))
    split = dataset.split_of(table)
    assert set(split) <= {"train", "val", "test", ""}, f"split_of gave {set(split)}"
    used = split != ""
    if settings.get("subjects") is not None:
        names = table.subject_name.to_numpy(dtype=str)
        used &= select_named(names, settings["subjects"], "dataset.params.subjects", "subject")
    for part in ("train", "test"):
        if not (used & (split == part)).any():
            raise DataError(f"the {part} split of data set {params['dataset']!r} holds no trial")
    if settings.get("limit") is not None:
        used &= within_limit(table, np.where(used, split, ""), settings["limit"])
    rows = np.flatnonzero(used)
    table, split = table.iloc[rows].reset_index(drop=True), split[rows]

    spec = DATASETS.spec(params["dataset"])
    known = {name: columns for name, columns in UNITS.items() if name != "image" or image_known}
    recorded = ["trial_id", "onset", *known.get("image", [])]  # not the id alone: it may say little
    trial_key = keys(spec.name, table, recorded)

    true_label = table.label.to_numpy(np.int64)
    shown = np.arange(len(table))  # whose label and picture a trial is told
    if settings.get("shuffle_labels"):
        shown = shuffled(split, table.subject.to_numpy(), params["seed"])
    label = true_label[shown]
    table["image_id"] = table.image_id.to_numpy(dtype=str)[shown]
    units = {name: keys(spec.name, table, columns) for name, columns in known.items()}
    independent = spec.meta.get("independent")
    eeg = np.load(inputs["prepare"] / "eeg.npy", mmap_mode="r", allow_pickle=False)
    normalise = settings.get("normalise", "channel")
    mean_C, std_C = np.zeros(eeg.shape[1], np.float32), np.ones(eeg.shape[1], np.float32)
    if normalise == "channel":
        mean_C, std_C = channel_statistics(eeg, rows[split == "train"])

    np.savez(
        out / "select.npz",
        rows=rows.astype(np.int64),
        trial_id=table.trial_id.to_numpy(dtype=str),
        label=label,
        true_label=true_label,
        split=split.astype("<U5"),
        subject=table.subject.to_numpy(np.int64),
        session=table.session.to_numpy(dtype=str),
        run=table.run.to_numpy(dtype=str),
        image_id=table.image_id.to_numpy(dtype=str),
        trial_key=trial_key,
        unit_key=units.get(independent, trial_key),
        mean_C=mean_C,
        std_C=std_C,
        normalise=np.array(normalise),
        trained_classes=np.unique(label[split == "train"]),
    )
    found = {name: shares(unit_N, split) for name, unit_N in units.items()}
    eeg_N = same_eeg(eeg, rows)
    same = {
        pair: (split == one) & np.isin(eeg_N, eeg_N[split == other])
        for pair, (one, other) in PAIRS.items()
        if one == "test"
    }
    about = {
        "independent": independent,
        "shares": {**found, "eeg": shares(eeg_N, split)},
        "same_eeg": {pair: table.trial_id[again_N].tolist()[:5] for pair, again_N in same.items()},
    }
    (out / "splits.json").write_text(json.dumps(about, indent=1))


def read_table(prepare: Path) -> pd.DataFrame:
    """Return the table of the prepared trials; names stay text ("06" is not 6)."""
    return pd.read_csv(prepare / "trials.csv", dtype=TEXT, keep_default_na=False)


def within_limit(
    table: pd.DataFrame, split: np.ndarray, limit: int | Mapping[str, int]
) -> np.ndarray:
    """Return the mask of `limit` trials of each split, evenly over the same classes in each.

    Those classes are as many as training trials may be; a split with fewer trials shows the first
    of them. A split that a mapping does not name is kept whole. A trial's turn depends on its id
    alone, so no split's choice depends on another's trials, and what a lower limit keeps a higher
    one keeps, too. Where the splits share no class (zero-shot sets), each split's own serve.
    """
    turn = np.array([named_seed(0, "limit", trial_id) for trial_id in table.trial_id])
    label = table.label.to_numpy()
    parts = [part for part in PARTS if (split == part).any()]
    limits = limit if isinstance(limit, Mapping) else dict.fromkeys(parts, limit)
    shared = set.intersection(*({*label[split == part]} for part in parts))
    n_classes = limits.get("train", len(np.unique(label)))
    keep = np.isin(split, [part for part in parts if part not in limits])
    for part in (part for part in parts if part in limits):
        classes = sorted(shared or {*label[split == part]})[:n_classes]
        candidates = (split == part) & np.isin(label, classes)
        rows = np.flatnonzero(candidates)
        rows = rows[np.lexsort((turn[rows], label[rows]))]
        round_of = pd.Series(label[rows]).groupby(label[rows]).cumcount().to_numpy()
        keep[rows[np.lexsort((label[rows], round_of))][: limits[part]]] = True
    return keep


def shuffled(split: np.ndarray, subject: np.ndarray, seed: int) -> np.ndarray:
    """Return trials (N,) permuted among the training and validation trials of each subject."""
    source = np.arange(len(split))
    for one in np.unique(subject):
        rows = np.flatnonzero((subject == one) & (split != "test"))
        order = numpy_rng(seed, "shuffle_labels", int(one)).permutation(len(rows))
        source[rows] = rows[order]
    return source


def channel_statistics(eeg: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel over `rows`, (C,) float32 each.

    A channel that never moves gets deviation 1, so that it becomes zero.
    """
    total, squares, count = np.zeros(eeg.shape[1]), np.zeros(eeg.shape[1]), 0
    shift = np.asarray(eeg[rows[0]], np.float64).mean(axis=1)
    for start in range(0, len(rows), 256):
        part = eeg[rows[start : start + 256]].astype(np.float64) - shift[:, None]
        total += part.sum(axis=(0, 2))
        squares += (part**2).sum(axis=(0, 2))
        count += part.shape[0] * part.shape[2]
    variance = squares / count - (total / count) ** 2
    std_C = np.where(variance > 0, np.sqrt(np.maximum(variance, 0)), 1)
    return (shift + total / count).astype(np.float32), std_C.astype(np.float32)
