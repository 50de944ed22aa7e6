"""The gallery where encoders compare with pictures: what was decoded, where it is known."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from engine_toys import CELL, with_

from zoo.engine.gallery import write_gallery
from zoo.engine.graph import CellPlan

SPLIT = np.array(["test", "test", "val", "val"])


@pytest.mark.parametrize(("score_on", "decoded"), [("test", ["mug", "cat"]), ("val", None)])
def test_the_nearest_picture_is_told_of_the_test_alone(
    score_on: str, decoded: list[str] | None, tmp_path: Path
) -> None:
    """Candidates are the pictures of the test: on validation there is no nearest one."""
    for name in ("prepare", "select", "encode"):
        (tmp_path / name).mkdir()
    about = {"class_names": ["cat", "mug"]}
    (tmp_path / "prepare" / "signal.json").write_text(json.dumps(about))
    ids = np.array(["t0", "t1", "t2", "t3"])
    np.savez(
        tmp_path / "select" / "select.npz", split=SPLIT, trial_id=ids, label=np.array([0, 1, 0, 1]),
        image_id=np.array(["a", "b", "c", "d"]), trained_classes=np.array([0, 1]),
    )  # fmt: skip
    encode = tmp_path / "encode"
    (encode / "candidates.json").write_text(json.dumps({"image_ids": ["a", "b"]}))
    np.save(encode / "similarity.npy", np.array([[0.1, 0.9], [0.8, 0.2]]))
    np.save(encode / "similarity_ids.npy", ids[:2])
    store: Any = SimpleNamespace(valid=bool, path=lambda key: tmp_path / key)
    undrawn = with_(CELL, "pipeline", sample={"images_per_trial": 0})
    cell = CellPlan(
        replace(undrawn, score_on=score_on), "prepare", "select", "encode", judge=None, variants=()
    )
    write_gallery(tmp_path / "gallery", cell, store, roots=SimpleNamespace())
    with (tmp_path / "gallery" / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial_id"] for row in rows] == ids[score_on == SPLIT].tolist()
    assert [row.get("decoded") for row in rows] == (decoded or [None, None])
