"""What a named network makes of the pictures drawn, or of those seen: features and class scores."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.progress import bar
from zoo.registries import DATASETS
from zoo.stages._context import Context, Inputs
from zoo.stages._selected import Selected
from zoo.towers.load import load
from zoo.towers.table import TOWERS, file_of

#: Pictures held in memory at once.
BLOCK = 64

#: Position of the first picture, and pictures (B, 3, H, W) uint8.
Block = tuple[int, np.ndarray]


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Run the network once over all pictures.

    Parameters
    ----------
    inputs : mapping
        For pictures drawn "generate"; for those seen "prepare" and "select".
    params : dict
        "network" (a name of ``zoo.towers.table.NETWORKS``) and "of": "drawn", or "seen" with
        "split" (whose trials' distinct pictures, sorted by name), "dataset" and "dataset_params".
    out : Path
        Receives ``file_of(output)`` for each output of the network (``<tower>.npy``,
        ``<tower>.logits.npy``): float32, (N, K, F) for N trials and K pictures drawn for each, or
        (T, F) for T pictures seen. Beside it ``trial_ids.npy`` (N,) or ``image_ids.json`` (T),
        and ``tower.json``: "network", "of" and the "definition" of each tower.
    context : Context

    Raises
    ------
    UserError
        The network's files are missing.
    """
    network = params["network"]
    of_pictures = load(network, context.weights_root, device=context.device)
    if params["of"] == "drawn":
        images = np.load(inputs["generate"] / "images.npy", mmap_mode="r")
        index = pd.read_csv(inputs["generate"] / "index.csv", dtype={"trial_id": str})
        trial_ids = index["trial_id"].to_numpy(dtype=str)
        assert len(trial_ids) == len(images), (len(trial_ids), images.shape)
        shape, blocks = images.shape[:2], _drawn(images)
        np.save(out / "trial_ids.npy", trial_ids)
    else:
        assert params["of"] == "seen", params["of"]
        selected = Selected.read(inputs["select"])
        of_split = selected.image_id[selected.positions(params["split"])]
        # Plain strings: whoever draws pictures by the seed of a name tells numpy's apart.
        image_ids = sorted({str(name) for name in of_split})
        shape, blocks = (len(image_ids),), _seen(image_ids, params, context)
        (out / "image_ids.json").write_text(json.dumps(image_ids))
    task = f"{network}: pictures {params['of']}"
    with bar(task, math.prod(shape), unit="picture") as progress:
        _write(blocks, of_pictures, shape, out, progress.update)
    towers = {name: tower.definition for name, tower in TOWERS.items() if tower.network == network}
    facts = {"network": network, "of": params["of"], "definition": towers}
    (out / "tower.json").write_text(json.dumps(facts, indent=1))


def _drawn(images_NKCHW: np.ndarray) -> Iterator[Block]:
    """Yield all pictures in blocks, those of a trial after one another."""
    n, k = images_NKCHW.shape[:2]
    rows = max(1, BLOCK // k)
    for i in range(0, n, rows):
        yield i * k, np.array(images_NKCHW[i : i + rows]).reshape(-1, *images_NKCHW.shape[2:])


def _seen(image_ids: list[str], params: dict[str, Any], context: Context) -> Iterator[Block]:
    dataset = DATASETS.create(params["dataset"], **params["dataset_params"])
    for i in range(0, len(image_ids), BLOCK):
        part = image_ids[i : i + BLOCK]
        yield i, dataset.images(part, context.data_root, context.image_root)


def _write(
    blocks: Iterator[Block],
    of_pictures: Callable[[np.ndarray], dict[str, Any]],
    shape: tuple[int, ...],
    out: Path,
    done: Callable[[int], object],
) -> None:
    """Write each output of all pictures, of which only a block is in memory."""
    files: dict[str, np.memmap] = {}
    for start, images_BCHW in blocks:
        for output, values in of_pictures(images_BCHW).items():
            if output not in files:
                path, whole = out / file_of(output), (*shape, values.shape[1])
                files[output] = np.lib.format.open_memmap(
                    path, mode="w+", dtype=np.float32, shape=whole
                )
            flat = files[output].reshape(-1, values.shape[1])
            flat[start : start + len(values)] = values.numpy()
        done(len(images_BCHW))
    for file in files.values():
        file.flush()
