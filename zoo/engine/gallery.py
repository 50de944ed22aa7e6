"""The gallery of a run folder: what was seen, what was drawn, and which trial is which."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.engine.graph import CellPlan, Variant
from zoo.engine.keys import canonical
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.registries import DATASETS


def write_gallery(
    folder: Path, cell: CellPlan, store: Store, roots: Roots, seen: dict[str, Path] | None = None
) -> None:
    """Write ``seen/``, one folder per variant and ``index.csv`` of one cell; of a cell that draws
    nothing only the last.

    Parameters
    ----------
    folder : Path
        ``gallery/<cell>`` of the run folder.
    cell : CellPlan
    store : Store
        Variants whose pictures it does not hold are left out.
    roots : Roots
        Where the data set finds the pictures that were seen.
    seen : dict, optional
        Remembers ``seen/`` of the cells so far: others of the same trials take a copy.

    Raises
    ------
    DataError
        If a picture that was seen cannot be read; everything else is there by then.
    """
    if not store.valid(cell.select):
        return
    with np.load(store.path(cell.select) / "select.npz", allow_pickle=False) as select:
        test = np.flatnonzero(select["split"] == cell.cell.score_on)
        trial_ids = [str(i) for i in select["trial_id"][test]]
        labels = [int(i) for i in select["label"][test]]
        image_ids = [str(i) for i in select["image_id"][test]]
        trained = select["trained_classes"]
    names = json.loads((store.path(cell.prepare) / "signal.json").read_text())["class_names"]
    rows = [
        {"trial_id": trial, "label": label, "class": names[label], "image_id": image}
        for trial, label, image in zip(trial_ids, labels, image_ids, strict=True)
    ]
    if store.valid(cell.encode):
        encode, decoded = store.path(cell.encode), {}
        if (encode / "logits.npy").is_file():
            decoded = _decoded(encode, trained)
        elif cell.cell.score_on == "test":  # the candidates are the pictures of the test
            decoded = _nearest(encode, dict(zip(image_ids, labels, strict=True)))
        for row in rows if decoded else ():
            row["decoded"] = names[decoded[str(row["trial_id"])]]
    for variant in cell.variants:
        if variant.generate is None or not store.valid(variant.generate):
            continue
        drawn = store.path(variant.generate)
        shutil.copytree(drawn / "images", folder / variant_name(variant))
        if variant.control is not None and variant.step is None:
            sources = _sources(drawn / "index.csv")
            for row in rows:
                row[f"source_{variant.control}"] = sources.get(str(row["trial_id"]), "")
    folder.mkdir(parents=True, exist_ok=True)  # where nothing was drawn
    with (folder / "index.csv").open("w", newline="") as file:
        columns = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)
    if not cell.cell.draws:  # encoders alone need nobody's pictures
        return
    seen = {} if seen is None else seen
    shown = f"{cell.select} {canonical(cell.cell.dataset.params)} {cell.cell.score_on}"
    if shown in seen:
        shutil.copytree(seen[shown], folder / "seen")
        return
    _write_seen(folder / "seen", cell, rows, roots)
    seen[shown] = folder / "seen"


def variant_name(variant: Variant) -> str:
    """Return the folder of a variant: "real", "shuffled_eeg", "real-step250" ..."""
    name = variant.control or "real"
    return name if variant.step is None else f"{name}-step{variant.step}"


def _write_seen(
    folder: Path, cell: CellPlan, rows: list[dict[str, str | int]], roots: Roots
) -> None:
    """Write the picture that each test trial showed, encoding each picture once."""
    block = cell.cell.dataset
    dataset = DATASETS.create(block.name, **block.params)
    distinct = sorted({str(row["image_id"]) for row in rows})
    pictures = dataset.images(distinct, roots.data, roots.images)
    encoded = {}
    for image_id, picture in zip(distinct, pictures, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(np.moveaxis(picture, 0, -1)).save(buffer, "PNG")
        encoded[image_id] = buffer.getvalue()
    folder.mkdir(parents=True)
    for row in rows:
        (folder / f"{row['trial_id']}.png").write_bytes(encoded[str(row["image_id"])])


def _decoded(encode: Path, trained: np.ndarray) -> dict[str, int]:
    """Return which of the `trained` classes the encoder decoded for each trial."""
    logits = np.load(encode / "logits.npy", allow_pickle=False)
    trial_ids = np.load(encode / "trial_ids.npy", allow_pickle=False)
    best = trained[logits[:, trained].argmax(axis=1)]
    return {str(trial): int(label) for trial, label in zip(trial_ids, best, strict=True)}


def _nearest(encode: Path, label_of: dict[str, int]) -> dict[str, int]:
    """Return the class of the picture that each trial's embedding is most similar to."""
    candidates = json.loads((encode / "candidates.json").read_text())["image_ids"]
    best = np.load(encode / "similarity.npy", allow_pickle=False).argmax(axis=1)
    trial_ids = np.load(encode / "similarity_ids.npy", allow_pickle=False)
    pairs = zip(trial_ids, best, strict=True)
    return {str(trial): label_of[str(candidates[first])] for trial, first in pairs}


def _sources(index: Path) -> dict[str, str]:
    """Return which trial's tokens drew each trial's pictures."""
    with index.open(newline="") as file:
        return {row["trial_id"]: row.get("source_trial_id", "") for row in csv.DictReader(file)}
