"""The shape of a recipe: every key, its type, range and default (pydantic, one strict base)."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from registry.errors import did_you_mean
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node, plain

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
FolderSafe = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]*$")]


class Strict(BaseModel):
    """Base of all models (strictness is not inherited by nesting, so each one derives)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


M = TypeVar("M", bound=Strict)


class LearningRate(Strict):
    """One rate for everything (``lr: 1e-3``), or a rate by group of parameters."""

    all: Positive | None = None
    projection: Positive | None = None
    text_encoder: Positive | None = None
    attn2: Positive | None = None
    lora: Positive | None = None
    unet: Positive | None = None

    @model_validator(mode="after")
    def _one_or_groups(self) -> LearningRate:
        groups = self.model_fields_set
        if not groups or ("all" in groups and len(groups) > 1):
            raise ValueError("give one number, or a number for each group")
        return self


class ComponentBlock(Strict):
    """A component by name, with its own parameters."""

    name: str
    params: dict[str, Any] = {}


class Train(Strict):
    """How a stage is trained."""

    epochs: Count | None = None
    steps: Annotated[int, Field(ge=0)] | None = None
    batch_size: Count
    lr: LearningRate
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = 0.05
    grad_clip: Positive | None = 1.0
    accumulate: Count = 1
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    cond_dropout: Share = 0.1
    timesteps: Annotated[
        list[Annotated[int, Field(ge=0, le=1000)]], Field(min_length=2, max_length=2)
    ] = [0, 1000]
    snr_gamma: Positive | None = None
    token_noise: Annotated[float, Field(ge=0)] = 0.0
    align: Annotated[float, Field(ge=0)] = 0.0
    checkpointing: bool = False
    snapshots: list[Count] = []
    init_from: dict[str, Any] | None = None

    @field_validator("timesteps")
    @classmethod
    def _rising(cls, value: list[int]) -> list[int]:
        if value[0] >= value[1]:
            raise ValueError(f"must be [first, end] with first < end, got {value}")
        return value

    @field_validator("snapshots")
    @classmethod
    def _sorted(cls, value: list[int]) -> list[int]:
        if value != sorted(set(value)):
            raise ValueError(f"must be rising numbers of steps, got {value}")
        return value

    @model_validator(mode="after")
    def _length(self) -> Train:
        if self.epochs is None and self.steps is None:
            raise ValueError("needs 'epochs' or 'steps'")
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give 'epochs' or 'steps', not both")
        if self.steps == 0 and self.init_from is None:
            raise ValueError("steps 0 trains nothing; it needs 'init_from'")
        if self.steps is not None and self.snapshots and self.snapshots[-1] > self.steps:
            raise ValueError(f"snapshot {self.snapshots[-1]} lies after the last of {self.steps}")
        return self


class EncoderTrain(Train):
    """How the encoder is trained; ``select: best`` keeps the best epoch on the validation split."""

    objective: ComponentBlock = ComponentBlock(name="classify")
    select: Literal["best", "last"] = "best"


class ConditionerTrain(Train):
    """How the conditioner is trained; there is nothing honest to select a step by."""

    select: Literal["last"] = "last"


class Sample(Strict):
    """How images are drawn; changing it trains nothing again."""

    steps: Count = 50
    guidance_scale: Annotated[float, Field(ge=1)] = 7.5
    scheduler: str | None = None
    images_per_trial: Annotated[int, Field(ge=0)] = 1
    batch_size: Count = 32


class EncoderBlock(ComponentBlock):
    train: EncoderTrain


class ConditionerBlock(ComponentBlock):
    train: ConditionerTrain


class PipelineBlock(ComponentBlock):
    sample: Sample = Sample()


class MetricBlock(ComponentBlock):
    label: FolderSafe | None = None


class ControlBlock(Strict):
    """A control, in all cells or only in those that have the values given."""

    name: str
    only: dict[str, Any] = {}


class AnalysisBlock(ComponentBlock):
    label: FolderSafe | None = None


class CellModel(Strict):
    """A recipe after all layers: what one cell of its grid is made of."""

    schema_: Literal[1] = Field(alias="schema")
    name: FolderSafe
    summary: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    dataset: ComponentBlock
    encoder: EncoderBlock
    conditioner: ConditionerBlock
    pipeline: PipelineBlock
    metrics: list[MetricBlock]
    controls: list[ControlBlock] = []
    score_on: Literal["test", "val"] = "test"

    @field_validator("name")
    @classmethod
    def _not_taken(cls, value: str) -> str:
        if value.strip(".").lower() == "latest":
            raise ValueError(f"{value!r} is the link to the last run; choose another name")
        return value


#: Keys of a recipe file beside those of a cell: how its cells are made, and notes.
FILE_KEYS = ("grid", "cells", "pocket", "arms", "analyses", "published", "sources")
CELL_KEYS = tuple(field.alias or name for name, field in CellModel.model_fields.items())


def check(root: Node, problems: Problems) -> CellModel | None:
    """Validate a merged recipe; return the model, or None after noting what is wrong."""
    try:
        return CellModel.model_validate(plain(root))
    except ValidationError as error:
        for details in error.errors(include_url=False):
            problems.add(root.locate(details["loc"]), problem_of(details))
        return None


def valid(model: type[M], node: Node | None) -> M | None:
    """Return part of a recipe as its model; None where it is invalid, which the schema reports."""
    try:
        return None if node is None else model.model_validate(plain(node))
    except ValidationError:
        return None


def keys_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the annotations of a model by the key that a recipe writes."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def problem_of(details: ErrorDetails, model: type[BaseModel] = CellModel) -> str:
    """Return what is wrong with a value, in the words of a recipe."""
    context, value = details.get("ctx", {}), details["input"]
    got = f"got {shown(value)}"
    match details["type"]:
        case "extra_forbidden":
            known = _siblings(details, model)
            hint = did_you_mean(str(details["loc"][-1]), known)
            return f"unknown key. {hint or 'Known here: ' + ', '.join(known)}"
        case "missing":
            return "is required"
        case "int_type" | "int_from_float":
            return f"must be a whole number, {got}"
        case "float_type":
            return f"must be a number, {got}"
        case "string_type":
            return f"must be text, {got}"
        case "list_type":
            return f"must be a list, {got}"
        case "dict_type" | "model_type" | "model_attributes_type":
            named = "name" in _siblings(details, model, of="inside")
            return f"must be {'a name or a mapping' if named else 'a mapping'}, {got}"
        case "greater_than":
            return f"must be > {context['gt']:g}, {got}"
        case "greater_than_equal":
            return f"must be >= {context['ge']:g}, {got}"
        case "less_than":
            return f"must be < {context['lt']:g}, {got}"
        case "less_than_equal":
            return f"must be <= {context['le']:g}, {got}"
        case "too_short" | "too_long":
            return (
                f"must have {context.get('min_length', context.get('max_length'))} entries, {got}"
            )
        case "literal_error":
            options = [part for part in str(context["expected"]).split("'") if part.isidentifier()]
            hint = did_you_mean(value, options) if isinstance(value, str) else ""
            return f"must be {context['expected']}, {got}" + (f". {hint}" if hint else "")
        case "string_pattern_mismatch":
            return f"names a folder: letters, digits and _ . @ - only, {got}"
    return str(details["msg"]).removeprefix("Value error, ")


def shown(value: Any) -> str:
    """Return a value as a message shows it: text quoted, true, false and null as YAML has them."""
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


def _siblings(
    details: ErrorDetails, root: type[BaseModel], *, of: Literal["beside", "inside"] = "beside"
) -> list[str]:
    """Return the keys that a recipe may have beside, or inside, the place of an error."""
    model: Any = root
    for key in details["loc"][:-1] if of == "beside" else details["loc"]:
        if isinstance(key, str):
            model = model_within(keys_of(model)[key])
    return [] if model is None else list(keys_of(model))


def model_within(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is, or is a list of; None for everything else."""
    inner = getattr(annotation, "__args__", (annotation,))[0]
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
