"""One call from recipe to run folder: plan, execute, write."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial as partial_of
from hashlib import sha256
from pathlib import Path

from registry.errors import UserError
from zoo.engine.answers import answers
from zoo.engine.execute import Outcome, execute
from zoo.engine.forecast.plan import disk_problem
from zoo.engine.gallery import write_gallery
from zoo.engine.graph import Plan
from zoo.engine.interrupts import noted
from zoo.engine.keys import canonical
from zoo.engine.plan import plan as make_plan
from zoo.engine.provenance import provenance
from zoo.engine.results import log_name, results, write_csv
from zoo.engine.roots import Roots
from zoo.engine.scores import write_scores
from zoo.engine.store import Store
from zoo.engine.task import Failure
from zoo.engine.workers.cluster import Workers
from zoo.export.write import write_pipeline
from zoo.plan_text import cells_briefly
from zoo.recipe import Recipe, dump
from zoo.registries import ANALYSES, METRICS, reading_once

#: What is said before a run of each stand-in.
STAND_INS = {
    "data": "simulated EEG stands in for recordings; --data-root DIR takes yours",
    "weights": "pocket weights stand in for Stable Diffusion; --weights-root DIR takes yours",
}


@dataclass(frozen=True)
class RunResult:
    """What a run left behind.

    Parameters
    ----------
    folder : Path
        The run folder.
    failed : list of str
        Ids of the cells that lack a result; empty when all went well.
    failures : list of Failure
        The stage runs that raised or were blocked, and what of the run folder could not be written.
    ran, reused : int
        Stage runs.
    """

    folder: Path
    failed: list[str]
    failures: list[Failure]
    ran: int
    reused: int


@noted()
def run(
    recipe: Recipe,
    *,
    data_root: Path | str | None = None,
    image_root: Path | str | None = None,
    weights_root: Path | str | None = None,
    store: Store | Path | str | None = None,
    out: Path | str = Path("runs"),
    device: str = "cpu",
    threads: int | None = None,
    processes: int = 1,
    workers: int | None = None,
    worker_memory: str | None = None,
    dask: str | None = None,
) -> RunResult:
    """Run every stage that the store lacks and write a run folder.

    Parameters
    ----------
    recipe : Recipe
        Checked cells.
    data_root, image_root, weights_root : Path or None
        Where recordings, pictures and weights are.
    store : Store, Path or None
        None is ``ZOO_STORE``, else the user's cache folder.
    out : Path
        The run folder is ``<out>/<recipe>/<timestamp>-<hash>``.
    device : str
        Torch device.
    threads : int or None
        Threads of torch and BLAS; results are bit-identical only at the same number.
    processes : int
        How many train a conditioner together; the recipe's batch is shared among them.
    workers : int or None
        Run so many stages at a time, each in a worker process of this machine.
    worker_memory : str or None
        What each worker may use ("8GB"); None is an equal part of the machine's memory.
    dask : str or None
        Address of a Dask scheduler, whose workers run the stages.

    Returns
    -------
    RunResult

    Raises
    ------
    UserError
        If something that every figure needs is missing or wrong; no run folder is written then.
    """
    began = time.monotonic()
    elsewhere = Workers.asked_for(
        workers, worker_memory, dask, processes=processes, threads=threads
    )
    roots = Roots.resolve(data_root, image_root, weights_root)
    store = store if isinstance(store, Store) else Store(store)
    _require_writable(Path(out))
    plan = make_plan(recipe, roots, store)
    _require_metrics(recipe)
    _say_what(recipe, plan, store)
    if (problem := disk_problem(plan, roots, store)) is not None:
        _say(f"  warning: {problem}")
    outcome = execute(
        plan, store, roots, device=device, threads=threads, processes=processes,
        workers=elsewhere, say=_say,
    )  # fmt: skip
    with reading_once():
        folder, unwritten = _write(
            recipe, plan, store, roots, outcome, Path(out), device, threads, began
        )
    if outcome.failures:
        _say(_failure_table(outcome))
    return RunResult(
        folder=folder,
        failed=[c.cell.id for c in plan.cells if plan.needs(c) & set(outcome.failures)],
        failures=[*outcome.failures.values(), *unwritten],
        ran=len(outcome.ran),
        reused=len(outcome.reused),
    )


def _write(
    recipe: Recipe,
    plan: Plan,
    store: Store,
    roots: Roots,
    outcome: Outcome,
    out: Path,
    device: str,
    threads: int | None,
    began: float,
) -> tuple[Path, list[Failure]]:
    """Write the run folder beside its final name, then move it there and point `latest` to it.

    The figures come first; what else cannot be written costs nobody the figures. It is said, kept
    in ``failures/`` and returned.
    """
    home = out / _safe(recipe.name)
    home.mkdir(parents=True, exist_ok=True)
    digest = sha256("".join(plan.nodes).encode()).hexdigest()[:8]
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{digest}"
    partial = home / f".{name}.{os.getpid()}"
    partial.mkdir()
    unwritten: list[Failure] = []
    try:
        (partial / "recipe.yaml").write_text(dump(recipe.resolved), "utf-8")
        for key, failure in outcome.failures.items():
            _write_failure(partial / "failures" / f"{key}.txt", failure)
        found = results(recipe, plan, store, outcome)
        noting = partial_of(_noting, unwritten)
        found["answers"] = answers(recipe, plan, store, outcome, roots, noting)
        _write_json(partial / "results.json", found)
        write_csv(partial / "results.csv", found)
        seen: dict[str, Path] = {}
        for cell in plan.cells:
            with _noting(unwritten, f"gallery of {cell.cell.id}"):
                write_gallery(partial / "gallery" / cell.cell.id, cell, store, roots, seen)
        for cell in plan.cells:
            with _noting(unwritten, f"pipeline of {cell.cell.id}"):
                write_pipeline(partial / "pipeline" / cell.cell.id, cell, store, roots)
        with _noting(unwritten, "logs"):
            _copy_logs(partial / "logs", plan, store)
        with _noting(unwritten, "scores"):
            write_scores(partial / "scores", plan, store)
        with _noting(unwritten, "provenance"):
            seconds = time.monotonic() - began
            about = provenance(
                recipe, plan, outcome, device=device, threads=threads, seconds=seconds
            )
            _write_json(partial / "provenance.json", about)
        with _noting(unwritten, "report"):
            from zoo.report import write_report

            write_report(partial)
        for number, failure in enumerate(unwritten):
            _write_failure(partial / "failures" / f"unwritten-{number}.txt", failure)
        folder = _free_name(home / name)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # already renamed when all went well
    _point_latest(out / "latest", folder)
    return folder, unwritten


def _require_metrics(recipe: Recipe) -> None:
    """Refuse values that a metric or analysis does not take: they are asked after the training."""
    asked = [metric for cell in recipe.cells for metric in cell.metrics]
    for block in {canonical([one.name, one.params]): one for one in asked}.values():
        METRICS.create(block.name, **block.params)
    for block in recipe.analyses:
        ANALYSES.create(block.name, **block.params)


def _require_writable(out: Path) -> None:
    """Refuse a place where no run folder can be made, before any work is done for it."""
    nearest = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".zoo-", dir=nearest):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write into {out} ({error.strerror}); name another folder with --out"
        ) from error


def _copy_logs(folder: Path, plan: Plan, store: Store) -> None:
    for cell in plan.cells:
        for variant in cell.variants:
            for stage, key in (("encode", cell.encode), ("condition", variant.condition)):
                log = store.path(key) / "log.csv" if key else None
                if log is not None and log.is_file():
                    target = folder / cell.cell.id / log_name(stage, variant)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(log, target)


@contextmanager
def _noting(unwritten: list[Failure], what: str) -> Iterator[None]:
    """Say and note that a part of the run folder could not be written, and go on."""
    try:
        yield
    except UserError as error:
        unwritten.append(Failure(what, str(error)))
    except Exception as error:  # a bug in a picture or a page must not cost the figures
        message = f"{type(error).__name__}: {error}"
        unwritten.append(Failure(what, message, traceback.format_exc()))
    else:
        return
    _say(f"the {what} could not be written: {unwritten[-1].message}")


def _write_failure(path: Path, failure: Failure) -> None:
    path.parent.mkdir(exist_ok=True)
    text = f"{failure.label}\n{failure.message}\n\n{failure.traceback or ''}"
    path.write_text(text, "utf-8")


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", "utf-8")


def _free_name(folder: Path) -> Path:
    """Return `folder`, with a number behind it where a run of the same second took the name."""
    candidate, number = folder, 2
    while candidate.exists():
        candidate, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return candidate


def _point_latest(link: Path, folder: Path) -> None:
    """Replace the symbolic link `latest` in one step."""
    fresh = link.with_name(f".latest.{os.getpid()}")
    fresh.symlink_to(os.path.relpath(folder, link.parent), target_is_directory=True)
    fresh.replace(link)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip(".") or "run"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _say_what(recipe: Recipe, plan: Plan, store: Store) -> None:
    facts = plan.to_json()
    _say(f"{recipe.name}: {recipe.data} data, {recipe.weights} weights, scale {recipe.scale}")
    for stand_in in recipe.stand_ins:
        _say(f"  {STAND_INS[stand_in]}")
    cells = "1 cell" if facts["cells"] == 1 else f"{facts['cells']} cells"
    counts = f"{facts['distinct']} stage runs, {facts['cached']} cached, {facts['to_run']} to run"
    _say(f"  {cells}, {counts} (store: {store.root})")
    if named := cells_briefly(facts["grid"]):
        _say(named)
    for sentence in facts["replaced"]:
        _say(f"  {sentence}")
    for sentence in plan.missing:
        _say(f"  a metric will have no value: {sentence}")


def _failure_table(outcome: Outcome) -> str:
    """Return one line for each stage run that raised; what they blocked is counted."""
    rows = [f"  {f.label}: {f.message}" for f in outcome.failures.values() if not f.blocked]
    blocked = len(outcome.failures) - len(rows)
    return "\n".join([f"{len(rows)} failed, and {blocked} that depend on them did not run:", *rows])
