"""What `zoo plan` prints of large grids: axes instead of cells, trainings alike as one line."""

from __future__ import annotations

from typing import Any

from zoo.plan_text import plan_text

ENCODERS, SEEDS = ("eegnet", "nice", "lstm", "lda"), range(10)


def training(label: str, steps: int = 200) -> dict[str, Any]:
    return {
        "label": f"condition {label}", "steps": steps, "seconds_per_step": 0.5,
        "seconds": steps * 0.5, "flops_per_step": 1e10, "memory_bytes": 1e9,
        "parameters": {"projection": 500_000},
    }  # fmt: skip


def planned(grid: list[dict[str, Any]], trainings: list[dict[str, Any]]) -> dict[str, Any]:
    nodes = [{"stage": "encode", "label": f"encode {i}", "state": "missing"} for i in range(40)]
    return {
        "recipe": "paper", "cells": len(grid), "grid": grid, "stages": {"encode": 40},
        "distinct": 40, "cached": 0, "to_run": 40, "unshared": 40, "nodes": nodes,
        "training": trainings,
    }  # fmt: skip


def grid(**axes: list[Any]) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = [{}]
    for axis, values in axes.items():
        points = [{**point, axis: value} for point in points for value in values]
    return [{"id": f"c{i}", "coords": point} for i, point in enumerate(points)]


def test_many_cells_are_told_by_their_axes() -> None:
    whole = {"name": "lora", "params": {"rank": None, "band": [5, 95]}}
    text = plan_text(planned(grid(encoder=["eegnet", whole], seed=list(range(20))), []))
    assert (
        "Cells: 40, by axis the number of values and the values:\n"
        "  encoder  2   eegnet, {name: lora, params: {rank: null, band: [5, 95]}}\n"
        "  seed     20  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...\n"
        "  the first is called c0; --json names all\n"
    ) in text
    assert "and 16 more stage runs; --json lists all" in text
    assert "  c23  seed=23\n" in plan_text(planned(grid(seed=list(range(24))), []))


def test_trainings_that_differ_in_their_seed_are_one_line() -> None:
    told = [
        training(f"linear · seed {s} [encoder={e},seed={s}]", steps=100 * (1 + i))
        for i, e in enumerate(ENCODERS)
        for s in SEEDS
    ]
    told += [training(f"linear · class_label · seed 0 [encoder={e},seed=0]") for e in ENCODERS]
    lines = plan_text(planned(grid(seed=[0]), told)).splitlines()
    first = lines.index("Training of conditioners, predicted:") + 1
    named = [line.partition("  0.50 M")[0].split("  x ") for line in lines[first:]]
    assert [[text.strip() for text in name] for name in named] == [
        *([f"linear [encoder={e}]", "10"] for e in ENCODERS),
        *([f"linear · class_label [encoder={e}]", "1"] for e in ENCODERS),
    ]


def test_of_many_kinds_those_predicted_alike_are_one_line() -> None:
    told = [training(f"lora · seed 0 [subjects={s},limit=9]", steps=s % 2) for s in range(30)]
    text = plan_text(planned(grid(seed=[0]), told))
    assert text.count("  lora  x 15  ") == 2
    few = plan_text(planned(grid(seed=[0]), told[:12]))
    assert "  lora · seed 0 [subjects=11,limit=9]  " in few


def test_a_seed_of_something_else_is_left_in_the_label() -> None:
    told = [training(f"lora · seed 1 [seed=1,dataset.params.seed={i},snr=1]") for i in range(13)]
    told += [training(f"nice · seed 1 [a=1,dataset.params.seed={i}]", i) for i in range(13)]
    text = plan_text(planned(grid(seed=[0]), told))
    assert "  lora [dataset.params.seed=12,snr=1]  x 1" in text
    assert "  nice [a=1,dataset.params.seed=2]  " in text
