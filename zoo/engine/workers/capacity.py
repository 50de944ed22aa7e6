"""What the workers can run at a time, and what a stage takes of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from registry.errors import UserError
from zoo.engine.graph import Node
from zoo.engine.task import Setting
from zoo.engine.workers.cluster import GPU, Workers

if TYPE_CHECKING:
    from distributed import Client

#: Stages that want a GPU where the device is one.
ON_GPU = frozenset({"encode", "condition", "generate", "gap", "features", "judge"})
#: What each task takes one of: a thread of a worker.
SLOT = "slot"
#: Said where nobody answers any more.
GONE = (
    "the Dask scheduler is gone or has given up the tasks of this run; what is finished is in "
    "the store: the same command goes on from there"
)


def wants(node: Node, setting: Setting) -> Counter[str]:
    """Return what a node takes while it runs."""
    on_gpu = node.stage in ON_GPU and setting.device.partition(":")[0] == "cuda"
    return Counter({SLOT: 1, GPU: 1} if on_gpu else {SLOT: 1})


def capacity(client: Client) -> Counter[str]:
    """Return what the workers that are there now can run at a time."""
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
    except OSError as error:
        raise UserError(GONE) from error
    if not workers:
        return Counter({SLOT: 1, GPU: 1})  # one node waits for the first that comes
    gpus = sum(int(worker["resources"].get(GPU, 0)) for worker in workers)
    return Counter({SLOT: sum(worker["nthreads"] for worker in workers), GPU: gpus})


def require_gpu(client: Client, nodes: list[Node], setting: Setting, workers: Workers) -> None:
    """Refuse workers without the resource: tasks that ask for it would wait for ever."""
    there = client.scheduler_info(n_workers=-1)["workers"].values()
    offered = any(worker["resources"].get(GPU, 0) >= 1 for worker in there)
    if there and not offered and any(wants(node, setting)[GPU] for node in nodes):
        raise UserError(
            f"--device {setting.device}: no worker of {workers.address} offers the resource {GPU}; "
            f'start it with: dask worker {workers.address} --nthreads 1 --resources "{GPU}=1"'
        )
