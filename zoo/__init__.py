"""EEG-to-image components by name: `create`, `list_encoders` and friends, `run`. Imports no torch.

Examples
--------
>>> import zoo
>>> zoo.list_encoders("eeg*")
['eeg_conv_net', 'eegnet']
>>> encoder = zoo.create("encoder", "eegnet", n_chans=32, n_times=250, sfreq=250.0)
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"


def _refuse_another_registry() -> None:
    """Say so where another top-level module called "registry" hides ours."""
    spec = importlib.util.find_spec("registry")
    ours = Path(__file__).resolve().parent.parent / "registry" / "__init__.py"
    found = Path(spec.origin).resolve() if spec is not None and spec.origin else None
    if found != ours and not (found and 'DISTRIBUTION = "eegzoo"' in found.read_text("utf-8")):
        raise ImportError(
            f"zoo needs its own package 'registry' ({ours}), but Python finds {found}. "
            "Rename or move that file, or start Python from another folder."
        )


_refuse_another_registry()

from registry import component  # noqa: E402  (after the check, by design)
from zoo.registries import (  # noqa: E402
    ANALYSES,
    CONDITIONERS,
    DATASETS,
    ENCODERS,
    METRICS,
    OBJECTIVES,
    PIPELINES,
    REGISTRIES,
    registry_of,
)

if TYPE_CHECKING:
    from zoo.engine.run import RunResult
    from zoo.export.models import load_encoder
    from zoo.export.pipeline import EEGToImagePipeline

__all__ = [
    "ANALYSES",
    "CONDITIONERS",
    "DATASETS",
    "EEGToImagePipeline",
    "ENCODERS",
    "METRICS",
    "OBJECTIVES",
    "PIPELINES",
    "REGISTRIES",
    "component",
    "create",
    "list_analyses",
    "list_conditioners",
    "list_datasets",
    "list_encoders",
    "list_metrics",
    "list_objectives",
    "list_pipelines",
    "load_encoder",
    "run",
]

#: What is imported when it is first asked for, as it needs torch.
_LATE = {"EEGToImagePipeline": "zoo.export.pipeline", "load_encoder": "zoo.export.models"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATE[name]), name)


def create(kind: str, name: str, **params: Any) -> Any:
    """Build a component: ``create("encoder", "eegnet", n_chans=32, n_times=250, sfreq=250.0)``.

    Raises
    ------
    registry.UnknownComponent
        No such kind or name.
    registry.BadParameters
        The constructor does not take these parameters, or needs others.
    registry.BrokenComponent
        The component's file or plug-in cannot be used.
    """
    return registry_of(kind).create(name, **params)


def list_encoders(pattern: str = "*") -> list[str]:
    """Return the names of all encoders that match a shell pattern."""
    return ENCODERS.names(pattern)


def list_objectives(pattern: str = "*") -> list[str]:
    """Return the names of all training objectives that match a shell pattern."""
    return OBJECTIVES.names(pattern)


def list_conditioners(pattern: str = "*") -> list[str]:
    """Return the names of all conditioners that match a shell pattern."""
    return CONDITIONERS.names(pattern)


def list_pipelines(pattern: str = "*") -> list[str]:
    """Return the names of all pipelines that match a shell pattern."""
    return PIPELINES.names(pattern)


def list_datasets(pattern: str = "*") -> list[str]:
    """Return the names of all data sets that match a shell pattern."""
    return DATASETS.names(pattern)


def list_metrics(pattern: str = "*") -> list[str]:
    """Return the names of all metrics that match a shell pattern."""
    return METRICS.names(pattern)


def list_analyses(pattern: str = "*") -> list[str]:
    """Return the names of all analyses of finished grids that match a shell pattern."""
    return ANALYSES.names(pattern)


def run(
    recipe: str | Path,
    *,
    overrides: tuple[str, ...] | list[str] = (),
    scale: str = "auto",
    data_root: str | Path | None = None,
    image_root: str | Path | None = None,
    weights_root: str | Path | None = None,
    store: str | Path | None = None,
    out: str | Path = "runs",
    device: str = "cpu",
    threads: int | None = None,
    processes: int = 1,
    workers: int | None = None,
    worker_memory: str | None = None,
    dask: str | None = None,
) -> RunResult:
    """Run a recipe, as ``zoo run`` does.

    Parameters
    ----------
    recipe : str or Path
        A file, or the name of a recipe that ships ("paper").
    overrides : sequence of str
        What ``--set`` takes: ``"encoder=eegnet"``, ``"encoder.train.lr=3e-4"``.
    scale : {"auto", "full"}
        "full" forbids stand-ins.
    data_root, image_root, weights_root : path, optional
        Folders of recordings, of stimulus images and of denoiser weights.
    store : path, optional
        Where finished stages are kept; by default ``ZOO_STORE`` or the user's cache folder.
    out : path
        The run folder is made inside it.
    device : str
        "cpu", "cuda", "cuda:1".
    threads : int, optional
        CPU threads.
    processes : int
        How many train a conditioner together, one GPU each where `device` is "cuda".
    workers : int, optional
        Run so many stages at a time, each in a worker process of this machine. A script that asks
        for it does so below ``if __name__ == "__main__":``.
    worker_memory : str, optional
        What each worker may use ("8GB"); by default an equal part of the machine's memory.
    dask : str, optional
        Address of a Dask scheduler, whose workers run the stages.

    Returns
    -------
    RunResult
        ``folder`` with results.json and report.html; ``failed`` names the cells that failed.

    Raises
    ------
    registry.UserError
        The recipe, a component or the data cannot be used as asked.
    """
    from zoo.engine.run import run as run_cells
    from zoo.recipe import load_recipe

    def path(value: str | Path | None) -> Path | None:
        return None if value is None else Path(value)

    cells = load_recipe(
        recipe,
        overrides=overrides,
        scale=scale,
        data_root=path(data_root),
        weights_root=path(weights_root),
        for_run=True,
    )
    return run_cells(
        cells,
        data_root=path(data_root),
        image_root=path(image_root),
        weights_root=path(weights_root),
        store=path(store),
        out=Path(out),
        device=device,
        threads=threads,
        processes=processes,
        workers=workers,
        worker_memory=worker_memory,
        dask=dask,
    )
