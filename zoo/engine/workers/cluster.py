"""Workers for a run: processes of this machine, or a Dask cluster that is already there.

Dask is imported only where workers are asked for.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.errors import UserError
from zoo.engine.interrupts import held, unheard

if TYPE_CHECKING:
    from distributed import Client
    from tornado.ioloop import IOLoop

#: The resource that a worker with a GPU offers, one for each task that it can run on it.
GPU = "GPU"
#: How often a node may take its worker down with it before it counts as failed.
DEATHS = 3
#: Bytes that a worker takes once torch is imported.
LEAST = 512 * 2**20
#: Seconds to wait for an answer of a scheduler.
ANSWER = 5
#: Threads of all local workers together for each core; more of them only wait for each other.
CROWD = 8


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where the nodes of a plan run, if not in this process; `local` or `address`.

    Parameters
    ----------
    local : int or None
        Start so many worker processes on this machine, each for one task at a time.
    memory : str or None
        What each of them may use ("8GB"); None is an equal part of the machine's memory.
    address : str or None
        Of a Dask scheduler ("tcp://host:8786").
    """

    local: int | None = None
    memory: str | None = None
    address: str | None = None

    @classmethod
    def asked_for(
        cls,
        local: int | None,
        memory: str | None,
        address: str | None,
        *,
        processes: int = 1,
        threads: int | None = None,
    ) -> Workers | None:
        """Return what the options of ``zoo run`` ask for; None is this process alone.

        Raises
        ------
        UserError
            Options that exclude each other, a size that is none, far more threads than cores, or
            Dask is not installed; an address that is none.
        """
        if local is not None and address is not None:
            raise UserError(
                "--workers starts workers here, --dask takes those of a cluster: name one of them"
            )
        if memory is not None and local is None:
            raise UserError("--worker-memory limits the workers that --workers starts; name both")
        if local is None and address is None:
            return None
        option = "--workers" if local is not None else "--dask"
        if processes > 1:
            raise UserError(
                f"--processes {processes} divides one training, {option} runs whole stages side "
                "by side: name one of them"
            )
        _require_dask(option)
        asked = cls(local=local, memory=memory, address=address)
        if local is not None:
            asked.bytes_each()  # refused now, where it cannot be met
            asked.threads(threads)
        if address is not None:
            _require_address(address)
        return asked

    def threads(self, asked: int | None) -> int | None:
        """Return the threads of each task: `asked`, else an equal part of this machine's cores;
        None leaves the workers of a cluster at theirs.

        Raises
        ------
        UserError
            Local workers would share far fewer cores than they have threads.
        """
        if self.local is None:
            return asked
        from dask.system import CPU_COUNT

        cores = int(CPU_COUNT)
        if asked is None:
            return max(1, cores // self.local)
        if self.local * asked > CROWD * cores:
            raise UserError(
                f"--workers {self.local} --threads {asked}: {self.local * asked} threads on the "
                f"{cores} cores here would only wait for each other; leave --threads out, and the "
                "workers share the cores"
            )
        return asked

    def bytes_each(self) -> int:
        """Return what each local worker may use: `memory`, else an equal part of this machine's.

        Raises
        ------
        UserError
            A size that is none, more than this machine has, or too little to begin with.
        """
        from dask.utils import format_bytes, parse_bytes
        from distributed.system import MEMORY_LIMIT

        assert self.local is not None
        least = format_bytes(LEAST)
        if self.memory is None:
            part = int(MEMORY_LIMIT) // self.local
            if part < LEAST:
                raise UserError(
                    f"--workers {self.local} leaves each {format_bytes(part)} of this machine's "
                    f"memory, and none can begin with less than {least}; name fewer"
                )
            return part
        try:
            size = int(parse_bytes(self.memory))
        except (ValueError, OverflowError) as error:
            raise UserError(
                f"--worker-memory {self.memory}: that is no size; write 8GB or 500MiB"
            ) from error
        if not LEAST <= size <= MEMORY_LIMIT:
            raise UserError(
                f"--worker-memory {self.memory}: name a size between {least}, which a worker takes "
                f"to begin with, and {format_bytes(int(MEMORY_LIMIT))}, which this machine has"
            )
        return size


def _require_dask(option: str) -> None:
    if importlib.util.find_spec("distributed") is None:
        raise UserError(
            f"{option} needs the package 'distributed', which is not installed "
            '(pip install "eegzoo[cluster]")'
        )


@contextmanager
def connected(workers: Workers, device: str) -> Iterator[Client]:
    """Yield a client of the workers; those started here end with the block.

    Raises
    ------
    UserError
        Nobody answers at the address, or there are fewer GPUs than local workers.
    """
    import dask
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if workers.address is None:
            stack.enter_context(dask.config.set(_LOCAL))
            address = stack.enter_context(_local_cluster(workers, device))
        else:
            address = workers.address
        try:
            with held():
                client = Client(address, timeout=ANSWER, set_as_default=False, name="zoo")
                stack.enter_context(client)
        except (OSError, ValueError) as error:
            raise _nobody(address, error) from error
        yield client


def _require_address(address: str) -> None:
    """Refuse what is no address: a client that is given it has trouble ending."""
    from distributed.comm.addressing import get_address_host_port

    try:
        get_address_host_port(address)
    except ValueError as error:
        raise _nobody(address, error) from error


def _nobody(address: str, error: Exception) -> UserError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return UserError(
        f"--dask {address}: no Dask scheduler answers there ({reason}); it prints its address when "
        "it starts (tcp://host:8786)"
    )


#: What differs from Dask's defaults for workers of our own: results are small and stages big, so
#: nothing is spilled and a worker that holds much memory after a stage still gets the next one.
_LOCAL = {
    "distributed.worker.daemon": False,  # stages may need processes of their own
    "distributed.worker.preload": ["zoo.engine.workers.local_worker"],
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.http.routes": [],
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    "distributed.nanny.pre-spawn-environ": {},  # threads are set by every task
}


@contextmanager
def _local_cluster(workers: Workers, device: str) -> Iterator[str]:
    """Start a scheduler and workers that only this machine can reach; yield the address."""
    from distributed import Nanny, Scheduler, SpecCluster

    assert workers.local is not None
    here = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    gpus = _gpus(workers.local) if device == "cuda" else None
    options: dict[str, Any] = {
        **here,
        "nthreads": 1,
        "memory_limit": workers.bytes_each(),
        "silence_logs": logging.CRITICAL,
        "resources": {GPU: 1} if gpus else {},
        "config": dict(_LOCAL),
    }
    spec = {
        number: {
            "cls": Nanny,
            "options": {**options, "env": _environment(gpus[number] if gpus else None)},
        }
        for number in range(workers.local)
    }
    with ExitStack() as stack:
        with held():  # what is half started cannot be closed
            cluster = SpecCluster(
                scheduler={"cls": Scheduler, "options": here},
                workers=spec,
                loop=stack.enter_context(_loop()),
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
        yield cluster.scheduler_address


@contextmanager
def _loop() -> Iterator[IOLoop]:
    """Start the event loop from which workers are started: Ctrl-C is the run's, not theirs."""
    from distributed.utils import LoopRunner

    runner = LoopRunner()
    with unheard():
        runner.start()
    try:
        yield runner.loop
    finally:
        runner.stop()


def _environment(gpu: str | None) -> dict[str, str]:
    """Return what a worker's environment has besides ours: several bars cannot share a line."""
    silent = {"TQDM_DISABLE": "1"}
    return silent if gpu is None else {**silent, "CUDA_VISIBLE_DEVICES": gpu}


def _gpus(count: int) -> list[str]:
    """Return the names of `count` GPUs, as CUDA_VISIBLE_DEVICES writes them."""
    import torch

    there = torch.cuda.device_count()
    if there < count:
        raise UserError(
            f"--workers {count} --device cuda: there {'is' if there == 1 else 'are'} {there} "
            f"GPU{'' if there == 1 else 's'}, and each worker takes one; name at most as many"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(there)]
    return [name.strip() for name in names[:count]]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs about its own doings off the user's screen."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed.")]
    loggers = [logging.getLogger(name) for name in ("distributed", *names)]  # some have handlers
    before = [(logger, list(logger.handlers), logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
