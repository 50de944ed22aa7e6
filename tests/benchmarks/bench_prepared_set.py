"""The prepared 40-class set against loading its released file: opening, and one epoch of batches.

    zoo simulate eeg_imagenet40 DIR --full-size
    ZOO_BENCH_DATA=DIR python -m pytest -s tests/benchmarks/bench_prepared_set.py

The usual way to read the released files is a pickle of one dictionary a trial: the whole file is
loaded at every start, and every epoch cuts and stacks its trials one by one. Here the file is
prepared once; a start maps the array, an epoch gathers batches. Both are measured in processes of
their own (opening: seconds, and memory above an interpreter with the same imports) and in turn
(epochs: medians). The file's name keeps it out of the normal test run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from zoo.stages import prepare
from zoo.stages._context import Context
from zoo.stages.select import read_table

FILE = "eeg_5_95_std.pth"
PARAMS = {"band": [5, 95], "window": [0.02, 0.46]}
BATCH, ROUNDS = 128, 5

OPEN = """
import json, sys, time
import numpy as np, pandas as pd, torch
from pathlib import Path
from zoo.stages.select import read_table
def peak():  # ru_maxrss would begin with the parent's
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
before, began = peak(), time.perf_counter()
if sys.argv[1] == "ours":
    eeg = np.load(Path(sys.argv[2]) / "eeg.npy", mmap_mode="r", allow_pickle=False)
    table = read_table(Path(sys.argv[2]))
    assert len(eeg) == len(table)
else:
    found = torch.load(sys.argv[2], weights_only=True)
    assert found["dataset"]
print(json.dumps([time.perf_counter() - began, peak() - before]))
"""


class Segments(Dataset):
    """The released list, cut trial by trial when it is asked for."""

    def __init__(self, items: list[dict]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        item = self.items[index]
        return item["eeg"].float()[:, 20:460], item["label"]


@pytest.fixture(scope="module")
def root() -> Path:
    named = os.environ.get("ZOO_BENCH_DATA")
    if named is None:
        pytest.skip("name a folder in the format of eeg_imagenet40 in ZOO_BENCH_DATA")
    return Path(named)


@pytest.fixture(scope="module")
def prepared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    params = {"dataset": "eeg_imagenet40", "params": PARAMS, "fingerprint": ""}
    began = time.perf_counter()
    prepare.run({}, params, out, Context(work=out / "work", data_root=root))
    print(f"\nprepared once in {time.perf_counter() - began:.1f} s")
    return out


def opened(how: str, path: Path) -> tuple[float, float]:
    """Return seconds and MB of opening in a process of its own."""
    command = [sys.executable, "-c", OPEN, how, str(path)]
    seconds, megabytes = json.loads(subprocess.check_output(command))
    return seconds, megabytes


def test_opening(root: Path, prepared: Path) -> None:
    ours, theirs = opened("ours", prepared), opened("theirs", root / FILE)
    print(
        f"open: ours {ours[0]:.3f} s, {ours[1]:.0f} MB; file {theirs[0]:.2f} s, {theirs[1]:.0f} MB"
    )
    assert ours[0] <= 0.3
    assert ours[1] <= 50


def test_an_epoch(root: Path, prepared: Path) -> None:
    eeg = np.load(prepared / "eeg.npy", mmap_mode="r", allow_pickle=False)
    label = read_table(prepared).label.to_numpy()
    items = torch.load(root / FILE, weights_only=True)["dataset"]
    items = [item for item in items if 450 <= item["eeg"].shape[1] <= 600]
    assert len(items) == len(eeg)

    def mapped() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = np.random.default_rng(0).permutation(len(eeg))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            yield torch.from_numpy(eeg[rows]), torch.from_numpy(label[rows])

    def listed() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield from DataLoader(Segments(items), batch_size=BATCH, shuffle=True)

    seconds: dict[str, list[float]] = {"ours": [], "list": []}
    for _ in range(ROUNDS):
        for name, batches in (("ours", mapped), ("list", listed)):
            began = time.perf_counter()
            total = sum(len(eeg_BCT) for eeg_BCT, _ in batches())
            seconds[name].append(time.perf_counter() - began)
            assert total == len(eeg)
    ours, theirs = (statistics.median(seconds[name]) for name in ("ours", "list"))
    print(
        f"epoch of {len(eeg)} trials: ours {ours:.2f} s, list {theirs:.2f} s, {theirs / ours:.2f} x"
    )
    assert ours <= theirs
