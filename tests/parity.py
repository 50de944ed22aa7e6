"""Our metrics beside the reference libraries, on the same inputs.

``python tests/parity.py`` prints the table, ``python tests/parity.py --write`` writes
docs/parity.md; tests/test_parity.py asserts the bounds.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import linalg, optimize
from scipy.spatial import distance
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn import metrics as sklearn
from torchmetrics.image import (
    FrechetInceptionDistance,
    InceptionScore,
    KernelInceptionDistance,
)
from torchvision.transforms.functional import InterpolationMode, resize

from zoo.checks.metric import example
from zoo.contracts import MetricInputs, TowerOutput
from zoo.drawings import draw, sample_factors
from zoo.registries import METRICS

PAGE = Path(__file__).parents[1] / "docs" / "parity.md"
#: Largest difference from the reference; where the figure is a count it has to be none.
BOUND = 1e-5


@dataclass(frozen=True)
class Case:
    """A metric, what it is held against, and both results.

    Parameters
    ----------
    metric : str
        With its parameters, as the table names it.
    reference : str
    both : callable
        Returns ours and theirs, numbers or arrays of one shape.
    exact : bool
        True where both count: the difference has to be 0.
    """

    metric: str
    reference: str
    both: Callable[[], tuple[Any, Any]]
    exact: bool = False

    def difference(self) -> tuple[int, float]:
        """Return how many numbers were compared, and the largest absolute difference."""
        ours, theirs = (np.asarray(x, np.float64) for x in self.both())
        assert ours.shape == theirs.shape, (self.metric, ours.shape, theirs.shape)
        assert np.isfinite(ours).all() and np.ptp(ours) + abs(ours).max() > 0, self.metric
        return ours.size, float(np.abs(ours - theirs).max())


@cache
def noisy() -> MetricInputs:
    """300 trials of 7 classes, about half decoded; pictures: drawings, noisy; random features."""
    rng = np.random.default_rng(5)
    inputs = example(perfect=False, n=300, n_classes=7, seed=5)
    label = rng.integers(7, size=300)
    logits = rng.normal(size=(300, 7)) + 1.5 * np.eye(7)[label]
    few = example(perfect=True, n=40, n_classes=4, seed=6)
    seen = np.stack([draw(sample_factors(i % 10, rng)) for i in range(40)])
    drawn = np.clip(seen + rng.normal(0, 40, seen.shape), 0, 255).astype(np.uint8)
    features = rng.normal(size=(40, 24))
    tower = TowerOutput(
        name="example",
        definition="an example",
        drawn=(features + rng.normal(0, 1.5, (40, 24)))[:, None].astype(np.float32),
        seen=features.astype(np.float32),
    )
    scores = rng.normal(size=(300, 1, 12)).astype(np.float32)
    return replace(
        inputs,
        label=label,
        logits=logits,
        generated=drawn[:, None],
        seen=seen,
        target=few.target,
        features=tower,
        scores=replace(tower, drawn=scores, seen=rng.normal(size=(300, 12)).astype(np.float32)),
    )


def of_classes(name: str, **params: Any) -> float:
    return METRICS.create(name, **params).compute(noisy()).value


def per_picture(name: str, **params: Any) -> np.ndarray:
    """Return the score of each of the 40 pictures drawn against the one seen."""
    whole = noisy()
    inputs = replace(
        example(perfect=True, n=40),
        generated=whole.generated,
        seen=whole.seen,
        target=whole.target,
        features=whole.features,
    )
    result = METRICS.create(name, **params).compute(inputs)
    assert result.per_sample is not None, result.reason
    return result.per_sample


def decoded() -> np.ndarray:
    return noisy().logits.argmax(axis=1)


def pictures(size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield drawn and seen pictures in [0, 1], resized as torchvision does, (3, size, size)."""
    for drawn, seen in zip(noisy().generated[:, 0], noisy().seen, strict=True):
        unit = torch.from_numpy(np.stack([drawn, seen])).double() / 255
        if size != drawn.shape[-1]:
            unit = resize(unit, [size, size], InterpolationMode.BILINEAR, antialias=True)
        yield tuple(unit.numpy())


def features() -> tuple[np.ndarray, np.ndarray]:
    tower = noisy().features
    return tower.drawn[:, 0].astype(np.float64), tower.seen.astype(np.float64)


class Identity(torch.nn.Module):
    """What torchmetrics takes for a network: it gives back the features that it is given."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@cache
def sets() -> MetricInputs:
    """240 pictures drawn and 240 seen, 8 features each."""
    return example(perfect=False, n=240)


def of_sets(name: str) -> float:
    result = METRICS.create(name).compute(sets())
    assert result.value is not None, result.reason
    return result.value


def set_features() -> tuple[torch.Tensor, torch.Tensor]:
    tower = sets().features
    drawn, seen = tower.drawn.reshape(240, -1), tower.seen
    return torch.from_numpy(drawn).double(), torch.from_numpy(seen).double()


def theirs_of_sets(made: Callable[[], Any]) -> float:
    drawn, seen = set_features()
    metric = quietly(made)
    metric = metric.set_dtype(torch.float64)
    metric.update(seen, real=True)
    metric.update(drawn, real=False)
    found = metric.compute()
    return float(found[0] if isinstance(found, tuple) else found)


def theirs_inception_score() -> float:
    metric = quietly(lambda: InceptionScore(Identity(4), splits=1))
    metric.update(torch.from_numpy(sets().scores.drawn.reshape(240, -1)).double())
    return float(quietly(metric.compute)[0])


def quietly(made: Callable[[], Any]) -> Any:
    """Return what is made, without what torchmetrics says of memory and of single splits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return made()


def frechet_by_scipy() -> float:
    drawn, seen = (x.numpy() for x in set_features())
    mean = ((drawn.mean(0) - seen.mean(0)) ** 2).sum()
    cov = np.cov(drawn.T), np.cov(seen.T)
    return float(mean + np.trace(cov[0] + cov[1] - 2 * linalg.sqrtm(cov[0] @ cov[1]).real))


def n_way_by_enumeration() -> np.ndarray:
    """Success of every draw of 2 others out of 6, counted; the true class is the seen one's."""
    inputs = small_n_way()
    found = []
    for scores, target in zip(inputs.scores.drawn[:, 0], inputs.target, strict=True):
        true = int(inputs.scores.seen[target].argmax())
        others = [c for c in range(7) if c != true]
        hits = []
        for drawn in combinations(others, 2):
            ahead = sum(scores[c] > scores[true] for c in drawn)
            tied = sum(scores[c] == scores[true] for c in drawn)
            hits.append(float(ahead == 0) / (1 + tied))
        found.append(np.mean(hits))
    return np.array(found)


@cache
def small_n_way() -> MetricInputs:
    rng = np.random.default_rng(8)
    scores = rng.integers(0, 4, size=(60, 1, 7)).astype(np.float32)  # many ties
    tower = TowerOutput(
        name="x", definition="x", drawn=scores, seen=rng.normal(size=(60, 7)).astype(np.float32)
    )
    return replace(example(perfect=False, n=60), scores=tower)


def n_way() -> np.ndarray:
    return METRICS.create("n_way", n=3).compute(small_n_way()).per_sample


def two_way_by_corrcoef() -> np.ndarray:
    """For each item, the share of others whose picture correlates less with what was drawn."""
    drawn, seen = features()
    r = np.corrcoef(drawn, seen)[: len(drawn), len(drawn) :]
    return (np.diag(r)[:, None] > r).sum(axis=1) / (len(r) - 1)


@cache
def retrieved() -> MetricInputs:
    return example(perfect=False, n=120)


def own_candidates() -> np.ndarray:
    place = {name: i for i, name in enumerate(retrieved().candidates)}
    return np.array([place[name] for name in retrieved().image_id])


def hungarian() -> float:
    rows, columns = optimize.linear_sum_assignment(-retrieved().similarity)
    return float((columns == own_candidates()[rows]).mean())


CASES = (
    Case("accuracy", "scikit-learn accuracy_score",
         lambda: (of_classes("accuracy"), sklearn.accuracy_score(noisy().label, decoded())),
         exact=True),
    Case("balanced_accuracy", "scikit-learn balanced_accuracy_score",
         lambda: (of_classes("balanced_accuracy"),
                  sklearn.balanced_accuracy_score(noisy().label, decoded()))),
    Case("kappa", "scikit-learn cohen_kappa_score",
         lambda: (of_classes("kappa"), sklearn.cohen_kappa_score(noisy().label, decoded()))),
    Case("f1", "scikit-learn f1_score, macro",
         lambda: (of_classes("f1"), sklearn.f1_score(noisy().label, decoded(), average="macro"))),
    Case("top_k (k = 3)", "scikit-learn top_k_accuracy_score",
         lambda: (of_classes("top_k", k=3),
                  sklearn.top_k_accuracy_score(noisy().label, noisy().logits, k=3)), exact=True),
    Case("n_way (n = 3 of 7, ties)", "every draw enumerated",
         lambda: (n_way(), n_way_by_enumeration())),
    Case("retrieval (k = 5)", "scikit-learn top_k_accuracy_score",
         lambda: (METRICS.create("retrieval", k=5).compute(retrieved()).value,
                  sklearn.top_k_accuracy_score(own_candidates(), retrieved().similarity, k=5)),
         exact=True),
    Case("retrieval_hungarian", "scipy linear_sum_assignment",
         lambda: (METRICS.create("retrieval_hungarian").compute(retrieved()).value, hungarian()),
         exact=True),
    Case("inception_score", "torchmetrics InceptionScore, one split",
         lambda: (of_sets("inception_score"), theirs_inception_score())),
    Case("fid", "torchmetrics FrechetInceptionDistance",
         lambda: (of_sets("fid"),
                  theirs_of_sets(lambda: FrechetInceptionDistance(Identity(8), normalize=True)))),
    Case("fid", "scipy sqrtm of the covariances", lambda: (of_sets("fid"), frechet_by_scipy())),
    Case("kid", "torchmetrics KernelInceptionDistance, one subset of all",
         lambda: (of_sets("kid"), theirs_of_sets(
             lambda: KernelInceptionDistance(Identity(8), subsets=1, subset_size=240)))),
    Case("two_way", "numpy corrcoef, item by item",
         lambda: (per_picture("two_way"), two_way_by_corrcoef())),
    Case("correlation_distance", "scipy spatial.distance.correlation",
         lambda: (per_picture("correlation_distance"),
                  [distance.correlation(a, b) for a, b in zip(*features(), strict=True)])),
    Case("clip_similarity", "torch cosine_similarity",
         lambda: (per_picture("clip_similarity"),
                  torch.cosine_similarity(*map(torch.from_numpy, features())).numpy())),
    Case("lpips (on its vectors)", "scipy sqeuclidean",
         lambda: (per_picture("lpips"),
                  [distance.sqeuclidean(a, b) for a, b in zip(*features(), strict=True)])),
    Case("ssim (64 px)", "scikit-image structural_similarity",
         lambda: (per_picture("ssim"), skimage_ssim(64))),
    Case("ssim (enlarged to 128 px)", "scikit-image structural_similarity",
         lambda: (per_picture("ssim", size=128, enlarge=True), skimage_ssim(128))),
    Case("pixcorr (425 px)", "numpy corrcoef",
         lambda: (per_picture("pixcorr"),
                  [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pictures(425)])),
    Case("psnr", "scikit-image peak_signal_noise_ratio",
         lambda: (per_picture("psnr"),
                  [peak_signal_noise_ratio(b, a, data_range=1) for a, b in pictures(64)])),
)  # fmt: skip


def skimage_ssim(size: int) -> list[float]:
    return [
        structural_similarity(
            *(np.tensordot([0.2125, 0.7154, 0.0721], x, 1) for x in pair),
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for pair in pictures(size)
    ]


def table() -> str:
    """Return the page's table, measured now."""
    lines = ["| metric | reference | numbers compared | largest difference |", "|---|---|---|---|"]
    for case in CASES:
        n, difference = case.difference()
        shown = "0" if difference == 0 else f"{difference:.0e}"
        name, _, params = case.metric.partition(" ")
        named = f"`{name}` {params}".strip()
        lines.append(f"| {named} | {case.reference} | {n} | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    text = table()
    print(text)
    if "--write" in sys.argv:
        head = PAGE.read_text("utf-8").partition("| metric |")[0]
        tail = PAGE.read_text("utf-8").partition("<!-- end -->")[2]
        PAGE.write_text(f"{head}{text}<!-- end -->{tail}", "utf-8")


if __name__ == "__main__":
    main()
