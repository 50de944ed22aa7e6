"""From checked cells to the graph of stages, every node under its content-addressed key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar, cast

from registry.spec import ComponentSpec
from zoo.controls import CONTROLS
from zoo.engine.code import Code, code_of
from zoo.engine.fingerprints import (
    Sources,
    picture_params,
    signal_params,
    tower_of,
    trial_params,
)
from zoo.engine.graph import CellPlan, Node, Plan, Variant
from zoo.engine.init_from import source_cell
from zoo.engine.keys import node_key, typed, untyped
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.recipe.cells import Block, Cell, Recipe
from zoo.recipe.errors import RecipeError
from zoo.recipe.validate import OF_PICTURES
from zoo.registries import (
    CONDITIONERS,
    DATASETS,
    ENCODERS,
    METRICS,
    OBJECTIVES,
    PIPELINES,
    reading_once,
)
from zoo.towers.table import TOWERS

T = TypeVar("T")

#: Package of the stage modules.
STAGES = "zoo.stages"

#: Controls that replace the tokens in training; the others reuse the trained conditioner.
TRAINED_CONTROLS = frozenset(name for name, control in CONTROLS.items() if control.trained)
#: Controls in which the denoiser draws as it came.
PROMPTED = frozenset(name for name, control in CONTROLS.items() if control.prompted)


def plan(recipe: Recipe, roots: Roots, store: Store) -> Plan:
    """Return the stage graph of `recipe`; nothing is run, written or imported from torch.

    Raises
    ------
    DataError
        If recordings or weights are missing; all of them in one message.
    RecipeError
        If ``init_from`` or the class_label control cannot be resolved.
    """
    with reading_once():
        sources = Sources(roots)
        sources.check(recipe.cells)
        builder = _Builder(sources)
        cells = tuple(builder.cell(cell) for cell in recipe.cells)
    states = store.states(builder.nodes)
    return _with_cells_named(Plan(recipe.name, builder.nodes, cells, states))


def _with_cells_named(plan: Plan) -> Plan:
    """Add a cell's id to the labels of the nodes that it alone needs."""
    if len(plan.cells) == 1:
        return plan
    alone: dict[str, str | None] = {}  # key -> the one cell that needs it
    for cell in plan.cells:
        for key in plan.needs(cell):
            alone[key] = None if key in alone else cell.cell.id
    named = {
        key: node if alone[key] is None else node.labelled(f"{node.label} [{alone[key]}]")
        for key, node in plan.nodes.items()
    }
    return replace(plan, nodes=named)


def _once(method: Callable[..., T]) -> Callable[..., T]:
    """Let a builder's method answer each question about a cell once."""
    name = method.__name__

    @wraps(method)
    def answer(self: _Builder, cell: Cell, *rest: str | int | None) -> T:
        question = (name, id(cell), *rest)
        found = self.answers.get(question)
        if found is None:
            # The cell is kept beside its answer, so that no other cell can get its id.
            found = self.answers[question] = (method(self, cell, *rest), cell)
        return cast(T, found[0])

    return answer


@dataclass(frozen=True)
class _Scored:
    """A metric in one cell: what its node is given whichever pictures it is about."""

    metric: Block
    needs: frozenset[str]
    params: dict[str, Any]
    inputs: dict[str, str]
    code: Code
    tower: str | None


class _Builder:
    """Adds the nodes of one cell after another; a node that is there already is shared."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.answers: dict[tuple[Any, ...], tuple[Any, Cell]] = {}
        self.nodes: dict[str, Node] = {}
        self.codes: dict[tuple[str, ...], Code] = {}

    def cell(self, cell: Cell) -> CellPlan:
        prepare, select, encode = self.prepare(cell), self.select(cell), self.encode(cell)
        if not cell.draws:
            return CellPlan(cell, prepare, select, encode, None, (self.encoded(cell),))
        steps = [None, *cell.conditioner.train.get("snapshots", [])]
        metrics = [self.scored(cell, metric) for metric in cell.metrics]
        variants = tuple(
            self.variant(cell, metrics, control, step)
            for control in (None, *cell.controls)
            for step in (steps if control not in PROMPTED else [None])
        )
        judge = self.judge(cell) if any("judge" in m.needs for m in metrics) else None
        return CellPlan(cell, prepare, select, encode, judge, variants)

    def encoded(self, cell: Cell) -> Variant:
        """Return the real thing of a cell that draws nothing."""
        metrics = {
            metric.label: self.evaluate(cell, self.scored(cell, metric), None, None)
            for metric in cell.metrics
        }
        return Variant(None, None, None, None, metrics)

    def variant(
        self, cell: Cell, scored: Sequence[_Scored], control: str | None, step: int | None
    ) -> Variant:
        generate = self.generate(cell, control, step)
        condition = self.nodes[generate].inputs.get("condition")
        real = control is None and step is None
        metrics = {
            one.metric.label: self.evaluate(cell, one, control, step)
            for one in scored
            if real or one.needs & OF_PICTURES
        }
        return Variant(control, step, condition, generate, metrics)

    @_once
    def prepare(self, cell: Cell) -> str:
        params: dict[str, Any] = {
            "dataset": cell.dataset.name,
            "params": _dataset(cell, signal_params),
            "fingerprint": self.sources.dataset(cell),
        }
        if _spec_of_dataset(cell).meta.get("needs_root"):  # its trials are paired with pictures
            params["images"] = self.sources.images(cell)
        return self.add("prepare", cell.dataset.name, params, {}, [_spec_of_dataset(cell)])

    @_once
    def select(self, cell: Cell) -> str:
        params = {
            "dataset": cell.dataset.name,
            "params": _dataset(cell, trial_params),
            "seed": cell.seed if cell.dataset.params.get("shuffle_labels") else None,
        }
        inputs = {"prepare": self.prepare(cell)}
        return self.add("select", cell.dataset.name, params, inputs, [_spec_of_dataset(cell)])

    @_once
    def encode(self, cell: Cell) -> str:
        objective = cell.encoder.train["objective"]
        components = [ENCODERS.spec(cell.encoder.name), OBJECTIVES.spec(objective["name"])]
        params = {
            "encoder": _named(components[0], cell.encoder.params),
            "objective": _named(components[1], objective["params"]),
            "train": _train(cell.encoder),
            "seed": cell.seed,
        }
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        if components[1].meta.get("target") == "image":
            inputs["features"] = self.image_features(cell)
        if cell.encoder.train.get("init_from") is not None:
            inputs["init"] = self.encode(source_cell(cell, "encoder"))
        label = f"{cell.encoder.name} · seed {cell.seed}"
        return self.add("encode", label, params, inputs, components)

    @_once
    def features(self, cell: Cell) -> str:
        components = [_spec_of_dataset(cell), PIPELINES.spec(cell.pipeline.name)]
        params = {
            "tower": "vae",
            "pipeline": cell.pipeline.name,
            "params": typed(components[1], cell.pipeline.params),
            "weights": self.sources.weights(cell),
            **self.pictures(cell),
        }
        inputs = {"prepare": self.prepare(cell)}
        if isinstance(cell.dataset.params.get("limit"), int):  # a dry run: a few of the pictures
            inputs["select"] = self.select(cell)
        return self.add("features", f"vae of {cell.pipeline.name}", params, inputs, components)

    @_once
    def image_features(self, cell: Cell) -> str:
        tower = tower_of(cell)
        params = {
            "tower": "image",
            "name": tower,
            "weights": self.sources.tower(cell),
            **self.pictures(cell),
        }
        inputs = {"prepare": self.prepare(cell)}
        if isinstance(cell.dataset.params.get("limit"), int):  # a dry run: a few of the pictures
            inputs["select"] = self.select(cell)
        return self.add("features", str(tower), params, inputs, [_spec_of_dataset(cell)])

    @_once
    def judge(self, cell: Cell) -> str:
        judge = _spec_of_dataset(cell).meta.get("judge")
        params = {
            "judge": judge,
            "weights": self.sources.judge(judge),
            **self.pictures(cell),
        }
        inputs = {"prepare": self.prepare(cell)}
        return self.add("judge", cell.dataset.name, params, inputs, [_spec_of_dataset(cell)])

    @_once
    def condition(self, cell: Cell, control: str | None) -> str:
        params = {
            **self.generator(cell, control),
            "train": _train(cell.conditioner),
            "seed": cell.seed,
            "control": control,
        }
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        inputs["features"] = self.features(cell)
        if control not in TRAINED_CONTROLS:
            inputs["encode"] = self.encode(cell)
        if cell.conditioner.train.get("init_from") is not None:
            inputs["init"] = self.condition(source_cell(cell, "conditioner"), control)
        label = _label(cell.conditioner.name, control, f"seed {cell.seed}")
        return self.add("condition", label, params, inputs, _generators(cell))

    @_once
    def generate(self, cell: Cell, control: str | None, step: int | None) -> str:
        params = {
            **self.generator(cell, control),
            "sample": untyped(cell.pipeline.sample),
            "precision": cell.conditioner.train.get("precision", "fp32"),
            "seed": cell.seed,
            "control": control,
            "snapshot": None if step == cell.conditioner.train.get("steps") else step,
            "split": cell.score_on,
        }
        trained = control if control in TRAINED_CONTROLS else None
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        if control in PROMPTED:
            params["conditioner"] = None
        else:
            inputs["condition"] = self.condition(cell, trained)
        if control is None or not (trained or control in PROMPTED) or CONTROLS[control].answers:
            inputs["encode"] = self.encode(cell)
        label = _label(cell.conditioner.name, control, _at(step), f"seed {cell.seed}")
        return self.add("generate", label, params, inputs, _generators(cell))

    def generator(self, cell: Cell, control: str | None) -> dict[str, Any]:
        """Return what names the conditioner and the denoiser, in training and in sampling."""
        conditioner, pipeline = _generators(cell)
        return {
            "conditioner": _named(conditioner, cell.conditioner.params),
            "pipeline": _named(pipeline, cell.pipeline.params),
            "weights": self.sources.weights(cell),
            "tokens": token_shape(cell) if control in TRAINED_CONTROLS else None,
        }

    def scored(self, cell: Cell, metric: Block) -> _Scored:
        """Return what a metric's nodes are given, but for the pictures and what comes of them."""
        spec = METRICS.spec(metric.name)
        needs = frozenset(spec.meta.get("needs", ()))
        params: dict[str, Any] = {
            "metric": metric.name,
            "params": typed(spec, metric.params),
            "seed": cell.seed,
            "split": cell.score_on,
        }
        components, tower = [spec], None
        if needs & {"features", "scores"}:
            params["tower"] = metric.params["tower"]
            missing = self.sources.tower_missing(metric.params["tower"])
            if missing:
                params["tower_missing"] = missing
            else:
                tower = metric.params["tower"]
        if needs & {"train_images", "seen"}:
            params["pictures"] = sorted(needs & {"train_images", "seen"})
            params |= self.pictures(cell)
            components.append(_spec_of_dataset(cell))
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        code = self.code(f"{STAGES}.evaluate", components)
        return _Scored(metric, needs, params, inputs, code, tower)

    def evaluate(self, cell: Cell, scored: _Scored, control: str | None, step: int | None) -> str:
        needs, inputs = scored.needs, dict(scored.inputs)
        if needs & {"logits", "similarity"} and control not in TRAINED_CONTROLS:
            inputs["encode"] = self.encode(cell)
        if needs & OF_PICTURES:
            inputs["generate"] = self.generate(cell, control, step)
        if "gap" in needs:
            inputs["gap"] = self.gap(cell)
        if "judge" in needs:
            inputs["judge"] = self.judge(cell)
            inputs["features"] = self.judged(cell, control, step)
        if scored.tower is not None:
            inputs["drawn"] = self.drawn(cell, scored.tower, control, step)
            inputs["seen"] = self.seen(cell, scored.tower)
        label = _label(scored.metric.label, control, _at(step), f"seed {cell.seed}")
        return self.put("evaluate", label, scored.params, inputs, scored.code)

    @_once
    def judged(self, cell: Cell, control: str | None, step: int | None) -> str:
        """Add what the judge makes of the pictures drawn."""
        inputs = {"judge": self.judge(cell), "generate": self.generate(cell, control, step)}
        label = _label("judge", control, _at(step), f"seed {cell.seed}")
        return self.add("features", label, {"tower": "judge"}, inputs, [])

    @_once
    def gap(self, cell: Cell) -> str:
        condition = self.condition(cell, None)
        params = {
            **self.generator(cell, None),
            "seed": cell.seed,
            "control": None,
            "split": cell.score_on,
        }
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        inputs |= {"encode": self.encode(cell), "condition": condition}
        if "init" in self.nodes[condition].inputs:
            inputs["init"] = self.nodes[condition].inputs["init"]
        label = f"{cell.conditioner.name} · seed {cell.seed}"
        return self.add("gap", label, params, inputs, _generators(cell))

    @_once
    def drawn(self, cell: Cell, name: str, control: str | None, step: int | None) -> str:
        """Add what a tower's network makes of the pictures drawn."""
        network = TOWERS[name].network
        params = self.tower(cell, name, "drawn")
        inputs = {"generate": self.generate(cell, control, step)}
        label = _label(network, control, _at(step), f"seed {cell.seed}")
        return self.add("features", label, params, inputs, [])

    @_once
    def seen(self, cell: Cell, name: str) -> str:
        """Add what a tower's network makes of the pictures seen."""
        network = TOWERS[name].network
        params = {**self.tower(cell, name, "seen"), **self.pictures(cell)}
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        components = [_spec_of_dataset(cell)]
        return self.add("features", f"{network} of seen", params, inputs, components)

    def tower(self, cell: Cell, name: str, of: str) -> dict[str, Any]:
        return {
            "tower": "picture",
            "network": TOWERS[name].network,
            "of": of,
            "split": cell.score_on,
            "weights": self.sources.tower_named(name),
        }

    @_once
    def pictures(self, cell: Cell) -> dict[str, Any]:
        """Return what names the pictures that trials were shown."""
        return {
            "dataset": cell.dataset.name,
            "dataset_params": _dataset(cell, picture_params),
            "images": self.sources.images(cell),
        }

    def add(
        self,
        stage: str,
        label: str,
        params: dict[str, Any],
        inputs: dict[str, str],
        components: Sequence[ComponentSpec],
    ) -> str:
        """Add a node unless it is there; return its key."""
        module = f"_{params['tower']}_features" if stage == "features" else stage
        return self.put(stage, label, params, inputs, self.code(f"{STAGES}.{module}", components))

    def put(
        self, stage: str, label: str, params: dict[str, Any], inputs: dict[str, str], code: Code
    ) -> str:
        """Add a node, whose code is known, unless it is there; return its key."""
        key = node_key(stage, params, inputs, code)
        if key not in self.nodes:
            self.nodes[key] = Node(key, stage, f"{stage} {label}", params, inputs, code)
        return key

    def code(self, module: str, components: Sequence[ComponentSpec]) -> Code:
        """Return the code of a stage's module and its components, read once."""
        known = (module, *(f"{spec.kind} {spec.name}" for spec in components))
        if known not in self.codes:
            self.codes[known] = code_of([module], components)
        return self.codes[known]


def _spec_of_dataset(cell: Cell) -> ComponentSpec:
    return DATASETS.spec(cell.dataset.name)


def _dataset(cell: Cell, chosen: Callable[[Block], dict[str, Any]]) -> dict[str, Any]:
    return typed(_spec_of_dataset(cell), chosen(cell.dataset))


def _generators(cell: Cell) -> list[ComponentSpec]:
    return [CONDITIONERS.spec(cell.conditioner.name), PIPELINES.spec(cell.pipeline.name)]


def _named(spec: ComponentSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": spec.name, "params": typed(spec, params)}


def _train(block: Block) -> dict[str, Any]:
    """Return the training settings; the objective and the source of init are keyed apart."""
    kept = {k: v for k, v in block.train.items() if k not in {"objective", "init_from"}}
    return dict(untyped(kept))


def _label(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)


def _at(step: int | None) -> str | None:
    return None if step is None else f"step {step}"


def token_shape(cell: Cell) -> list[int]:
    """Return the encoder's token shape (L, D) without building it."""
    return tokens_of(cell.encoder)


def tokens_of(encoder: Block) -> list[int]:
    """Return the token shape (L, D) of an encoder without building it.

    Raises
    ------
    RecipeError
        Its mark does not say.
    """
    tokens = ENCODERS.spec(encoder.name).meta.get("tokens", ())
    shape = [encoder.params.get(n) if isinstance(n, str) else n for n in tokens]
    sized = [size for size in shape if isinstance(size, int)]
    if len(sized) != 2 or len(shape) != 2:
        problem = (
            f"the token shape of encoder {encoder.name!r} is needed before it is built, and "
            f"its mark says tokens={tokens!r}: name two integers or two integer parameters there"
        )
        raise RecipeError([problem])
    return sized
