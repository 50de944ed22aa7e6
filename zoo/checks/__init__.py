"""The public contract battery: what every component has to do, for ours and for anybody's.

Examples
--------
>>> from zoo.checks import check_encoder
>>> check_encoder("eegnet")
>>> check_encoder(MyEncoder, embed_dim=8)  # a class that nobody registered

Each file here holds the checks of one kind as plain functions; their first docstring line says
what is promised. `promises` lists them for pytest:

>>> @pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in promises("encoder")])
... def test_promise(promise):
...     promise()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo.registries import REGISTRIES


def check_encoder(component: str | type, **params: Any) -> None:
    """Check an encoder, by name or class, built small with `params` (default: its ``tiny``).

    Raises
    ------
    AssertionError
        Names every promise that is broken, and how.
    """
    _check("encoder", component, params)


def check_objective(component: str | type, **params: Any) -> None:
    """Check an objective; see `check_encoder`."""
    _check("objective", component, params)


def check_conditioner(component: str | type, **params: Any) -> None:
    """Check a conditioner on a tiny Stable Diffusion; see `check_encoder`."""
    _check("conditioner", component, params)


def check_pipeline(component: str | type, **params: Any) -> None:
    """Check a pipeline on tiny Stable Diffusion weights; see `check_encoder`."""
    _check("pipeline", component, params)


def check_dataset(component: str | type, root: Path | None = None, **params: Any) -> None:
    """Check a data set on the files in `root` (None if it needs none); see `check_encoder`."""
    _check("dataset", component, params, root)


def check_analysis(component: str | type, **params: Any) -> None:
    """Check an analysis on a made-up grid; see `check_encoder`."""
    _check("analysis", component, params)


def promises(
    kind: str, roots: Mapping[str, Callable[[], Path]] | None = None
) -> list[tuple[str, Callable[[], None]]]:
    """Return (id, check) of every registered component of a kind and every check for it.

    The ids read ``encoder-eegnet-batch_equals_single``. Nothing is imported or built before a
    check is called.

    Parameters
    ----------
    kind : str
    roots : mapping, optional
        Name of a data set that needs files -> function that returns a small folder of them.
    """
    roots = roots or {}
    return [
        (f"{kind}-{name}-{check.__name__}", partial(_run, check, kind, name, root=roots.get(name)))
        for name in REGISTRIES[kind].names()
        for check in _checks(kind)
    ]


def _checks(kind: str) -> list[Callable[..., None]]:
    everybody = import_module("zoo.checks.all_kinds").CHECKS
    return [*everybody, *import_module(f"zoo.checks.{kind}").CHECKS]


def _run(
    check: Callable[..., None],
    kind: str,
    component: str | type,
    params: dict | None = None,
    root: Callable[[], Path] | Path | None = None,
) -> None:
    from zoo.checks._case import Case

    check(Case.of(kind, component, params, root() if callable(root) else root))


def _check(
    kind: str, component: str | type, params: dict[str, Any], root: Path | None = None
) -> None:
    broken = []
    for check in _checks(kind):
        try:
            _run(check, kind, component, params or None, root)
        except Exception as error:  # whatever a component does wrong is a finding, not our failure
            promise = (check.__doc__ or "").partition("\n")[0]
            broken.append(f"{check.__name__} ({promise}): {type(error).__name__}: {error}")
    if broken:
        name = component if isinstance(component, str) else component.__name__
        raise AssertionError(f"{kind} {name} breaks {len(broken)} promises:\n" + "\n".join(broken))
