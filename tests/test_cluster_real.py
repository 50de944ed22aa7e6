"""Real, tiny stages on workers: the same files bit for bit as in one process."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from leak_toys import RECIPE

from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.engine.run import run
from zoo.engine.store import Store
from zoo.recipe import load_recipe


def published(store: Path) -> dict[str, dict[str, Any]]:
    """Return label -> file -> its hash; of those that tell times, all but the times."""
    opened = Store(store)
    found = {}
    for entry in opened.entries():
        files: dict[str, Any] = {}
        for name, about in opened.manifest(entry.key)["files"].items():
            path = opened.path(entry.key) / name
            if name in ("encode.json", "condition.json"):
                told = json.loads(path.read_text())
                assert told.pop("seconds") > 0
                files[name] = told
            elif name == "log.csv":
                rows = list(csv.DictReader(path.read_text().splitlines()))
                assert all(float(row.pop("seconds")) >= 0 for row in rows)
                files[name] = rows
            else:
                files[name] = about["sha256"]
        found[f"{entry.key} {entry.label}"] = files
    return found


def test_real_stages_publish_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training, drawing, the gap and scores on validation, of two seeds."""
    monkeypatch.setitem(sys.modules, "zoo.report", SimpleNamespace(write_report=lambda _: None))
    write_tiny_stable_diffusion(tmp_path / "tiny")
    (tmp_path / "tiny.yaml").write_text(RECIPE.replace("{name: linear,", "{name: clip_text,"))
    recipe = load_recipe(
        tmp_path / "tiny.yaml", weights_root=tmp_path,
        overrides=["grid.seed=[0,1]", "controls=[]", "score_on=val",
                   "metrics=[accuracy, psnr, text_gap]"],
    )  # fmt: skip
    common = {"weights_root": tmp_path, "out": tmp_path / "runs", "threads": 1}
    alone = run(recipe, store=tmp_path / "alone", **common)
    both = run(recipe, store=tmp_path / "both", workers=2, **common)
    assert (alone.failures, both.failures) == ([], [])
    stages = {entry.stage for entry in Store(tmp_path / "both").entries()}
    assert stages >= {"encode", "condition", "gap", "features", "generate", "evaluate"}
    assert published(tmp_path / "both") == published(tmp_path / "alone")
