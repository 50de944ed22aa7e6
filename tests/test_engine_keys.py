"""Keys: every ingredient moves them, nothing else does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from engine_toys import CELL, add_parts, recipe, with_
from toy_parts import ToyData

from zoo.engine import code, keys
from zoo.engine import plan as planning
from zoo.engine.graph import Plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.recipe.cells import Cell
from zoo.registries import DATASETS, ENCODERS

TOY_STAGES = Path(__file__).parent / "toy_stages"
_numbers = count()


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")


def planned(cell: Cell = CELL, roots: Roots | None = None, name: str = "toys") -> Plan:
    return planning.plan(recipe(cell, name=name), roots or Roots(), Store())


def stage_keys(plan: Plan) -> dict[str, str]:
    """Return label -> key."""
    return {node.label: key for key, node in plan.nodes.items()}


AFTER_ENCODE = {"encode", "condition", "generate", "evaluate"}
ALL_STAGES = {"prepare", "select", "features", "judge"} | AFTER_ENCODE
DRAWING = {"condition", "generate"}

INGREDIENTS: dict[str, tuple[Cell, set[str]]] = {
    "signal parameter": (with_(CELL, "dataset", params={"band": [5, 95]}), ALL_STAGES),
    "split": (with_(CELL, "dataset", params={"split": "third"}), {"select", *AFTER_ENCODE}),
    "subjects": (with_(CELL, "dataset", params={"subjects": [2]}), {"select", *AFTER_ENCODE}),
    "seed": (replace(CELL, seed=1), AFTER_ENCODE),
    "encoder parameter": (with_(CELL, "encoder", params={"rate": 0.25}), AFTER_ENCODE),
    "encoder training": (with_(CELL, "encoder", train={"steps": 7}), AFTER_ENCODE),
    "precision": (with_(CELL, "conditioner", train={"precision": "bf16"}), DRAWING),
    "conditioner training": (with_(CELL, "conditioner", train={"steps": 7}), {"condition"}),
    "build parameter": (with_(CELL, "pipeline", params={"image_size": 16}), {"features", *DRAWING}),
    "sampling": (with_(CELL, "pipeline", sample={"steps": 3}), {"generate"}),
    "metric parameter": (
        replace(CELL, metrics=(replace(CELL.metrics[0], params={"top": 5}), CELL.metrics[1])),
        {"evaluate"},
    ),
}  # fmt: skip

NOT_INGREDIENTS = {
    "cell id": replace(CELL, id="encoder=toy"),
    "coordinates": replace(CELL, coords={"encoder": "toy"}),
    "more controls": replace(CELL, controls=(*CELL.controls, "zero_eeg")),
    "1 for 1.0": with_(CELL, "encoder", params={"rate": 0.5}, train={"steps": 6.0}),
}


@pytest.mark.parametrize("what", INGREDIENTS)
def test_each_ingredient_moves_the_keys_of_its_stages(what: str) -> None:
    cell, stages = INGREDIENTS[what]
    before, after = stage_keys(planned()), stage_keys(planned(cell))
    moved = {label.split()[0] for label, key in before.items() if after.get(label) != key}
    assert stages <= moved
    upstream = {
        "prepare": {"prepare"},
        "encode": {"prepare", "select", "features", "judge"},
        "condition": {"prepare", "select", "judge", "encode"},
    }
    for first in ("encode", "condition"):
        if first in stages and "prepare" not in stages and "select" not in stages:
            assert not (moved - {"features"}) & (upstream[first] - stages)


@pytest.mark.parametrize("what", NOT_INGREDIENTS)
def test_what_is_no_ingredient_moves_nothing(what: str) -> None:
    assert set(planned().nodes) <= set(planned(NOT_INGREDIENTS[what]).nodes)


def test_recipe_name_and_store_are_in_no_key(tmp_path: Path) -> None:
    other = planning.plan(recipe(name="other"), Roots(), Store(tmp_path / "elsewhere"))
    assert list(other.nodes) == list(planned().nodes)


def test_the_source_files_of_the_data_move_every_key(tmp_path: Path) -> None:
    def plan_with(text: str) -> Plan:
        (tmp_path / "eeg.txt").write_text(text)
        return planned(with_(CELL, "dataset", name="rooted_data"), Roots(data=tmp_path))

    before, after = plan_with("1 2 3"), plan_with("1 2 4")
    assert not set(before.nodes) & set(after.nodes) - set(planned().nodes)


def test_where_the_data_lie_moves_no_key(tmp_path: Path) -> None:
    plans = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "eeg.txt").write_text("1 2 3")
        roots = Roots(data=tmp_path / name)
        plans.append(planned(with_(CELL, "dataset", name="rooted_data"), roots))
    assert list(plans[0].nodes) == list(plans[1].nodes)


def test_pictures_elsewhere_move_the_keys_that_see_pictures(tmp_path: Path) -> None:
    before = stage_keys(planned())
    (tmp_path / "a.png").write_bytes(b"a")
    after = stage_keys(planned(roots=Roots(images=tmp_path)))
    moved = {label.split()[0] for label, key in before.items() if after[label] != key}
    assert {"features", "condition"} <= moved
    assert not {"prepare", "select", "encode"} & moved  # the toys are drawn: they need no folder


def test_parameters_of_pictures_alone_leave_the_trials_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, meta = ToyData.__component__
    monkeypatch.setattr(ToyData, "__component__", (kind, {**meta, "pictures": ("n",)}))
    before = stage_keys(planned())
    after = stage_keys(planned(with_(CELL, "dataset", params={"n": 10})))
    moved = {label.split()[0] for label, key in before.items() if after[label] != key}
    assert {"features", "judge", "condition", "generate"} <= moved
    assert not moved & {"prepare", "select", "encode"}
    assert before["evaluate accuracy · seed 0"] == after["evaluate accuracy · seed 0"]


def test_bids_says_which_parameter_only_shapes_pictures() -> None:
    spec = DATASETS.spec("bids")
    assert spec.meta["pictures"] == ("image_size",)
    assert all(spec.parameter(name) for name in spec.meta["pictures"])


def test_pictures_that_change_between_two_plans_of_a_process_are_noticed(tmp_path: Path) -> None:
    keys = []
    for content in (b"a", b"b"):
        (tmp_path / "a.png").write_bytes(content)
        keys.append(planned(roots=Roots(images=tmp_path)).cells[0].judge)
    assert keys[0] != keys[1]


# ---- code


def test_editing_a_stage_moves_its_keys_and_those_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(TOY_STAGES, tmp_path / "edited_stages")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(planning, "STAGES", "edited_stages")

    def plan_after(file: str, old: str, new: str) -> Plan:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))
        code._read.cache_clear()
        return planned()

    before = stage_keys(planned())
    docs = stage_keys(plan_after("encode.py", '"""Toy encode', '"""A toy: encode'))
    edited = stage_keys(plan_after("encode.py", "** 2", "** 3"))
    assert docs == before
    moved = {label.split()[0] for label in before if before[label] != edited[label]}
    assert moved >= {"encode", "condition", "generate", "evaluate"}
    assert not moved & {"prepare", "select", "judge"}


def test_digest_ignores_comments_and_docstrings_only(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        path = tmp_path / f"m{next(_numbers)}.py"
        path.write_text(text)
        return code._read(path, "").digest

    plain = digest("def f(x):\n    return x + 1\n")
    spoken = '"""Doc."""\n\ndef f(x):\n    """Doc."""\n    # why\n    return (x + 1)\n'
    assert digest(spoken) == plain
    assert digest("def f(x):\n    return x + 2\n") != plain
    assert digest('def f(x):\n    "not the first"; y = "kept"\n    return x + 1\n') != plain


def test_imports_are_followed_inside_functions_but_not_for_types(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "import a.b\n"
        "if TYPE_CHECKING:\n    import c\nelse:\n    import d\n"
        "def f():\n    from e import g\n    from . import near\n    from ..far import h\n"
    )
    found = code._read(path, "pkg.sub").imports
    assert {"a.b", "d", "e", "e.g", "pkg.sub", "pkg.sub.near", "pkg.far", "pkg.far.h"} <= found
    assert "c" not in found


def test_closure_of_an_encoder_holds_its_helpers_and_no_other_encoder() -> None:
    found = code.code_of(["zoo.stages._context"], [ENCODERS.spec("eegnet")])
    assert {"zoo.encoders.eegnet", "zoo.encoders._braindecode"} <= {*found.modules}
    assert "zoo.encoders.eeg_conv_net" not in found.modules
    assert "zoo" not in found.modules
    assert set(found.libraries) >= {"torch", "braindecode"}
    assert all(version.count(".") == 1 for version in found.libraries.values())


def test_a_stage_brings_in_no_component_by_itself() -> None:
    found = code.code_of(["zoo.stages.encode"])
    assert "zoo.training" in found.modules
    assert not [m for m in found.modules if m.startswith(("zoo.encoders.", "registry"))]
    assert "registry" not in found.libraries


def test_a_component_added_by_hand_counts_with_its_file() -> None:
    found = code.code_of(["zoo.stages._context"], [ENCODERS.spec("toy_encoder")])
    assert "plug-in encoder toy_encoder" in found.modules
    assert "numpy" in found.libraries


def test_library_versions_are_in_the_key() -> None:
    same = code.Code("d", ("m",), {"torch": "2.11"})
    assert keys.node_key("encode", {}, {}, same) != keys.node_key(
        "encode", {}, {}, replace(same, libraries={"torch": "2.12"})
    )
    assert keys.node_key("encode", {}, {}, same) == keys.node_key(
        "encode", {}, {}, replace(same, modules=("other",))
    )
    assert code._version("sklearn").count(".") == 1
    assert code._version("no_such_package") is None


# ---- numbers


def test_whole_numbers_of_float_parameters_are_one_spelling() -> None:
    spec = ENCODERS.spec("toy_encoder")
    assert keys.typed(spec, {"rate": 1, "power": 1}) == {"rate": 1.0, "power": 1}
    assert keys.canonical(keys.typed(spec, {"rate": 1})) == keys.canonical({"rate": 1.0})
    assert keys.canonical({"power": 1}) != keys.canonical({"power": 1.0})
    assert keys.canonical(keys.typed(spec, {"rate": True})) == '{"rate":true}'
    assert keys.untyped({"lr": 1.0, "t": [0.0, 0.5], "on": True}) == {
        "lr": 1, "t": [0, 0.5], "on": True,
    }  # fmt: skip
    assert keys.canonical({"b": 1, "a": (1, 2)}) == '{"a":[1,2],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        keys.canonical(float("nan"))


def test_planning_imports_no_torch() -> None:
    script = (
        "import sys; import zoo.engine.plan, zoo.engine.run\n"
        "from zoo.engine.code import code_of; from zoo.registries import ENCODERS\n"
        "code_of(['zoo.stages._context'], [ENCODERS.spec('eegnet')])\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'braindecode', 'mne'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pictures_elsewhere_move_the_trials_that_are_paired_with_them(tmp_path: Path) -> None:
    (tmp_path / "eeg.txt").write_text("1 2 3")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cell = with_(CELL, "dataset", name="rooted_data")
    before = planned(cell, Roots(data=tmp_path, images=pictures))
    (pictures / "a.png").write_bytes(b"a")
    after = planned(cell, Roots(data=tmp_path, images=pictures))
    assert stage_keys(before)["prepare rooted_data"] != stage_keys(after)["prepare rooted_data"]


def test_a_data_set_may_know_its_own_pictures_among_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eeg.txt").write_text("1 2 3")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cell = with_(CELL, "dataset", name="rooted_data")
    roots = Roots(data=tmp_path, images=pictures)
    own = DATASETS.get("rooted_data")
    monkeypatch.setattr(own, "pictures_fingerprint", lambda *_: "mine", raising=False)
    before = list(planned(cell, roots).nodes)
    (pictures / "of-somebody-else.png").write_bytes(b"a")
    assert list(planned(cell, roots).nodes) == before
