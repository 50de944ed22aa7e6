"""Running: the run folder, reuse, isolated failures, kill and resume."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_toys import CELL, add_parts, recipe, with_

from registry import UserError
from zoo.contracts import DataError
from zoo.engine import plan as planning
from zoo.engine.run import RunResult, run
from zoo.engine.store import Store
from zoo.recipe.cells import Block, Cell


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    monkeypatch.setitem(sys.modules, "zoo.report", SimpleNamespace(write_report=_report))
    monkeypatch.chdir(tmp_path)


def _report(folder: Path) -> Path:
    (folder / "report.html").write_text("<html>")
    return folder / "report.html"


def run_toys(*cells: Cell, **options: object) -> RunResult:
    return run(recipe(*cells), **options)


def test_run_folder_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_toys(threads=1)
    folder = result.folder
    assert not result.failures
    assert folder.parent == Path("runs/toys")
    assert Path("runs/latest").resolve() == folder.resolve()
    for name in ("recipe.yaml", "results.json", "results.csv", "provenance.json", "report.html"):
        assert (folder / name).is_file()
    assert not (folder / "failures").exists()
    assert {p.name for p in (folder / "logs" / "cell").iterdir()} == {
        "encode.csv", "condition.csv", "condition.class_label.csv",
    }  # fmt: skip
    gallery = folder / "gallery" / "cell"
    assert {p.name for p in gallery.iterdir()} == {
        "seen", "real", "shuffled_eeg", "class_label", "index.csv",
    }  # fmt: skip
    assert {p.name for p in (gallery / "seen").iterdir()} == {f"t{i:02d}.png" for i in range(6, 12)}
    assert (gallery / "real" / "t06_0.png").is_file()
    with (gallery / "index.csv").open() as file:
        row = next(csv.DictReader(file))
    assert row == {
        "trial_id": "t06", "label": "0", "class": "cat", "decoded": "cat", "image_id": "i",
        "source_shuffled_eeg": "t07", "source_class_label": "t06",
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "1 cell, 17 stage runs, 0 cached, 17 to run" in said
    assert "[3/17] encode toy_encoder · seed 0" in said


def test_results_carry_split_n_definition_and_selection() -> None:
    found = json.loads((run_toys().folder / "results.json").read_text())
    assert (found["data"], found["weights"], found["scale"]) == ("simulated", "pocket", "pocket")
    assert [cell["control"] for cell in found["cells"]] == [None, "shuffled_eeg", "class_label"]
    real, _, ceiling = found["cells"]
    assert real["metrics"]["accuracy"] == {
        "value": 1.0, "n": 6, "split": "test", "definition": "a toy", "selected_on": "val",
        "higher_is_better": True,
    }  # fmt: skip
    assert "selected_on" not in ceiling["metrics"]["image_class_accuracy"]
    assert real["notes"][:2] == ["Toy data leak nothing.", "toy trials"]
    assert real["notes"][2].startswith("Contested: 50 % of the test trials show a picture")
    assert real["notes"][3].endswith("also occurs in training (image 50 %, run 0 %, eeg 0 %).")
    assert (real["leakage"]["unit"], real["leakage"]["verdict"]) == ("run", "contested")
    assert real["logs"]["condition"] == "logs/cell/condition.csv"
    assert ceiling["logs"] == {"condition": "logs/cell/condition.class_label.csv"}
    contribution = found["contribution"]["cell"]
    over = contribution["over"]["shuffled_eeg"]["image_class_accuracy"]
    assert over["n"] == 6
    assert over["value"] == pytest.approx(-0.5)
    # Two clusters of three trials: too few to resample, and no sign-flip can be rare.
    assert over["ci95"] is None
    assert 0.4 < over["p"] <= over["p_holm"] <= 1
    assert "signs of 2 clusters of trials (smallest possible: 0.5)" in over["definition"]
    assert contribution["verdict"]["kind"] == "not told"


def test_without_pictures_the_encoder_alone_is_trained_and_scored() -> None:
    accuracy = Block("toy_accuracy", {"top": 1}, label="accuracy")
    cell = replace(CELL, metrics=(accuracy,), controls=())
    folder = run_toys(with_(cell, "pipeline", sample={"images_per_trial": 0})).folder
    results = json.loads((folder / "results.json").read_text())
    (entry,) = results["cells"]
    assert results["contribution"] == {}, "there is no generator to judge"
    about = json.loads((folder / "provenance.json").read_text())
    assert {node["stage"] for node in about["nodes"]} == {"prepare", "select", "encode", "evaluate"}
    assert about["weights"] == []
    assert entry["metrics"]["accuracy"]["n"] == 6
    assert entry["logs"] == {"encode": "logs/cell/encode.csv"}
    assert [one["stage"] for one in entry["ledger"]["checkpoints"]] == ["encoder"]
    # The pictures seen are not asked for either: of recordings they are elsewhere.
    assert [path.name for path in (folder / "gallery" / "cell").iterdir()] == ["index.csv"]
    assert not (folder / "pipeline" / "cell").exists()


def test_a_dry_run_and_shuffled_labels_are_stamped() -> None:
    cell = with_(CELL, "dataset", params={"limit": 4, "shuffle_labels": True})
    results = json.loads((run_toys(cell).folder / "results.json").read_text())
    assert results["cells"][0]["notes"][1:3] == [
        "a dry run: at most 4 trials of each split took part",
        "labels and pictures of training and validation trials were shuffled",
    ]


def test_provenance_names_versions_data_and_no_host() -> None:
    folder = run_toys(threads=1).folder
    about = json.loads((folder / "provenance.json").read_text())
    assert about["datasets"] == {"toy_data": "made up"}
    assert {"python", "torch", "numpy"} <= set(about["versions"])
    assert about["seeds"] == [0]
    assert about["machine"]["threads"] == 1
    assert {node["state"] for node in about["nodes"]} == {"ran"}
    import platform

    assert platform.node() not in (folder / "provenance.json").read_text()


def test_second_run_reuses_everything_and_writes_a_new_folder() -> None:
    first, second = run_toys(), run_toys()
    assert (second.ran, second.reused) == (0, first.ran)
    assert first.folder != second.folder
    same = [(r.folder / "results.json").read_text() for r in (first, second)]
    assert same[0] == same[1]


def test_damaged_entry_is_made_again_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    first = run_toys()
    store = Store()
    key = next(e.key for e in store.entries() if e.stage == "encode")
    (store.path(key) / "log.csv").unlink()
    second = run_toys()
    assert second.ran == 1
    assert "encode toy_encoder · seed 0 is damaged; it is made again" in capsys.readouterr().err
    assert not second.failures
    assert store.valid(key)
    assert first.ran == 17


def test_a_failing_cell_blocks_its_dependants_only(capsys: pytest.CaptureFixture[str]) -> None:
    good = replace(CELL, id="good")
    bad = replace(with_(CELL, "encoder", params={"power": 13}), id="bad")
    result = run_toys(bad, good)
    assert result.failed == ["bad"]
    found = json.loads((result.folder / "results.json").read_text())
    by_cell = {(c["id"], c["control"]): c for c in found["cells"]}
    broken = by_cell["bad", None]
    assert broken["metrics"]["accuracy"]["value"] is None
    assert "not run: encode" in broken["metrics"]["accuracy"]["reason"]
    assert broken["failures"][0]["message"] == "RuntimeError: thirteen is unlucky"
    assert by_cell["good", None]["metrics"]["accuracy"]["value"] == 1.0
    # The ceiling needs no encoder.
    assert by_cell["bad", "class_label"]["metrics"]["image_class_accuracy"]["value"] == 1.0
    texts = [p.read_text() for p in (result.folder / "failures").iterdir()]
    assert any("Traceback" in text and "thirteen is unlucky" in text for text in texts)
    assert "encode toy_encoder · seed 0 [bad]: RuntimeError" in capsys.readouterr().err


def test_user_error_that_every_cell_meets_is_raised_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "eeg.txt").write_text("1")
    (tmp_path / "data" / "broken").write_text("")
    rooted = with_(CELL, "dataset", name="rooted_data")
    with pytest.raises(DataError, match=r"eeg\.txt: is broken; mend it"):
        run_toys(rooted, data_root=tmp_path / "data")
    with pytest.raises(DataError, match="--data-root"):
        run_toys(rooted)
    assert not Path("runs").exists()
    assert Store().entries() == []


def test_an_out_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write into .*file/runs .*--out"):
        run_toys(out=tmp_path / "file" / "runs")
    assert Store().entries() == []
    run_toys(out=tmp_path / "new" / "runs")
    assert (tmp_path / "new" / "runs" / "latest").is_dir()


def test_a_device_that_is_not_there_is_refused_before_any_stage() -> None:
    with pytest.raises(UserError, match=r"--device tpu9: torch cannot use it here .* on the CPU"):
        run_toys(device="tpu9")
    assert Store().entries() == []
    assert not Path("runs").exists()


def test_a_wrong_split_is_refused_before_any_stage() -> None:
    wrong = with_(CELL, "dataset", params={"split": "haf"})
    with pytest.raises(DataError, match="split is 'haf'"):
        run_toys(wrong)
    assert Store().entries() == []


KILLED = """
import os, sys, time
from pathlib import Path
from types import SimpleNamespace
import pytest
from engine_toys import add_parts, recipe
from zoo.engine import plan as planning
from zoo.engine.run import run
patch = pytest.MonkeyPatch()
add_parts(patch)
planning.STAGES = "toy_stages"
sys.modules["zoo.report"] = SimpleNamespace(write_report=lambda folder: folder)
run(recipe(), out=Path(sys.argv[1]))
"""


def test_killed_run_goes_on_where_it_was_and_ends_the_same(tmp_path: Path) -> None:
    steps = tmp_path / "steps.txt"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        "TOY_STEPS": str(steps),
        "ZOO_STORE": str(tmp_path / "killed"),
    }
    command = [sys.executable, "-c", KILLED]
    slow = {**environment, "TOY_PAUSE": "0.5"}
    process = subprocess.Popen([*command, str(tmp_path / "a")], env=slow, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (steps.is_file() and len(steps.read_text().split()) >= 3):
        assert process.poll() is None, "ended too early"
        assert time.monotonic() < deadline, "never reached the third step"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "a").exists()
    assert not [e for e in Store(tmp_path / "killed").entries() if e.stage == "encode"]

    subprocess.run([*command, str(tmp_path / "b")], env=environment, check=True, timeout=60)
    taken = [int(step) for step in steps.read_text().split()]
    assert sorted(set(taken)) == [0, 1, 2, 3, 4, 5]
    assert len(taken) <= 7, "began again from the first step"

    whole = {**environment, "ZOO_STORE": str(tmp_path / "whole")}
    subprocess.run([*command, str(tmp_path / "c")], env=whole, check=True, timeout=60)
    stores = [Store(tmp_path / name) for name in ("killed", "whole")]
    files = [{e.key: s.manifest(e.key)["files"] for e in s.entries()} for s in stores]
    assert files[0] == files[1]
    assert len(files[0]) == 17
    assert not list((tmp_path / "killed" / "work").iterdir())
    assert not list((tmp_path / "killed" / "temporary").iterdir())


def test_conditioners_alone_are_shared_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of processes is in no key; the manifest tells it."""
    import importlib

    from zoo.engine import task

    shared = []

    def run_shared(stage, inputs, params, out, context, processes):
        shared.append((stage, processes))
        importlib.import_module(f"toy_stages.{stage}").run(inputs, params, out, context)

    monkeypatch.setattr(task, "run_shared", run_shared)
    result = run_toys(processes=2)
    assert not result.failures
    assert shared == [("condition", 2), ("condition", 2)]  # one of them is the control
    entries = [Store().manifest(e.key) for e in Store().entries()]
    found = {(e["stage"], e["processes"]) for e in entries}
    assert ("condition", 2) in found
    assert {count for stage, count in found if stage != "condition"} == {1}
    assert run_toys().ran == 0


def test_more_processes_than_gpus_are_refused() -> None:
    with pytest.raises(UserError, match=r"--processes 2 takes the first 2 GPUs: say --device cuda"):
        run_toys(processes=2, device="cuda:1")


def test_what_a_metric_refuses_is_said_before_anything_runs(tmp_path: Path) -> None:
    """A metric is built last: without a look ahead its mistake costs the whole training."""
    wrong = Block("n_way", {"n": 3, "k": 3, "tower": "vit-h-14"}, label="n_way")
    with pytest.raises(UserError, match="'n' = 3, 'k' = 3: k is at least 1 and below n"):
        run_toys(replace(CELL, metrics=(wrong,)), store=tmp_path / "store")
    assert not Path("runs").exists()
