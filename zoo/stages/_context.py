"""What every stage is handed: where the data lie, what it may compute on, where it may resume.

A stage is a module ``zoo.stages.<name>`` with one public function::

    def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None

`inputs` maps a role to the published folder of another stage (read only), `params` holds
everything that changes the result, `out` is an empty folder that the engine publishes whole when
the function returns. A stage that fails raises; what it wrote into `out` is then thrown away, what
it wrote into ``context.work`` stays for the next attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from zoo.processes import Processes

#: Role -> published folder.
Inputs = Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a stage finds what does not change its result.

    Parameters
    ----------
    data_root, image_root, weights_root : Path or None
        What the user named on the command line.
    device : str
        A torch device ("cpu", "cuda").
    threads : int or None
        Threads asked for; None leaves the libraries' own choice.
    work : Path
        A folder of this stage and key alone, kept when the process is killed: checkpoints go
        here. It is removed once the stage has published.
    processes : Processes
        Those that run this stage together; only the first of them may write.
    """

    work: Path
    data_root: Path | None = None
    image_root: Path | None = None
    weights_root: Path | None = None
    device: str = "cpu"
    threads: int | None = None
    processes: Processes = field(default_factory=Processes)


class Stage(Protocol):
    """The one function of a stage module."""

    def __call__(
        self, inputs: Inputs, params: dict[str, Any], out: Path, context: Context
    ) -> None: ...
