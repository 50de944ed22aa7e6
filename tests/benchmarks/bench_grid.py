"""Grids: what sharing saves, what running many cells costs besides, and how long planning takes.

    python -m pytest -s tests/benchmarks/bench_grid.py

Each part is one `zoo run` or `zoo plan` in a fresh interpreter on one thread, stand-ins throughout,
a store of its own. The file's name keeps it out of the normal test run; nothing else should run
meanwhile. (a) 3 encoders x 3 conditioners x 3 seeds against the sum of their distinct stages; (b)
3 x 3 guidance x steps in one run against nine runs with a store each; (c) a plan of 1 000 cells;
(d) a grid of 100 cells of which the store holds everything.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: Wall time of a grid in units of the seconds of its distinct stages.
OVERHEAD = 1.1
#: How many times faster one run is than nine.
GAIN = 2.5
#: Seconds for planning 1 000 cells, of which the last case shares nothing but the recording.
PLANNED = 5.0

CONTROLS = "controls=[]"
METRICS = "metrics=[accuracy, image_class_accuracy, psnr]"
GRID = (
    CONTROLS,
    METRICS,
    "dataset.params.images_per_class=60",
    "encoder.train.epochs=5",
    "conditioner.train.steps=10",
    "pipeline.sample.steps=2",
    "grid.encoder=[eegnet, shallow_conv_net, nice]",
    "grid.conditioner=[clip_text, linear, lora]",
    "grid.seed=[0, 1, 2]",
)
SCALES, STEPS = (1.5, 3, 5), (2, 3, 4)
SAMPLED = (
    CONTROLS,
    METRICS,
    "dataset.params.images_per_class=60",
    "encoder=eegnet",
    "encoder.train.epochs=10",
    "conditioner.train.steps=40",
)


def zoo(command: str, store: Path, *sets: str) -> tuple[float, str]:
    """Return the wall seconds and the output of one command in a fresh interpreter."""
    words = [sys.executable, "-m", "zoo", command, "paper", "--store", str(store), "--threads", "1"]
    if command == "run":
        words += ["--out", str(store / "runs")]
    words += [word for value in sets for word in ("--set", value)]
    began = time.perf_counter()
    done = subprocess.run([*words, "--json"], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, done.stdout


def stage_seconds(store: Path) -> float:
    """Return the sum over the entries of a store of what each took."""
    manifests = (store / "entries").glob("*/manifest.json")
    return sum(float(json.loads(path.read_text())["seconds"]) for path in manifests)


def test_a_grid_takes_what_its_distinct_stages_take(tmp_path: Path) -> None:
    wall, _ = zoo("run", tmp_path, *GRID)
    stages = stage_seconds(tmp_path)
    n_stages = len(list((tmp_path / "entries").iterdir()))
    print(
        f"\n27 cells, {n_stages} stage runs: {wall:.1f} s, its distinct stages {stages:.1f} s "
        f"({wall / stages:.3f} x)"
    )
    assert wall <= OVERHEAD * stages


def test_sampling_trains_once(tmp_path: Path) -> None:
    sample = "pipeline.sample"
    axes = (f"grid.{sample}.guidance_scale={list(SCALES)}", f"grid.{sample}.steps={list(STEPS)}")
    together, _ = zoo("run", tmp_path / "one", *SAMPLED, *axes)
    alone = 0.0
    for scale in SCALES:
        for steps in STEPS:
            store = tmp_path / f"{scale}-{steps}"
            point = (f"{sample}.guidance_scale={scale}", f"{sample}.steps={steps}")
            alone += zoo("run", store, *SAMPLED, *point)[0]
    print(
        f"\n9 cells in one run {together:.1f} s, in nine {alone:.1f} s ({alone / together:.2f} x)"
    )
    assert alone >= GAIN * together


#: Ten values each of what trains, and of what only draws.
TEN_EACH = (
    f"grid.seed={list(range(10))}",
    f"grid.conditioner.train.lr={[1e-3 * (1 + i) for i in range(10)]}",
    f"grid.pipeline.sample.guidance_scale={[1 + i / 2 for i in range(10)]}",
)


@pytest.mark.parametrize(
    "sets",
    [
        (CONTROLS, "metrics=[accuracy, image_class_accuracy]", *TEN_EACH),
        (CONTROLS, *TEN_EACH),
        (f"grid.seed={list(range(1000))}",),
    ],
    ids=["two metrics", "all metrics", "seeds, with controls"],
)
def test_a_thousand_cells_are_planned(sets: tuple[str, ...], tmp_path: Path) -> None:
    """With two metrics and all twenty of the recipe; and where cells share next to nothing."""
    wall, output = zoo("plan", tmp_path, *sets)
    facts = json.loads(output)
    assert facts["cells"] == 1000
    print(f"\n1000 cells, {facts['distinct']} stage runs: planned in {wall:.2f} s")
    assert wall <= PLANNED


def test_a_grid_that_the_store_holds(tmp_path: Path) -> None:
    """What `zoo run` takes to look at 100 finished cells and write their run folder."""
    sets = [
        CONTROLS,
        "metrics=[accuracy, psnr]",
        "dataset.params={n_classes: 2, images_per_class: 12, subjects: [1]}",
        "encoder=eegnet",
        "encoder.train.epochs=1",
        "conditioner=lora",
        "conditioner.train.steps=1",
        "conditioner.train.batch_size=2",
        f"grid.pipeline.sample.guidance_scale={[1.5 + i / 10 for i in range(100)]}",
        "pipeline.sample.steps=1",
    ]
    zoo("run", tmp_path, *sets)
    wall, _ = zoo("run", tmp_path, *sets)
    print(f"\n100 cells that the store holds: {wall:.1f} s")
