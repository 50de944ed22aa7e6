"""The plan: what depends on what, what is shared, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from engine_toys import CELL, add_parts, recipe, with_

from zoo.contracts import DataError
from zoo.engine import plan as planning
from zoo.engine.graph import Plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.plan_text import plan_text
from zoo.recipe.cells import Block, Cell
from zoo.recipe.errors import RecipeError


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")


def planned(*cells: Cell) -> Plan:
    return planning.plan(recipe(*cells), Roots(), Store())


def test_one_cell_holds_every_stage_in_topological_order() -> None:
    plan = planned()
    facts = plan.to_json()
    assert facts["cells"] == 1
    assert facts["stages"] == {
        "prepare": 1, "select": 1, "encode": 1, "features": 4, "condition": 2, "generate": 3,
        "evaluate": 4, "judge": 1,
    }  # fmt: skip
    assert facts["distinct"] == facts["to_run"] == sum(facts["stages"].values())
    assert facts["cached"] == 0
    seen: set[str] = set()
    for key, node in plan.nodes.items():
        assert set(node.inputs.values()) <= seen
        seen.add(key)
    json.dumps(facts)


def test_what_each_control_depends_on() -> None:
    plan = planned()
    (cell,) = plan.cells
    real, shuffled, ceiling = cell.variants
    assert [v.control for v in cell.variants] == [None, "shuffled_eeg", "class_label"]
    assert real.condition == shuffled.condition != ceiling.condition
    assert len({real.generate, shuffled.generate, ceiling.generate}) == 3
    assert "encode" in plan.nodes[shuffled.generate].inputs
    assert "encode" not in plan.nodes[ceiling.generate].inputs
    assert "encode" not in plan.nodes[ceiling.condition].inputs
    assert plan.nodes[ceiling.condition].params["tokens"] == [2, 4]
    assert plan.nodes[real.condition].params["tokens"] is None
    assert set(real.metrics) == {"accuracy", "image_class_accuracy"}
    assert set(shuffled.metrics) == set(ceiling.metrics) == {"image_class_accuracy"}


def test_the_ceiling_does_not_depend_on_the_encoder_beyond_its_token_shape() -> None:
    other = with_(CELL, "encoder", params={"rate": 0.1}, train={"steps": 9})
    wider = with_(CELL, "encoder", params={"n_tokens": 3})
    ceiling, same, different = (planned(c).cells[0].variants[2] for c in (CELL, other, wider))
    assert ceiling.generate == same.generate != different.generate


def test_cells_share_what_they_have_in_common() -> None:
    cells = (
        replace(CELL, id="a"),
        replace(with_(CELL, "conditioner", train={"steps": 9}), id="b"),
        replace(with_(CELL, "pipeline", sample={"steps": 9}), id="c"),
    )
    plan = planned(*cells)
    facts = plan.to_json()
    assert facts["stages"]["prepare"] == facts["stages"]["encode"] == facts["stages"]["judge"] == 1
    assert facts["stages"]["condition"] == 4  # two, each with its class_label twin
    assert facts["stages"]["generate"] == 9
    assert facts["unshared"] > facts["distinct"]
    labels = {node["label"] for node in facts["nodes"]}
    assert {"encode toy_encoder · seed 0", "condition toy_conditioner · seed 0 [b]"} <= labels


def test_pictures_of_a_dry_run_alone_are_encoded_those_of_a_full_one_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "STAGES", "zoo.stages")
    towards = {"objective": {"name": "align_image", "params": {"tower": "pocket_judge"}}}
    cell = with_(CELL, "encoder", train=towards)

    def features(tower: str, **params: object) -> str:
        plan = planned(with_(cell, "dataset", params=params))
        return next(n.key for n in plan.nodes.values() if n.params.get("tower") == tower)

    for tower in ("vae", "image"):
        assert features(tower) == features(tower, normalise="none")
        assert len({features(tower), features(tower, limit=4), features(tower, limit=8)}) == 3
        assert features(tower, limit={"train": 4}) == features(tower)  # pictures of all splits


def test_nodes_come_depth_first() -> None:
    plan = planned(replace(CELL, id="a"), replace(CELL, id="b", seed=1))
    stages = [node.stage for node in plan.nodes.values()]
    second_encode = [i for i, stage in enumerate(stages) if stage == "encode"][1]
    assert "evaluate" in stages[:second_encode]


def test_subjects_are_a_matter_of_selection_unless_trials_are_made_per_subject(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = (
        replace(CELL, id="a"),
        replace(with_(CELL, "dataset", params={"subjects": [2]}), id="b"),
    )
    assert planned(*cells).to_json()["stages"]["prepare"] == 1
    from toy_parts import ToyData

    kind, meta = ToyData.__component__
    monkeypatch.setattr(ToyData, "__component__", (kind, {**meta, "per_subject": True}))
    assert planned(*cells).to_json()["stages"]["prepare"] == 2


def test_init_from_adds_the_source_as_an_input_trained_once() -> None:
    change = {"dataset.params.subjects": [1]}
    cells = [
        replace(with_(CELL, "dataset", params={"subjects": [s]}, name="toy_data"), id=f"s{s}")
        for s in (2, 3)
    ]
    cells = [with_(c, "encoder", train={"init_from": change}) for c in cells]
    plan = planned(*cells)
    encodes = [n for n in plan.nodes.values() if n.stage == "encode"]
    assert len(encodes) == 3
    source = next(n for n in encodes if "init" not in n.inputs)
    assert all(n.inputs["init"] == source.key for n in encodes if n is not source)
    assert source.key == planned(CELL).cells[0].encode
    assert all("init_from" not in n.params["train"] for n in encodes)


def test_init_from_of_the_conditioner() -> None:
    cell = with_(CELL, "conditioner", train={"init_from": {"encoder.params.rate": 0.1}})
    plan = planned(cell)
    condition = plan.nodes[plan.cells[0].variants[0].condition]
    source = plan.nodes[condition.inputs["init"]]
    assert plan.nodes[source.inputs["encode"]].params["encoder"]["params"]["rate"] == 0.1


def test_the_source_of_init_has_no_snapshots_of_its_own() -> None:
    init = {"conditioner.train.steps": 3}
    cell = with_(CELL, "conditioner", train={"snapshots": [5], "init_from": init})
    plan = planned(cell)
    condition = plan.nodes[plan.cells[0].variants[0].condition]
    assert condition.params["train"]["snapshots"] == [5]
    assert plan.nodes[condition.inputs["init"]].params["train"]["snapshots"] == []


@pytest.mark.parametrize("path", ["dataset.params.subject", "encoder.name", "grid", "a.b.c"])
def test_init_from_refuses_what_it_cannot_change(path: str) -> None:
    with pytest.raises(RecipeError, match=f"init_from: '{path}' cannot be changed"):
        planned(with_(CELL, "encoder", train={"init_from": {path: 1}}))


def test_snapshots_are_scored_as_steps_of_one_training() -> None:
    plan = planned(with_(CELL, "conditioner", train={"snapshots": [2, 4]}))
    (cell,) = plan.cells
    assert [(v.control, v.step) for v in cell.variants][:3] == [(None, None), (None, 2), (None, 4)]
    assert len({v.condition for v in cell.variants if v.control is None}) == 1
    assert plan.nodes[cell.variants[1].generate].params["snapshot"] == 2
    assert set(cell.variants[1].metrics) == {"image_class_accuracy"}


def test_shuffled_labels_make_the_seed_matter_to_the_selection() -> None:
    shuffled = with_(CELL, "dataset", params={"shuffle_labels": True})
    plan = planned(replace(shuffled, id="a"), replace(shuffled, id="b", seed=1))
    assert plan.to_json()["stages"]["select"] == 2
    plan = planned(replace(CELL, id="a"), replace(CELL, id="b", seed=1))
    assert plan.to_json()["stages"]["select"] == 1


def test_missing_root_is_one_clear_sentence() -> None:
    rooted = with_(CELL, "dataset", name="rooted_data")
    with pytest.raises(DataError, match="'rooted_data' reads recordings .* with --data-root"):
        planned(replace(rooted, id="a"), replace(rooted, id="b", seed=1))


def test_everything_missing_is_named_at_once() -> None:
    cell = with_(CELL, "dataset", name="rooted_data")
    cell = with_(cell, "pipeline", params={"weights": "sd-1.5"})
    with pytest.raises(DataError, match=r"(?s)--data-root.*sd-1\.5.*--weights-root"):
        planned(cell)


def test_class_label_needs_a_static_token_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    from toy_parts import ToyEncoder

    monkeypatch.setattr(ToyEncoder, "__component__", ("encoder", {}))
    with pytest.raises(RecipeError, match="token shape of encoder 'toy_encoder'"):
        planned()


def test_a_root_that_is_no_folder_is_named() -> None:
    with pytest.raises(DataError, match="--data-root /no/such: does not exist"):
        Roots.resolve(data="/no/such")


def two_way(tower: str, label: str = "") -> Cell:
    block = Block("two_way", {"tower": tower}, label=label or f"two_way@{tower}")
    return replace(CELL, metrics=(block,), controls=())


def key_of_metric(cell: Cell, weights: Path | None = None) -> str:
    plan = planning.plan(recipe(cell), Roots(weights=weights), Store())
    (key,) = plan.cells[0].variants[0].metrics.values()
    return key


def test_a_metric_whose_tower_is_missing_has_the_same_key_wherever_weights_are_kept(
    tmp_path: Path,
) -> None:
    roots = [tmp_path / "here", tmp_path / "there"]
    for root in roots:
        root.mkdir()
    one, other = (key_of_metric(two_way("alexnet-5"), root) for root in roots)
    assert one == other
    plan = planning.plan(recipe(two_way("alexnet-5")), Roots(weights=roots[0]), Store())
    (reason,) = (n.params["tower_missing"] for n in plan.nodes.values() if n.stage == "evaluate")
    assert reason.startswith("image tower 'alexnet-5': DIR/alexnet lacks alexnet-owt-7be5be79.pth;")


def test_what_a_metric_is_called_moves_no_key() -> None:
    """Toys have no stage for towers: here the towers are missing."""
    named = key_of_metric(two_way("alexnet-5", "resemblance"))
    assert named == key_of_metric(two_way("alexnet-5"))
    assert named != key_of_metric(two_way("alexnet-2"))


def test_towers_that_are_missing_are_said_before_anything_runs() -> None:
    cell = replace(CELL, metrics=(*two_way("alexnet-5").metrics, *two_way("alexnet-2").metrics))
    plan = planning.plan(recipe(cell), Roots(), Store())
    assert plan.missing == plan.to_json()["missing"]
    assert [sentence.split("'")[1] for sentence in plan.missing] == ["alexnet-5", "alexnet-2"]
    text = plan_text(plan.to_json())
    assert "since they look through what is missing:\n  image tower 'alexnet-5' is not" in text
    assert "missing:" not in plan_text(planned().to_json())
