"""Stages on Dask workers: the same results, killed workers, several clients, what is refused."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from engine_toys import CELL, add_parts, recipe, with_

import cli
from registry import UserError
from zoo import cli_recipes, registries
from zoo.engine import plan as planning
from zoo.engine.plan import plan
from zoo.engine.roots import Roots
from zoo.engine.run import RunResult, run
from zoo.engine.store import MANIFEST, Store
from zoo.engine.task import Setting
from zoo.engine.workers import alike, cluster
from zoo.engine.workers.alike import Ours, difference
from zoo.engine.workers.capacity import wants
from zoo.engine.workers.cluster import Workers, connected
from zoo.engine.workers.spread import _make_ready

SEEDS = tuple(replace(CELL, id=f"seed={n}", seed=n) for n in range(2))
BAD = replace(with_(CELL, "encoder", params={"power": 13}), id="bad")
UNDRAWN = replace(
    with_(CELL, "pipeline", sample={"images_per_trial": 0}),
    id="undrawn", seed=7, metrics=CELL.metrics[:1], controls=(),
)  # fmt: skip
DEADLY = replace(with_(CELL, "encoder", params={"power": 9}), id="deadly")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    monkeypatch.setitem(sys.modules, "zoo.report", SimpleNamespace(write_report=lambda _: None))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A cluster of one worker that is already there, and where its encoders count their steps."""
    steps = tmp_path_factory.mktemp("there") / "steps"
    with connected(Workers(local=1, memory="3GB"), "cpu") as client:
        client.run(lambda: os.environ.update(TOY_PIDS=str(steps)))  # in the worker alone
        yield client.scheduler.address, steps


@pytest.fixture
def address(there: tuple[str, Path]) -> str:
    return there[0]


def contents(store: Path) -> dict[str, dict[str, str]]:
    """Return key -> file -> sha256 of all entries."""
    found = Store(store)
    return {
        entry.key: {name: f["sha256"] for name, f in found.manifest(entry.key)["files"].items()}
        for entry in found.entries()
    }


def figures(result: RunResult) -> Any:
    """Return what a run found, without times and looks."""
    found = json.loads((result.folder / "results.json").read_text())
    for cell in found["cells"]:
        cell.pop("timings")
        cell.pop("ledger", None)  # counts the looks that each store has seen
    return found


class Process:
    """A run of toys in a process of its own, in a process group of its own."""

    def __init__(self, folder: Path, name: str, store: str, seeds: int, **options: object) -> None:
        self.pids = folder / f"{name}.pids"
        self.errors = folder / f"{name}.err"
        self.began = time.monotonic()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
            "TOY_PIDS": str(self.pids),
            "TOY_PAUSE": "0.2",
        }
        script = str(Path(__file__).with_name("toy_run.py"))
        arguments = [str(folder / store), str(folder / name), str(seeds), json.dumps(options)]
        self.answer = folder / f"{name}.json"
        with self.errors.open("w") as errors, self.answer.open("w") as answer:
            self.process = subprocess.Popen(
                [sys.executable, script, *arguments],
                env=environment, stdout=answer, stderr=errors,
                start_new_session=True,
            )  # fmt: skip

    def steps(self) -> list[tuple[int, int, int]]:
        """Return (seed, step, process) of every step that an encoder has made."""
        lines = self.pids.read_text().splitlines() if self.pids.is_file() else []
        return [tuple(map(int, line.split())) for line in lines]  # type: ignore[misc]

    def wait_for(self, seen: Callable[[list[tuple[int, int, int]]], bool]) -> None:
        while not seen(self.steps()):
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() - self.began < 60, self.errors.read_text()
            time.sleep(0.02)

    def end(self) -> Any:
        assert self.process.wait(timeout=60) == 0, self.errors.read_text()
        return json.loads(self.answer.read_text())


# ---- the same results


def test_two_workers_find_what_one_process_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit for bit, a node that fails and a cell that draws nothing included."""
    cells = recipe(*SEEDS, BAD, UNDRAWN)
    alone = run(cells, store=tmp_path / "alone", threads=1)
    said_alone = capsys.readouterr().err
    both = run(cells, store=tmp_path / "both", threads=1, workers=2)
    said_both = capsys.readouterr().err
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")
    for one, other in zip(figures(both)["cells"], figures(alone)["cells"], strict=True):
        assert one == other
    assert both.failed == alone.failed == ["bad"]
    assert (both.ran, both.reused) == (alone.ran, alone.reused)
    assert [(f.label, f.message, f.blocked) for f in both.failures] == [
        (f.label, f.message, f.blocked) for f in alone.failures
    ]
    assert "thirteen is unlucky" in str(both.failures[0].traceback)
    assert said_alone.splitlines()[-2:] == said_both.splitlines()[-2:]  # the table of failures
    assert f"[{both.ran + 1}/{both.ran + len(both.failures)}] " in said_both
    assert "distributed" not in said_both
    assert not list((tmp_path / "both" / "temporary").iterdir())
    # Nobody is asked where nothing lacks.
    again = run(recipe(*SEEDS), store=tmp_path / "both", dask="tcp://127.0.0.1:9")
    assert (again.ran, again.reused) == (0, 30)


def test_a_mistake_that_every_figure_meets_is_raised(tmp_path: Path, address: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "eeg.txt").write_text("1")
    (tmp_path / "data" / "broken").write_text("")
    rooted = with_(CELL, "dataset", name="rooted_data")
    with pytest.raises(UserError, match=r"eeg\.txt: is broken; mend it"):
        run(recipe(rooted), data_root=tmp_path / "data", dask=address)
    assert not Path("runs").exists()


# ---- workers and clients that come to an end


def test_a_worker_killed_in_the_middle_of_a_stage_costs_nothing_else(tmp_path: Path) -> None:
    process = Process(tmp_path, "killed", "store", 1, workers=2, threads=1)
    process.wait_for(lambda steps: any(step == 3 for _, step, _ in steps))
    victim = next(pid for _, step, pid in process.steps() if step == 3)
    store = Store(tmp_path / "store")
    before = {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for entry in store.entries()
        for path in store.path(entry.key).rglob("*")
        if path.name != MANIFEST
    }
    children = psutil.Process(process.process.pid).children(recursive=True)
    os.kill(victim, signal.SIGKILL)
    done = process.end()
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert "leaked" not in process.errors.read_text(), "a warning of Python's resource tracker"
    assert done == {"ran": 17, "reused": 0, "failed": []}
    assert "a worker ended; encode toy_encoder · seed" in process.errors.read_text()
    assert before
    assert before == {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in before}
    steps = [(seed, step) for seed, step, _ in process.steps()]
    assert set(steps) == {(0, step) for step in range(6)}
    assert len(steps) <= 7, "began again from the first step"
    assert not list((tmp_path / "store" / "temporary").iterdir())
    assert not list((tmp_path / "store" / "work").iterdir())
    assert not [entry.key for entry in store.entries() if store.damage(entry.key)]
    run(recipe(), store=tmp_path / "whole", threads=1)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_a_stage_that_takes_its_worker_with_it_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cluster._LOCAL, "distributed.scheduler.allowed-failures", 1)
    result = run(recipe(CELL, DEADLY), store=tmp_path / "store", threads=1, workers=1)
    assert result.failed == ["deadly"]
    first = result.failures[0]
    assert first.label == "encode toy_encoder · seed 0 [deadly]"
    assert first.message.startswith("the worker died 2 times while running it")
    assert all(f.blocked and f.message == f"not run: {first.label} failed"
               for f in result.failures[1:])  # fmt: skip
    assert len(result.failures) > 1


def test_interrupted_runs_end_their_workers(tmp_path: Path) -> None:
    process = Process(tmp_path, "stopped", "store", 1, workers=1, threads=1)
    process.wait_for(bool)
    children = psutil.Process(process.process.pid).children(recursive=True)
    os.killpg(process.process.pid, signal.SIGINT)  # as a terminal does
    assert process.process.wait(timeout=60) == 130, process.errors.read_text()
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert "Traceback" not in process.errors.read_text()


def test_workers_end_with_a_killed_client(tmp_path: Path) -> None:
    process = Process(tmp_path, "killed", "store", 1, workers=1, threads=1)
    process.wait_for(bool)
    children = psutil.Process(process.process.pid).children(recursive=True)
    process.process.kill()
    process.process.wait()
    assert children
    assert not psutil.wait_procs(children, timeout=20)[1]


def test_two_runs_at_once_share_one_store(tmp_path: Path) -> None:
    """One alone, one with workers: each stage runs in one of them."""
    processes = [
        Process(tmp_path, "a", "store", 2, threads=1),
        Process(tmp_path, "b", "store", 2, threads=1, workers=1),
    ]
    done = [process.end() for process in processes]
    assert sum(d["ran"] for d in done) == 30
    assert [d["ran"] + d["reused"] for d in done] == [30, 30]
    steps = sorted((seed, step) for process in processes for seed, step, _ in process.steps())
    assert steps == [(seed, step) for seed in range(2) for step in range(6)]


def test_two_clients_of_one_scheduler_share_tasks(tmp_path: Path, there: tuple[str, Path]) -> None:
    address, made = there
    processes = [Process(tmp_path, name, "store", 2, dask=address) for name in "ab"]
    done = [process.end() for process in processes]
    assert [d["failed"] for d in done] == [[], []]
    assert len(contents(tmp_path / "store")) == 30
    steps = [line.split()[:2] for line in made.read_text().splitlines()]
    assert sorted(steps) == [[seed, step] for seed in "01" for step in "012345"]


# ---- what the workers are


def test_local_workers_are_fenced_in() -> None:
    with connected(Workers(local=1, memory="700MB"), "cpu") as client:
        (facts,) = client.scheduler_info()["workers"].values()
        assert (facts["memory_limit"], facts["nthreads"]) == (700_000_000, 1)
        daemonic = client.run(lambda: multiprocessing.current_process().daemon)
        assert list(daemonic.values()) == [False]
        ours = psutil.Process()
        listening = [
            connection.laddr.ip
            for process in [ours, *ours.children(recursive=True)]
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert set(listening) == {"127.0.0.1"}


def test_each_local_worker_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,2,1")
    with connected(Workers(local=2, memory="1GB"), "cuda") as client:
        seen = client.run(lambda: os.environ["CUDA_VISIBLE_DEVICES"])
        assert sorted(seen.values()) == ["2", "4"]
        workers = client.scheduler_info()["workers"].values()
        assert [worker["resources"] for worker in workers] == [{"GPU": 1}] * 2
    with (
        pytest.raises(UserError, match="--workers 4 --device cuda: there are 3 GPUs"),
        connected(Workers(local=4), "cuda"),
    ):
        pass


def test_stages_that_train_or_draw_ask_for_a_gpu(tmp_path: Path) -> None:
    nodes = plan(recipe(), Roots(), Store(tmp_path)).nodes.values()
    cuda = Setting(store=tmp_path, device="cuda")
    asking = {node.stage for node in nodes if wants(node, cuda)["GPU"]}
    assert asking == {"encode", "condition", "generate", "features", "judge"}
    assert not any(wants(node, replace(cuda, device="cpu"))["GPU"] for node in nodes)
    prepare = next(node for node in nodes if node.stage == "prepare")
    _make_ready(prepare, cuda, Ours())  # on a machine without a GPU, too


def test_threads_are_shared_or_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from dask import system

    monkeypatch.setattr(system, "CPU_COUNT", 8)
    assert Workers(local=3).threads(None) == 2
    assert Workers(local=9).threads(None) == 1
    assert Workers(local=3).threads(4) == 4
    assert Workers(local=2).threads(32) == 32  # eight for each core: slow, and as asked for
    with pytest.raises(UserError, match="--threads 33: 66 threads on the 8 cores here"):
        Workers(local=2).threads(33)
    assert Workers(address="tcp://host:1").threads(None) is None


PLUGIN = '''
from registry import component

@component("encoder", tokens=(1, 1))
class Foreign:
    """An encoder of somebody else's."""
'''


def test_plugins_are_known_to_workers(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    file = tmp_path / "foreign_encoder.py"
    file.write_text(PLUGIN)
    monkeypatch.setattr(alike, "PLUGINS", [str(file)])
    setting = Setting(store=tmp_path)
    with Client(address, set_as_default=False) as client:
        assert list(client.run(difference, Ours(), setting).values()) == [None]
        known = client.run(lambda: "foreign_encoder" in registries.ENCODERS.names())
        assert list(known.values()) == [True]
        alike._file_digest.cache_clear()
        file.write_text(PLUGIN + "\n\nVERSION = 2\n")
        (said,) = client.run(difference, Ours(), setting).values()
        assert said.endswith("foreign_encoder.py; start the worker again")


# ---- what is refused


def test_a_worker_of_other_source_is_refused(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.engine.workers import spread

    monkeypatch.setattr(spread, "Ours", lambda: Ours(source="edited since"))
    with pytest.raises(UserError, match=r"^worker tcp://127\S+ runs other source of eegzoo"):
        run(recipe(), store=tmp_path / "store", dask=address)
    assert not contents(tmp_path / "store")


def test_a_worker_without_the_store_or_the_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alike, "PATIENCE", 0.0)
    setting = Setting(store=tmp_path / "store", roots=Roots(data=tmp_path / "gone"))
    worker = SimpleNamespace(address="tcp://other:1")
    said = alike._look(Ours(), setting, tmp_path / "store" / "temporary" / "x", worker)
    assert f"does not see the store {tmp_path / 'store'}; --store has to name" in str(said)
    said = difference(Ours(), setting)
    assert said == f"does not see {tmp_path / 'gone'}; the folder has to have the same path there"
    newer = replace(Ours(), versions={**Ours().versions, "torch": "1.0"})
    assert "has other versions: torch " in str(difference(newer, setting))


def test_a_gpu_that_no_worker_offers_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError, match="no worker of .* offers the resource GPU; start it with"):
        run(recipe(), store=tmp_path / "store", dask=address, device="cuda")


def test_an_address_where_nobody_listens_is_refused_quickly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_recipes, "_load", lambda *_, **__: recipe())
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    began = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "paper", "--store", str(tmp_path / "s"), "--dask", "tcp://127.0.0.1:9"])
    assert ended.value.code == 2
    assert "--dask tcp://127.0.0.1:9: no Dask scheduler answers there" in capsys.readouterr().err
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "address", ["nonsense", "", "http://host:8786", "tcp://host", "tcp://host:port"]
)
def test_what_is_no_address_is_refused_before_a_client_is_made(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distributed.Client", None)  # one that fails to connect is slow to end
    with pytest.raises(UserError, match=f"--dask {address}: no Dask scheduler answers there"):
        run(recipe(), dask=address)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 2, "dask": "tcp://a:1"}, "name one of them"),
        ({"workers": 2, "processes": 2}, "--processes 2 divides one training, --workers runs"),
        ({"dask": "tcp://a:1", "processes": 2}, "--processes 2 divides one training, --dask runs"),
        ({"worker_memory": "1GB"}, "--worker-memory limits the workers that --workers starts"),
        ({"workers": 2, "worker_memory": "lots"}, "--worker-memory lots: that is no size"),
        ({"workers": 2, "worker_memory": "0"}, "--worker-memory 0: name a size between 512.00 MiB"),
        ({"workers": 2, "worker_memory": "-8GB"}, "--worker-memory -8GB: name a size between"),
        ({"workers": 2, "worker_memory": "9PB"}, "--worker-memory 9PB: name a size between"),
        ({"workers": 9999}, "--workers 9999 leaves each .*; name fewer"),
        ({"workers": 2, "threads": 99999}, "--workers 2 --threads 99999: 199998 threads on the "),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(recipe(), **options)
    assert Store().entries() == []


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        cluster.importlib.util,
        "find_spec",
        lambda name: None if name == "distributed" else find(name),
    )
    with pytest.raises(UserError, match=r"--workers needs the package 'distributed'.*\[cluster\]"):
        run(recipe(), workers=2)


def test_one_process_imports_no_dask(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv[1:] = sys.argv[2:]; import toy_run; toy_run.main(*sys.argv[1:]); "
        "assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    arguments = ["-", str(tmp_path / "s"), str(tmp_path / "o"), "1", "{}"]
    subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=True,
                   capture_output=True, timeout=60)  # fmt: skip
