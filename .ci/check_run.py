"""Fail where a run of recipes/paper.yaml falls below what the project promises of it."""

import json
import sys
from pathlib import Path

PROMISED = {  # (control, metric) -> least value; the README quotes these
    (None, "accuracy"): 0.85,
    (None, "image_class_accuracy"): 0.80,
    ("class_label", "image_class_accuracy"): 0.95,
    ("class_prompt", "image_class_accuracy"): 0.95,
    ("predicted_label", "image_class_accuracy"): 0.80,
}


def main(run: Path) -> int:
    """Print each promised figure beside its bound; return 1 if one is missed."""
    results = json.loads((run / "results.json").read_text())
    cells = results["cells"]
    figures = {
        (cell["control"], name): figure
        for cell in cells
        for name, figure in cell["metrics"].items()
    }
    missed = 0
    for (control, name), least in PROMISED.items():
        value = figures[control, name]["value"]
        missed += value < least
        print(f"{name:24}{control or 'real':14}{value:.3f} (at least {least})")
    shuffled = figures["shuffled_eeg", "image_class_accuracy"]
    low, high = shuffled["ci95"]
    missed += not low <= shuffled["chance"] <= high
    print(f"{'image_class_accuracy':24}{'shuffled_eeg':14}[{low:.3f}, {high:.3f}] must hold "
          f"{shuffled['chance']:.3f}")  # fmt: skip
    gain = results["contribution"]["cell"]["scores"]["image_class_accuracy"]["eeg"]
    missed += gain["ci95"][0] <= 0
    print(f"EEG contribution to image_class_accuracy {gain['ci95']} must lie above 0")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
