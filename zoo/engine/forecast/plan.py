"""What everything that a plan has to run will take: time, memory and disk, by stage and in all."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.engine.counts import takes_over, towers, trainings
from zoo.engine.forecast.disk import checkpoints, disk, pictures_of, png_bytes, side_of
from zoo.engine.forecast.sizes import UNKNOWN, Shelf, split_of
from zoo.engine.forecast.time import History, work
from zoo.engine.forecast.training import (
    LIBRARIES,
    drawing,
    encoding,
    forecast,
    matmul_flops,
    shapes_of,
    stored_numbers,
)
from zoo.engine.graph import Node, Plan
from zoo.engine.keys import canonical
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.engine.token_shape import token_shape, tokens_of
from zoo.pipelines._shapes import Denoiser
from zoo.recipe.cells import Block, Cell
from zoo.recipe.errors import RecipeError
from zoo.registries import reading_once

#: A row of a run folder's scores, and its report with the rest: without pictures.
SCORE, REPORT, REPORT_CELL = 40, 600_000, 150_000


@dataclass(frozen=True)
class Expected:
    """What one node will take; None is what is not known.

    Parameters
    ----------
    seconds : float or None
    disk : float or None
        Bytes that it adds to the store.
    memory : float or None
        Bytes at its highest point.
    temporary : float
        Bytes of the store that it needs besides, while it runs.
    by : {"store", "model", "rough", None}
        Where the seconds come from; "rough" is within a factor of a few.
    training : dict or None
        What `zoo plan` prints of a conditioner's training.
    """

    seconds: float | None = None
    disk: float | None = None
    memory: float | None = None
    temporary: float = 0.0
    by: str | None = None
    training: dict[str, Any] | None = None

    @cached_property
    def told(self) -> dict[str, Any]:
        """What `zoo plan --json` says of it."""
        return {"seconds": self.seconds, "disk_bytes": self.disk, "by": self.by}


def forecast_plan(
    plan: Plan, roots: Roots, store: Store, *, device: str = "cpu", threads: int | None = None
) -> dict[str, Any]:
    """Return what `plan` will take, JSON-able.

    Returns
    -------
    dict
        ``training``: one entry for each conditioner to be trained; ``trainings`` and ``towers``:
        see `zoo.engine.counts`; ``forecast``: ``stages`` and ``total`` (to_run, seconds and
        disk_bytes, each with how many runs are not in the sum, seconds_rough, which are in it, and
        memory_bytes), ``temporary_bytes``, ``run_folder_bytes``, ``in_store_bytes``,
        ``free_bytes``, ``fits`` and ``notes``; ``expected``: key -> seconds, disk_bytes, by.
    """
    with reading_once():
        maker = _Forecaster(plan, roots, store, device, threads)
        found = {node.key: maker.expected(node) for node in maker.to_run}
        run_folder = maker.run_folder()
    stages: dict[str, list[Expected]] = {node.stage: [] for node in plan.nodes.values()}
    for node in maker.to_run:
        stages[node.stage].append(found[node.key])
    total = _sum(found.values())
    held = sum(_size(store, node.key) for node in plan.nodes.values() if node.key not in found)
    temporary = max((one.temporary for one in found.values()), default=0.0)
    free = free_bytes(store.root)
    needed = total["disk_bytes"] + temporary
    return {
        "trainings": trainings(plan),
        "towers": towers(plan),
        "training": [one.training for one in found.values() if one.training is not None],
        "expected": {key: one.told for key, one in found.items()},
        "forecast": {
            "stages": {stage: _sum(nodes) for stage, nodes in stages.items()},
            "total": total,
            "temporary_bytes": round(temporary),
            "run_folder_bytes": run_folder,
            "in_store_bytes": held,
            "free_bytes": free,
            "fits": needed <= free,
            "notes": maker.notes(),
        },
    }


def disk_problem(plan: Plan, roots: Roots, store: Store) -> str | None:
    """Return a sentence where the store's disk is too small for what is to run; else None."""
    with reading_once():
        maker = _Forecaster(plan, roots, store, None, None)
        found = [maker.expected(node) for node in maker.to_run]
    needed = sum(one.disk or 0.0 for one in found)
    needed += max((one.temporary for one in found), default=0.0)
    free = free_bytes(store.root)
    if needed <= free:
        return None
    return (
        f"the disk of the store {store.root} has {free / 1e9:.1f} GB free, and about "
        f"{needed / 1e9:.1f} GB are needed: name another one with --store, or make room with "
        "zoo status --prune"
    )


def free_bytes(folder: Path) -> int:
    """Return what is free on the file system of a folder, whether it exists or not."""
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    return shutil.disk_usage(nearest).free


class _Forecaster:
    """Answers for one node after another; alike trainings are looked at once."""

    def __init__(
        self, plan: Plan, roots: Roots, store: Store, device: str | None, threads: int | None
    ) -> None:
        self.plan, self.roots, self.device = plan, roots, device or "cpu"
        self.to_run = plan.to_run
        self.shelf = Shelf(plan, store, roots)
        self.history = None  # without a device nothing is timed
        if device is not None:
            self.history = History(store, self.shelf, device=device, threads=threads)
        self.cells = {
            key: one.cell
            for one in plan.cells
            for v in one.variants
            for key in (v.condition, v.generate)
            if key
        }
        stages = {node.stage for node in self.to_run}
        timed = device == "cpu" and stages & {"encode", "condition", "generate"}
        self.matmul = matmul_flops(threads) if timed else None
        self._shapes: dict[str, Denoiser] = {}
        self._trainings: dict[str, dict[str, Any]] = {}
        self._kinds: dict[tuple[Any, ...], Expected] = {}

    def expected(self, node: Node) -> Expected:
        """Return what one node will take."""
        if node.stage == "evaluate":  # most nodes are
            found = self._alike(node, (node.inputs["select"], node.params["split"]))
        elif node.stage == "condition":
            found = self._training(node)
        elif node.stage == "generate":
            found = self._drawing(node)
        elif node.stage == "encode":
            found = self._encoding(node)
        elif node.stage == "features" and node.params["tower"] == "vae":
            found = self._latents(node)
        elif node.stage == "features" and "generate" in node.inputs:
            found = self._looking(node)
        else:
            found = Expected(disk=disk(node, self.shelf))
        seconds = None if self.history is None else self.history.seconds(node.key, node)
        if seconds is not None:
            return replace(found, seconds=seconds, by="store")
        if found.seconds is None:
            return found
        return replace(found, by="rough" if node.stage == "encode" else "model")

    def _training(self, node: Node) -> Expected:
        about = {"key": node.key, "label": node.label}
        try:
            told = self._of_training(node)
        except RecipeError as error:
            return Expected(training={**about, "reason": str(error)})
        facts = {key: told[key] for key in told if key not in ("stored", "temporary")}
        return Expected(
            seconds=facts["seconds"],
            disk=disk(node, self.shelf, numbers=told["stored"]),
            memory=facts["memory_bytes"],
            temporary=told["temporary"],
            training=None if takes_over(node) else {**about, **facts},
        )

    def _of_training(self, node: Node) -> dict[str, Any]:
        """Return what the training takes; its key and its label aside, alike ones are one."""
        cell = self._cell(node)
        n_trials = self.shelf.sizes(node).of("train")
        train = {k: v for k, v in node.params["train"].items() if k != "lr"}
        told = [node.params["conditioner"], node.params["pipeline"], train, n_trials]
        known = canonical([*told, token_shape(cell)])
        if known not in self._trainings:
            shapes = self._shapes_of(cell.pipeline)
            made = forecast(cell, shapes, n_trials=n_trials, device=self.device, matmul=self.matmul)
            self._trainings[known] = {
                **made.to_json(),
                "stored": stored_numbers(cell, shapes, made.parameters),
                "temporary": checkpoints(node.params["train"], made.parameters),
            }
        return self._trainings[known]

    def _drawing(self, node: Node) -> Expected:
        pictures = pictures_of(node, self.shelf.sizes(node))
        space = disk(node, self.shelf)
        cell = self.cells.get(node.key)
        if cell is None or pictures is None:
            return Expected(disk=space)
        try:
            shapes = self._shapes_of(cell.pipeline)
        except RecipeError:
            return Expected(disk=space)
        memory, seconds = drawing(
            cell, shapes, pictures=pictures, device=self.device, matmul=self.matmul
        )
        return Expected(seconds, space, memory)

    def _encoding(self, node: Node) -> Expected:
        sizes = self.shelf.sizes(node)
        try:
            shape = tokens_of(Block(**node.params["encoder"]))
        except RecipeError:
            return Expected()
        space = disk(node, self.shelf, shape=(shape[0], shape[1]))
        if sizes.selected is None or sizes.shape is None:
            return Expected(disk=space)
        memory = LIBRARIES + 2 * 4.0 * sizes.selected * math.prod(sizes.shape)  # read, normalised
        seconds, trained = None, work(node.key, node, self.shelf)
        if self.matmul is not None and trained is not None:
            seconds = encoding(trained, sizes.selected, sizes.shape, self.matmul)
        return Expected(seconds, space, memory)

    def _latents(self, node: Node) -> Expected:
        pipeline = Block(node.params["pipeline"], node.params["params"])
        try:
            shapes = self._shapes_of(pipeline)
        except RecipeError:
            return Expected()
        return Expected(disk=disk(node, self.shelf, numbers=shapes.latent_numbers()))

    def _looking(self, node: Node) -> Expected:
        """Return what it takes to look at the pictures that another node draws."""
        drawn = self.plan.nodes[node.inputs["generate"]]
        each, network = drawn.params["sample"].get("images_per_trial"), node.params.get("network")
        trials = drawn.inputs["select"], split_of(drawn)
        return self._alike(node, (*trials, each, node.params["tower"], network))

    def _alike(self, node: Node, known: tuple[Any, ...]) -> Expected:
        """Return what scores and features take: most nodes by far, alike for all of one kind."""
        if known not in self._kinds:
            self._kinds[known] = Expected(disk=disk(node, self.shelf))
        return self._kinds[known]

    def _cell(self, node: Node) -> Cell:
        """Return a cell that trains the node; of one that others start from, made of its parts."""
        if node.key in self.cells:
            return self.cells[node.key]
        like = next(iter(self.cells.values()))
        encode = self.plan.nodes.get(node.inputs.get("encode", ""))
        return replace(
            like,
            encoder=like.encoder if encode is None else Block(**encode.params["encoder"]),
            conditioner=Block(**node.params["conditioner"], train=node.params["train"]),
            pipeline=replace(like.pipeline, **node.params["pipeline"]),
        )

    def _shapes_of(self, pipeline: Block) -> Denoiser:
        known = canonical([pipeline.name, pipeline.params])
        if known not in self._shapes:
            self._shapes[known] = shapes_of(pipeline, self.roots)
        return self._shapes[known]

    def run_folder(self) -> int | None:
        """Return the bytes of the run folder: pictures drawn and seen, scores, report."""
        total = float(REPORT)
        for cell in self.plan.cells:
            for number, variant in enumerate(cell.variants):
                if variant.generate is None:
                    continue
                node = self.plan.nodes[variant.generate]
                sizes, side = self.shelf.sizes(node), side_of(cell.cell.pipeline.params)
                drawn, n_test = pictures_of(node, sizes), sizes.of(split_of(node))
                if drawn is None or n_test is None or side is None:
                    return None
                shown = drawn + (n_test if number == 0 else 0)
                total += shown * png_bytes(side) + SCORE * n_test * len(variant.metrics)
            total += REPORT_CELL
        return round(total)

    def notes(self) -> list[str]:
        """Return a sentence for each data set whose trials the sums leave out."""
        unknown: dict[str, None] = {}
        for node in self.to_run:
            if node.stage == "prepare" and self.shelf.sizes(node, node.key).prepared is None:
                unknown[f"data set {node.params['dataset']}: {UNKNOWN}"] = None
        return list(unknown)


def _sum(found: Iterable[Expected]) -> dict[str, Any]:
    nodes = list(found)
    times = Counter(map(id, nodes))  # of thousands the answer is one and the same
    distinct = [(one, times[number]) for number, one in {id(one): one for one in nodes}.items()]
    memory = [one.memory for one, _ in distinct if one.memory is not None]
    return {
        "to_run": len(nodes),
        "seconds": sum(n * (one.seconds or 0.0) for one, n in distinct),
        "seconds_unknown": sum(n for one, n in distinct if one.seconds is None),
        "seconds_rough": sum(n * (one.seconds or 0.0) for one, n in distinct if one.by == "rough"),
        "disk_bytes": round(sum(n * (one.disk or 0.0) for one, n in distinct)),
        "disk_unknown": sum(n for one, n in distinct if one.disk is None),
        "memory_bytes": round(max(memory)) if memory else None,
    }


def _size(store: Store, key: str) -> int:
    return sum(file["size"] for file in store.manifest(key)["files"].values())
