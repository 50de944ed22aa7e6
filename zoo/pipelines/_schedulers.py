"""Samplers by name, each built from the folder's own noise schedule."""

from __future__ import annotations

from typing import Any

from registry.errors import BadParameters, did_you_mean

DEFAULT = "dpmsolver++"

#: Name -> diffusers class, settings that the folder's configuration (written for another class)
#: may leave at defaults that do not fit latents.
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "dpmsolver++": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2},
    ),
    "euler": ("EulerDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False}),
    "unipc": ("UniPCMultistepScheduler", {}),
}


def sampling_scheduler(name: str | None, config: dict[str, Any]) -> Any:
    """Return a new scheduler `name` (None: DPM-Solver++, second order) for the noise of `config`.

    Raises
    ------
    BadParameters
        There is no scheduler of this name.
    """
    name = DEFAULT if name is None else name
    if name not in SCHEDULERS:
        raise BadParameters(
            f"unknown scheduler {name!r}. {did_you_mean(name, SCHEDULERS)}"
            f"Known schedulers: {', '.join(SCHEDULERS)}"
        )
    import diffusers

    class_name, settings = SCHEDULERS[name]
    return getattr(diffusers, class_name).from_config(dict(config), **settings)


def training_scheduler(config: dict[str, Any]) -> Any:
    """Return the scheduler that noises latents in training."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(dict(config))
