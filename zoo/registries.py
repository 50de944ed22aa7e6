"""The seven registries of the zoo, one per kind of component. Light: imports no component."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from registry import Registry, UnknownComponent, did_you_mean
from registry.plugins import plugin_source
from registry.static import marks

#: What was given as ``--plugin``, files by their absolute path: helping processes need them, too.
PLUGINS: list[str] = []

#: Kind (singular, as in code) -> its registry.
REGISTRIES: dict[str, Registry] = {}

#: Keywords that the mark of every component may have; each kind adds its own.
_FACTS = ("paper", "license", "renamed_from", "tiny", "train", "extras")
_TOKENS = {"n_tokens": "number of tokens", "embed_dim": "token width"}

ENCODERS = Registry(
    "encoder",
    "zoo.encoders",
    "zoo.encoders",
    supplied={
        "n_chans": "number of EEG channels",
        "n_times": "samples per trial",
        "sfreq": "samples per second",
        "n_subjects": "subjects in the data set",
        "ch_names": "channel names",
        "ch_pos": "channel positions in metres",
    },
    facts=(*_FACTS, "tokens", "limits", "uses_subject", "input_scale", "pretrained"),
    family=REGISTRIES,
)
OBJECTIVES = Registry(
    "objective",
    "zoo.objectives",
    "zoo.objectives",
    supplied={
        **_TOKENS,
        "n_outputs": "number of classes",
        "target_width": "width of the image features",
    },
    facts=(*_FACTS, "target"),
    family=REGISTRIES,
)
CONDITIONERS = Registry(
    "conditioner",
    "zoo.conditioners",
    "zoo.conditioners",
    supplied={**_TOKENS, "pipeline": "PipelineInfo of the denoiser"},
    facts=(*_FACTS, "provides", "training", "opens", "adds"),
    family=REGISTRIES,
)
PIPELINES = Registry(
    "pipeline",
    "zoo.pipelines",
    "zoo.pipelines",
    facts=(*_FACTS, "accepts", "widths", "schedulers", "sampling"),
    family=REGISTRIES,
)
DATASETS = Registry(
    "dataset",
    "zoo.datasets",
    "zoo.datasets",
    facts=(
        *_FACTS,
        "leakage",
        "independent",
        "needs_root",
        "per_subject",
        "judge",
        "pictures",
        "labelled_by",
    ),
    family=REGISTRIES,
)
METRICS = Registry(
    "metric",
    "zoo.metrics",
    "zoo.metrics",
    facts=(*_FACTS, "needs", "level", "higher_is_better", "min_n"),
    family=REGISTRIES,
)
ANALYSES = Registry(
    "analysis",
    "zoo.analyses",
    "zoo.analyses",
    facts=(*_FACTS, "null", "least"),
    family=REGISTRIES,
    plural="analyses",
)


@contextmanager
def reading_once() -> Iterator[None]:
    """Let every registry read each component's source once while this lasts."""
    with ExitStack() as stack:
        for registry in REGISTRIES.values():
            stack.enter_context(registry.reading_once())
        yield


def registry_of(kind: str) -> Registry:
    """Return the registry of `kind`, in singular or plural.

    Raises
    ------
    UnknownComponent
        There is no such kind.
    """
    named = {name: r for r in REGISTRIES.values() for name in (r.kind, r.plural)}
    if kind not in named:
        singular = kind.removesuffix("s")
        raise UnknownComponent(
            f"unknown kind {kind!r}. {did_you_mean(singular, REGISTRIES)}"
            f"Known kinds: {', '.join(REGISTRIES)}"
        )
    return named[kind]


def add_plugin(plugin: str) -> None:
    """Register the components of a file or module given as ``--plugin``.

    One file is one component; its name is the file's stem. Nothing is imported.

    Raises
    ------
    UnknownComponent
        The file marks no component, several, or one of an unknown kind.
    ComponentError
        There is no such file or module.
    """
    source = plugin_source(plugin)
    assert source.path is not None
    found = marks(source.path, source.shown)
    if len(found) != 1:
        classes = f" ({', '.join(name for _, name in found)})" if found else ""
        raise UnknownComponent(
            f"{source.shown} must mark exactly one component with @component, "
            f"found {len(found)}{classes}"
        )
    try:
        registry = registry_of(found[0][0])
    except UnknownComponent as error:
        raise UnknownComponent(f"{source.shown}: {error}") from error
    registry.add_plugin(source)
    PLUGINS.append(plugin if source.module == plugin else str(source.path))
