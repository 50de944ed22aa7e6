"""Train the pocket weights: ``python -m zoo.pipelines.pocket.train OUT [--stage STAGE]``.

Without ``--stage`` all stages run in order. Each resumes from its checkpoint in OUT. The last one,
``measure``, takes scikit-image's photographs: install ``.[test]``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from pathlib import Path

STAGES = {
    "autoencoder": ("train_autoencoder", "train_whole"),
    "decoder": ("train_autoencoder", "train_decoder"),
    "denoiser": ("train_denoiser", "train"),
    "judge": ("train_judge", "train"),
    "measure": ("measure", "measure"),
}


def main() -> None:
    """Run the stages asked for."""
    parser = argparse.ArgumentParser(prog="python -m zoo.pipelines.pocket.train")
    parser.add_argument("out", type=Path, help="folder for checkpoints and results")
    parser.add_argument("--stage", choices=STAGES, help="one stage only")
    parser.add_argument("--threads", type=int, help="CPU threads")
    arguments = parser.parse_args()
    if arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    stages = [arguments.stage] if arguments.stage else list(STAGES)
    if "measure" in stages and importlib.util.find_spec("skimage") is None:
        parser.error("measure needs scikit-image's photographs: install the package with [test]")
    for stage in stages:
        module, function = STAGES[stage]
        getattr(importlib.import_module(f"zoo.pipelines.pocket.{module}"), function)(arguments.out)


if __name__ == "__main__":
    main()
