"""Makes sure of the device and fixes the number of threads, before anything is computed."""

from __future__ import annotations

from registry.errors import UserError


def prepare_torch(device: str, threads: int | None, processes: int = 1) -> None:
    """Make sure of the device and fix the number of threads of this process.

    Raises
    ------
    UserError
        Torch cannot use the device here.
    """
    _require_device(device, processes)
    _set_threads(threads)


def _require_device(device: str, processes: int) -> None:
    """Refuse a device that torch cannot use here, before every stage fails on it."""
    if device == "cpu":
        return
    import torch

    if processes > 1 and device != "cuda":
        raise UserError(
            f"--processes {processes} takes the first {processes} GPUs: say --device cuda, "
            f"not {device}"
        )
    if processes > max(1, torch.cuda.device_count()):
        raise UserError(
            f"--processes {processes}: there are {torch.cuda.device_count()} GPUs; "
            "name at most as many"
        )

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"--device {device}: torch cannot use it here ({reason}); "
            "leave --device out to run on the CPU"
        ) from error


def _set_threads(threads: int | None) -> None:
    """Fix the thread count of torch and of the BLAS behind NumPy."""
    if threads is None:
        return
    import threadpoolctl
    import torch

    torch.set_num_threads(threads)
    threadpoolctl.threadpool_limits(threads)
