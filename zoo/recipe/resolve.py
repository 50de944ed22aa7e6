"""From a merged tree to a checked cell: component defaults below, schema and signatures applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from registry import ComponentError, ComponentSpec
from zoo.recipe.cells import Block, Cell
from zoo.recipe.errors import Problems, Where
from zoo.recipe.grid import axis_problem
from zoo.recipe.layers import layer, merge, normalised, with_groups, without
from zoo.recipe.metrics import check_metrics, metric_label
from zoo.recipe.nodes import Node, plain, planted
from zoo.recipe.overrides import Assignments
from zoo.recipe.schema import ComponentBlock, MetricBlock, Train, check
from zoo.recipe.validate import compatibility
from zoo.recipe.where import matches
from zoo.registries import REGISTRIES

_OBJECTIVE = ("encoder", "train", "objective")
_COMPONENTS = {
    "dataset": ("dataset",),
    "encoder": ("encoder",),
    "objective": _OBJECTIVE,
    "conditioner": ("conditioner",),
    "pipeline": ("pipeline",),
}
#: Stands in for the defaults of a component that does not exist, so that its unknown name is
#: the only problem reported.
_ANY_TRAIN = {"epochs": 1, "batch_size": 1, "lr": 1.0}


class Resolver:
    """Turns merged trees into cells; looks every component up once.

    Parameters
    ----------
    problems : Problems
        Receives everything that is wrong.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self._specs: dict[tuple[str, str], ComponentSpec | ComponentError] = {}
        self._parameters: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        self._made: dict[tuple[int, str], tuple[Block, ...]] = {}
        self._listed: dict[tuple[Any, ...], tuple[list[ComponentSpec | None], Node | None]] = {}

    def cell(self, tree: Node, coords: dict[str, Any], cell_id: str = "cell") -> Cell | None:
        """Return the cell, or None after noting why there is none."""
        defaulted = self._with_defaults(tree)
        full = with_groups(defaulted)
        model = check(full, self.problems)
        specs = {
            kind: spec
            for kind, path in _COMPONENTS.items()
            if (spec := self._component(full, kind, path)) is not None
        }
        metrics = self._metrics(full, specs.get("objective"))
        for kind in ("encoder", "conditioner"):
            self._check_init_from(kind, defaulted, specs, metrics)
        compatibility(full, specs, metrics, self.problems)
        known = [spec for spec in metrics if spec is not None]
        if model is None or len(specs) < len(_COMPONENTS) or len(known) < len(metrics):
            return None
        dataset = _block(specs["dataset"], model.dataset)
        named_by = specs["dataset"].meta.get("labelled_by", ())
        suffix = "".join(f"@{dataset.params[name]}" for name in named_by)
        cell = Cell(
            id=cell_id,
            coords=coords,
            seed=model.seed,
            dataset=dataset,
            encoder=_block(
                specs["encoder"],
                model.encoder,
                train=_train(
                    model.encoder.train,
                    objective=_named(specs["objective"], model.encoder.train.objective),
                ),
            ),
            conditioner=_block(
                specs["conditioner"], model.conditioner, train=_train(model.conditioner.train)
            ),
            pipeline=_block(
                specs["pipeline"], model.pipeline, sample=model.pipeline.sample.model_dump()
            ),
            metrics=self._blocks(full, known, model.metrics, suffix),
            controls=(),
            score_on=model.score_on,
        )
        here = [c.name for c in model.controls if matches(cell, c.only)]
        return replace(cell, controls=tuple(here))

    def _with_defaults(self, tree: Node) -> Node:
        """Return the tree over the ``train`` defaults in its components' marks."""
        below: dict[str, Node] = {}
        for kind in ("encoder", "conditioner"):
            block = tree.at((kind,))
            name = tree.at((kind, "name"))
            if block is None or name is None or not isinstance(name.value, str):
                continue
            spec = self._spec(kind, name.value)
            written = spec.meta.get("train", {}) if not isinstance(spec, Exception) else _ANY_TRAIN
            where = Where(f"train defaults of {kind} {name.value!r}")
            train = normalised(planted(written, where), (kind, "train"))
            train = Node(train.value, tree.locate((kind, "train")))
            below[kind] = Node({"train": train}, block.where)
        return merge(Node(dict(below), tree.where), tree)

    def _component(
        self, tree: Node, kind: str, path: tuple[str | int, ...]
    ) -> ComponentSpec | None:
        name = tree.at((*path, "name"))
        if kind == "objective" and name is None:
            name = Node("classify", tree.locate(path))
        if name is None or not isinstance(name.value, str):
            return None  # the schema has said so
        spec = self._spec(kind, name.value)
        if isinstance(spec, ComponentError):
            self.problems.add(name.where, str(spec))
            return None
        params = tree.at((*path, "params"))
        if params is None or isinstance(params.value, dict):
            given = {} if params is None else plain(params)
            for parameter, sentence in self._parameter_problems(kind, spec.name, given):
                node = tree.at((*path, "params", parameter))
                self.problems.add(tree.locate(path) if node is None else node.where, sentence)
        return spec

    def _metrics(self, tree: Node, objective: ComponentSpec | None) -> list[ComponentSpec | None]:
        """Return the metrics' specs; a list that cells share is looked through once."""
        listed, score_on = tree.at(("metrics",)), tree.at(("score_on",))
        asked = (id(listed), objective and objective.name, str(score_on and score_on.value))
        if asked not in self._listed:
            found = [
                self._component(tree, "metric", ("metrics", i)) for i in range(_length(listed))
            ]
            check_metrics(tree, objective, found, self.problems)
            self._listed[asked] = found, listed  # kept, so that no other list gets its id
        return self._listed[asked][0]

    def _blocks(
        self,
        tree: Node,
        specs: Sequence[ComponentSpec],
        written: Sequence[MetricBlock],
        suffix: str,
    ) -> tuple[Block, ...]:
        """Return the metrics with their defaults; cells that share a list share its blocks."""
        asked = (id(tree.at(("metrics",))), suffix)  # `_listed` keeps the list
        if asked not in self._made:
            self._made[asked] = tuple(
                _block(spec, block, label=_with_suffix(metric_label(spec, block), suffix))
                for spec, block in zip(specs, written, strict=True)
            )
        return self._made[asked]

    def _spec(self, kind: str, name: str) -> ComponentSpec | ComponentError:
        if (kind, name) not in self._specs:
            try:
                self._specs[kind, name] = REGISTRIES[kind].spec(name)
            except ComponentError as error:
                self._specs[kind, name] = error
        return self._specs[kind, name]

    def _parameter_problems(
        self, kind: str, name: str, params: dict[str, Any]
    ) -> list[tuple[str, str]]:
        known = (kind, name, json.dumps(params, sort_keys=True))
        if known not in self._parameters:
            found = REGISTRIES[kind].check_parameters(name, params)
            self._parameters[known] = [(p.parameter, str(p)) for p in found]
        return self._parameters[known]

    def _check_init_from(
        self,
        kind: str,
        tree: Node,
        specs: dict[str, ComponentSpec],
        metrics: Sequence[ComponentSpec | None],
    ) -> None:
        """Check the changes of one ``init_from``, and the cell that they make of `tree`."""
        node = tree.at((kind, "train", "init_from"))
        if node is None or not isinstance(node.value, dict):
            return
        changes: Assignments = []
        for dotted, entry in node.value.items():
            problem = self._change_problem(dotted, entry, specs)
            if problem is None:
                changes.append((tuple(dotted.split(".")), entry))
            else:
                self.problems.add(entry.where, problem)
        found = Problems()
        source = with_groups(merge(_without_init(tree, kind, node), layer(changes, tree.where)))
        steps = source.at((kind, "train", "steps"))
        if steps is not None and steps.value == 0:
            path = f"{kind}.train.steps"
            self.problems.add(node.where, f"starts from 0 steps; add their number: {path}: 250")
            return
        check(source, found)
        compatibility(source, specs, metrics, found)
        for where, message in found.below(node.where):  # the others have been noted as they are
            self.problems.add(where, message)

    def _change_problem(
        self, dotted: str, entry: Node, specs: dict[str, ComponentSpec]
    ) -> str | None:
        """Return why ``init_from`` cannot change this path, or None."""
        block, _, rest = dotted.partition(".")
        part, _, name = rest.partition(".")
        problem = axis_problem(dotted)
        if problem is not None or dotted == "seed":
            return problem
        if not name or rest.startswith("train.objective"):
            return (
                f"{dotted!r} names a whole block; init_from changes single values, "
                "such as dataset.params.subjects"
            )
        if rest == "train.lr.all":
            return f"write {block}.train.lr: it is the one rate for everything"
        if part == "params" and block in specs:
            return self._parameter_problem(specs[block], name, plain(entry))
        return None

    def _parameter_problem(self, spec: ComponentSpec, name: str, value: Any) -> str | None:
        """Return what is wrong with one parameter; a path into a value is judged by its name."""
        outer, _, inner = name.partition(".")
        for parameter, sentence in self._parameter_problems(spec.kind, spec.name, {outer: value}):
            if parameter == outer and (not inner or spec.parameter(outer) is None):
                return sentence
        return None


def _without_init(tree: Node, kind: str, init_from: Node) -> Node:
    """Return the tree that ``init_from`` starts from, before its changes (as the engine makes it).

    Its ``train`` has the place of `init_from`, where all that is wrong with it is reported.
    """
    block, train = tree.at((kind,)), tree.at((kind, "train"))
    assert block is not None
    assert train is not None
    kept = Node(without(train, ["init_from", "snapshots"]).value, init_from.where)
    changed = Node({**block.entries(), "train": kept}, block.where)
    return Node({**tree.entries(), kind: changed}, tree.where)


def _length(node: Node | None) -> int:
    return len(node.value) if node is not None and isinstance(node.value, list) else 0


def _named(spec: ComponentSpec, block: ComponentBlock) -> dict[str, Any]:
    """Return a component's name and parameters with its defaults filled in."""
    supplied = REGISTRIES[spec.kind].supplied
    params = {
        p.name: _json(block.params.get(p.name, p.default))
        for p in spec.parameters
        if p.name not in supplied and (p.name in block.params or not p.required)
    }
    return {"name": spec.name, "params": params}


def _block(spec: ComponentSpec, block: ComponentBlock, **more: Any) -> Block:
    return Block(**_named(spec, block), **more)


def _with_suffix(label: str, suffix: str) -> str:
    """Return a metric's name with what its data set wants seen in it ("retrieval@mean")."""
    return label if label.endswith(suffix) else label + suffix


def _train(train: Train, **more: Any) -> dict[str, Any]:
    """Return every training setting; ``lr`` is a number again where it was one."""
    settings = train.model_dump()
    rates = {group: rate for group, rate in settings["lr"].items() if rate is not None}
    settings["lr"] = rates.get("all", rates)
    settings["init_from"] = _either_or(train.init_from)
    return settings | more


def _either_or(init_from: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return ``init_from`` with ``epochs`` cleared where it sets ``steps``, and the reverse."""
    if init_from is None:
        return None
    complete = dict(init_from)
    for dotted in init_from:
        block, _, last = dotted.rpartition(".")
        other = {"epochs": "steps", "steps": "epochs"}.get(last)
        if other is not None and block.endswith(".train"):
            complete.setdefault(f"{block}.{other}", None)
    return complete


def _json(value: Any) -> Any:
    """Return a literal default as JSON has it: tuples are lists."""
    if isinstance(value, tuple | list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return value
