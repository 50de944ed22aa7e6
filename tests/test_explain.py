"""`zoo explain`: every ingredient that moved a key is named, and nothing that did not."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_runner import zoo
from engine_toys import CELL, add_parts, recipe, with_
from toy_parts import ToyEncoder

from zoo.engine import code
from zoo.engine import plan as planning
from zoo.engine.execute import execute
from zoo.engine.explain import explain
from zoo.engine.explain_text import explain_text
from zoo.engine.explanation import Explained, Explanation
from zoo.engine.graph import Plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.recipe.cells import Cell
from zoo.recipe.errors import RecipeError
from zoo.registries import REGISTRIES

TOY_STAGES = Path(__file__).parent / "toy_stages"
OTHER_RATE = with_(CELL, "encoder", params={"rate": 0.25})


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")


def planned(*cells: Cell, roots: Roots | None = None) -> Plan:
    return planning.plan(recipe(*cells), roots or Roots(), Store())


def ran(*cells: Cell, roots: Roots | None = None) -> None:
    done = execute(planned(*cells, roots=roots), Store(), roots or Roots(), say=lambda _: None)
    assert not done.failures


def explained(*cells: Cell, cell: str | None = None, roots: Roots | None = None) -> Explanation:
    return explain(planned(*cells, roots=roots), Store(), cell)


def first(explanation: Explanation, stage: str) -> Explained:
    """Return the first node of a stage: the real thing, not a control."""
    return next(e for e in explanation.nodes if e.node.stage == stage)


def differing(explanation: Explanation, stage: str) -> list[dict[str, Any]]:
    facts = json.loads(json.dumps(first(explanation, stage).to_json()))
    return list(facts["differences"])


def param(name: str, old: Any, new: Any) -> dict[str, Any]:
    return {"kind": "param", "name": name, "old": old, "new": new}


# ---- states


def test_nothing_is_held_against_an_empty_store() -> None:
    found = explained()
    assert len(found.nodes) == 17
    assert {e.state for e in found.nodes} == {"missing"}
    assert not any(e.nearest or e.differences for e in found.nodes)
    text = explain_text(found.to_json())
    assert text.startswith("toys, cell 'cell': 0 of 17 stage runs are in the store\n\n")
    assert "\nprepare toy_data: the store holds no prepare\n" in text
    assert not Store().root.exists()


def test_what_is_in_the_store_takes_one_line_each() -> None:
    ran()
    text = explain_text(explained().to_json())
    head, _, *lines = text.splitlines()
    assert head == "toys, cell 'cell': 17 of 17 stage runs are in the store"
    assert len(lines) == 17
    assert all(line.endswith(": in the store") for line in lines)


def test_a_damaged_entry_is_said_to_be_damaged() -> None:
    ran()
    key = planned().cells[0].encode
    (Store().path(key) / "logits.npy").write_bytes(b"")
    found = explained()
    assert first(found, "encode").state == "damaged"
    text = explain_text(found.to_json())
    assert "encode toy_encoder · seed 0: its entry is damaged, it is made again\n" in text


# ---- each ingredient

INGREDIENTS: dict[str, tuple[Cell, str, list[dict[str, Any]]]] = {
    "signal": (
        with_(CELL, "dataset", params={"band": [5, 95]}), "prepare",
        [param("params.band", None, [5.0, 95.0])],
    ),
    "split": (
        with_(CELL, "dataset", params={"split": "third"}), "select",
        [param("params.split", "half", "third")],
    ),
    "encoder parameter": (OTHER_RATE, "encode", [param("encoder.params.rate", 0.5, 0.25)]),
    "number of another type": (
        with_(CELL, "encoder", params={"power": 1.0}), "encode",
        [param("encoder.params.power", 1, 1.0)],
    ),
    "two at once": (
        with_(replace(CELL, seed=3), "encoder", train={"lr": {"all": 0.01}}), "encode",
        [param("seed", 0, 3), param("train.lr.all", 0.001, 0.01)],
    ),
    "another mapping": (
        with_(CELL, "encoder", train={"lr": {"head": 0.01}}), "encode",
        [{"kind": "param", "name": "train.lr.all", "old": 0.001},
         {"kind": "param", "name": "train.lr.head", "new": 0.01}],
    ),
    "a filled mapping": (
        with_(CELL, "conditioner", params={"width": 2}), "condition",
        [{"kind": "param", "name": "conditioner.params.width", "new": 2}],
    ),
    "sampling": (
        with_(CELL, "pipeline", sample={"steps": 3}), "generate", [param("sample.steps", 2, 3)],
    ),
    "metric": (
        replace(CELL, metrics=(replace(CELL.metrics[0], params={"top": 5}), CELL.metrics[1])),
        "evaluate", [param("params.top", 1, 5)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", INGREDIENTS)
def test_a_parameter_is_named_by_its_path_with_both_values(what: str) -> None:
    cell, stage, expected = INGREDIENTS[what]
    ran()
    assert differing(explained(cell), stage) == expected


def test_what_follows_says_only_that_its_input_differs() -> None:
    ran()
    found = explained(OTHER_RATE)
    (condition,) = differing(found, "condition")
    assert condition == {
        "kind": "input",
        "name": "encode",
        "old": planned().cells[0].encode,
        "new": planned(OTHER_RATE).cells[0].encode,
        "upstream": "above",
    }
    text = explain_text(found.to_json())
    alone = "its inputs alone differ, explained above"
    assert f"\ncondition toy_conditioner · seed 0: {alone}\n" in text
    assert "\n    encoder.params.rate: 0.5 -> 0.25\n" in text
    assert f"\ngenerate toy_conditioner · seed 0: {alone}\n" in text


def test_an_input_may_be_new_or_in_the_store() -> None:
    ran()
    ran(replace(CELL, metrics=()), replace(OTHER_RATE, id="b", metrics=(), controls=()))
    found = explained(OTHER_RATE)
    assert first(found, "generate").state == "valid"
    (accuracy,) = differing(found, "evaluate")
    assert (accuracy["name"], accuracy["upstream"]) == ("encode", "stored")
    assert "    input encode: another one, what it is now is in the store\n" in explain_text(
        found.to_json()
    )


def test_a_role_may_be_new_or_gone() -> None:
    alone = replace(CELL, seed=1, metrics=(), controls=())
    init = {"seed": 0, "encoder.params.rate": 0.1}
    started = with_(alone, "encoder", train={"init_from": init})
    ran(alone)
    found = explained(started)
    key = next(n.key for n in planned(started).nodes.values() if n.stage == "encode")
    target = next(e for e in found.nodes if "init" in e.node.inputs)
    assert [d.to_json() for d in target.differences] == [
        {"kind": "input", "name": "init", "new": key}
    ]
    assert "    input init: newly used\n" in explain_text(found.to_json())
    ran(started)
    Store().discard(planned(alone).cells[0].encode)
    found = explained(alone)
    assert differing(found, "encode") == [{"kind": "input", "name": "init", "old": key}]
    assert "    input init: no longer used\n" in explain_text(found.to_json())


def test_recordings_and_pictures_differ_by_their_fingerprints(tmp_path: Path) -> None:
    cell, roots = with_(CELL, "dataset", name="rooted_data"), Roots(data=tmp_path)
    (tmp_path / "eeg.txt").write_text("1 2 3")
    ran(replace(cell, metrics=(), controls=()), roots=roots)
    (tmp_path / "eeg.txt").write_text("1 2 4")
    found = explained(cell, roots=roots)
    (difference,) = differing(found, "prepare")
    assert difference["name"] == "fingerprint"
    shown = f"fingerprint: {difference['old'][:12]}… -> {difference['new'][:12]}…\n"
    assert shown in explain_text(found.to_json())


def test_library_versions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ran()
    before = planned().nodes[planned().cells[0].prepare].code.libraries
    monkeypatch.setattr(code, "_version", lambda _: "99.1")
    found = explained()
    assert differing(found, "prepare") == [
        {"kind": "library", "name": name, "old": version, "new": "99.1"}
        for name, version in before.items()
    ]
    assert f"    library numpy: {before['numpy']} -> 99.1\n" in explain_text(found.to_json())


# ---- which entry


def test_the_nearest_entry_is_the_one_with_fewest_differences() -> None:
    ran(with_(OTHER_RATE, "encoder", train={"steps": 9}), replace(CELL, id="near", seed=0))
    ran(with_(replace(OTHER_RATE, seed=5), "encoder", params={"n_tokens": 7}))
    found = explained(with_(CELL, "encoder", train={"steps": 8}))
    assert first(found, "encode").nearest.key == planned().cells[0].encode
    assert differing(found, "encode") == [param("train.steps", 6, 8)]


def test_of_equally_near_entries_the_one_made_from_what_is_named_above() -> None:
    far = with_(OTHER_RATE, "encoder", params={"n_tokens": 7}, train={"steps": 9})
    ran()
    ran(far)  # used last, so that the last use alone would choose it
    found = explained(with_(CELL, "encoder", train={"steps": 8}))
    assert first(found, "condition").nearest.key == planned().cells[0].variants[0].condition
    assert differing(found, "condition")[0]["upstream"] == "above"


# ---- code


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the toy stages that a test may edit."""
    folder = shutil.copytree(TOY_STAGES, tmp_path / "stages_to_edit")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(planning, "STAGES", "stages_to_edit")
    for name in [name for name in sys.modules if name.startswith("stages_to_edit")]:
        del sys.modules[name]  # another test's copy
    forget()
    return Path(folder)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forget()


def forget() -> None:
    """Make the next plan read the sources again, as another process would."""
    for cached in (code._read, code._closure, code._locate, code._tops):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("stage", "old", "new"),
    [("judge", '"{}"', '"{ }"'), ("condition", "step,loss", "step, loss")],
)
def test_an_edited_module_is_found_by_ruling_out_the_others(
    stages: Path, stage: str, old: str, new: str
) -> None:
    ran()
    edit(stages / f"{stage}.py", old, new)
    found = explained()
    assert differing(found, stage)[0] == {
        "kind": "source", "among": [f"stages_to_edit.{stage}"], "certain": True,
    }  # fmt: skip
    assert f"    code stages_to_edit.{stage}: edited\n" in explain_text(found.to_json())


def test_where_several_modules_may_be_the_edited_one_all_are_named(stages: Path) -> None:
    ran()
    edit(stages / "encode.py", "** 2", "** 3")
    found = explained()
    among = ["plug-in encoder toy_encoder", "plug-in objective toy_objective"]
    among.append("stages_to_edit.encode")
    assert differing(found, "encode") == [{"kind": "source", "among": among, "certain": True}]
    shown = f"    code, one or more edited of: {', '.join(among)}\n"
    assert shown in explain_text(found.to_json())


def test_two_edited_modules_are_both_among_the_suspects(stages: Path) -> None:
    (stages / "_sum.py").write_text("ONE = 1\n")
    edit(stages / "judge.py", "def run", "from stages_to_edit._sum import ONE  # noqa\n\ndef run")
    ran()
    edit(stages / "_sum.py", "1", "2")
    edit(stages / "judge.py", '"{}"', '"{ }"')
    (source,) = differing(explained(), "judge")
    assert source["among"] == ["stages_to_edit._sum", "stages_to_edit.judge"]


def test_a_module_that_is_imported_no_more_is_named(stages: Path) -> None:
    (stages / "_sum.py").write_text("ONE = 1\n")
    line = "from stages_to_edit._sum import ONE  # noqa\n"
    edit(stages / "judge.py", "def run", f"{line}def run")
    ran()
    edit(stages / "judge.py", line, "")
    (stages / "_sum.py").unlink()
    found = explained()
    gone, source = differing(found, "judge")
    assert gone == {"kind": "code", "name": "stages_to_edit._sum", "old": "used"}
    # The module that is gone may have changed alone, for all that the digest says.
    assert source == {"kind": "source", "among": ["stages_to_edit.judge"], "certain": False}
    text = explain_text(found.to_json())
    assert "    code stages_to_edit._sum: no longer used\n" in text
    assert "    code, perhaps edited: stages_to_edit.judge\n" in text


def test_another_component_is_no_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    added = REGISTRIES["encoder"]._added
    monkeypatch.setitem(added, "other_encoder", ToyEncoder)
    ran(with_(CELL, "encoder", name="other_encoder"))
    swapped = [
        param("encoder.name", "other_encoder", "toy_encoder"),
        {"kind": "code", "name": "plug-in encoder other_encoder", "old": "used"},
        {"kind": "code", "name": "plug-in encoder toy_encoder", "new": "used"},
    ]
    assert differing(explained(), "encode") == swapped
    monkeypatch.delitem(added, "other_encoder")  # given with --plugin last time, not today
    *rest, source = differing(explained(), "encode")
    assert rest == swapped
    assert source["certain"] is False


# ---- cells


def test_a_cell_is_named_where_there_are_several() -> None:
    cells = (replace(CELL, id="rate=0.5"), replace(OTHER_RATE, id="rate=0.25"))
    ran(cells[0])
    assert {e.state for e in explained(*cells, cell="rate=0.5").nodes} == {"valid"}
    found = explained(*cells, cell="rate=0.25")
    assert found.cell == "rate=0.25"
    assert differing(found, "encode") == [param("encoder.params.rate", 0.5, 0.25)]
    known = r"rate=0\.5, rate=0\.25$"
    with pytest.raises(RecipeError, match=rf"'toys' has 2 cells; name one: {known}"):
        explained(*cells)
    with pytest.raises(RecipeError, match=rf"no cell 'rate=0\.6'\. Did you mean .*Cells: {known}"):
        explained(*cells, cell="rate=0.6")


def test_of_many_cells_a_message_names_ten() -> None:
    cells = [replace(CELL, id=f"c{i}", controls=(), metrics=()) for i in range(12)]
    with pytest.raises(RecipeError, match=r"name one: c0, .*, c9 and 2 more$"):
        explained(*cells)


# ---- the command


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "STAGES", "zoo.stages")
    result = zoo("explain", "paper", "--set", "controls=[]", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output)
    assert (facts["recipe"], facts["cell"]) == ("paper", "cell")
    assert {node["state"] for node in facts["nodes"]} == {"missing"}
    result = zoo("explain", "paper", "cel", "--set", "controls=[]")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: recipe 'paper' has no cell 'cel'. Did you mean 'cell'? Cells: cell\n"
    )
    result = zoo("explain", "paper", "cell", "--set", "controls=[]")
    assert "\nprepare pocket: the store holds no prepare\n" in result.output


def test_values_that_look_alike_when_cut_are_shown_whole() -> None:
    old, new = "a" * 63 + "b", "a" * 63 + "c"
    differences = [param("fingerprint", old, new), param("note", "x" * 80, "y")]
    node = {
        "label": "prepare toys", "state": "missing", "stage": "prepare", "differences": differences,
        "nearest": {"key": f"prepare-{'0' * 32}", "label": "prepare toys"},
    }  # fmt: skip
    text = explain_text({"recipe": "toys", "cell": "cell", "nodes": [node]})
    assert text.splitlines()[2:] == [
        "prepare toys: not as prepare-000000000000… (prepare toys)",
        f"    fingerprint: {old} -> {new}",
        f"    note: {'x' * 59}… -> y",
    ]


def test_many_modules_are_summed_up() -> None:
    differences = [{"kind": "code", "name": f"zoo.m{i}", "new": "used"} for i in range(9)]
    differences += [{"kind": "param", "name": "train.epochs", "old": 1, "new": 2}]
    near = {"key": "encode-1", "label": "encode b"}
    node = {
        "label": "encode a", "stage": "encode", "state": "missing", "nearest": near,
        "differences": differences,
    }  # fmt: skip
    text = explain_text({"recipe": "r", "cell": "c", "nodes": [node]})
    assert text.endswith(
        "    train.epochs: 1 -> 2\n"
        "    code newly used: zoo.m0, zoo.m1, zoo.m2, zoo.m3, zoo.m4, zoo.m5 and 3 more"
    )


def test_another_metric_is_nothing_to_compare_with() -> None:
    ran(replace(CELL, metrics=CELL.metrics[:1]))
    found = explained(replace(CELL, metrics=CELL.metrics[1:2]))
    missing = [one for one in found.nodes if one.node.stage == "evaluate"]
    assert missing
    assert all(one.nearest is None for one in missing)
    assert ": the store holds nothing like it" in explain_text(found.to_json())
