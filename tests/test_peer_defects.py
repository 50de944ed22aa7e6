"""Mistakes of published EEG-to-image code, re-typed in a line or two, which ours must not make.

Every test states the published behaviour first, shows what it gives, and then what ours gives.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from own_folders import write_folder
from recipe_toys import SMALL, Desk, desk_in
from skimage.metrics import structural_similarity
from test_training import Problem
from torch import Tensor, nn

from zoo import create
from zoo.checks import metric as battery
from zoo.contracts import DataError, TowerOutput
from zoo.datasets._official_splits import FILES, official_parts
from zoo.datasets._splits import split_by
from zoo.datasets.folder import Folder
from zoo.metrics.n_way import NWay
from zoo.metrics.psnr import Psnr
from zoo.metrics.retrieval import Retrieval
from zoo.metrics.retrieval_hungarian import RetrievalHungarian
from zoo.metrics.ssim import Ssim
from zoo.stages._targets import ImageTarget

desk = pytest.fixture(desk_in)


def pictures(drawn: np.ndarray, seen: np.ndarray) -> battery.MetricInputs:
    """Return inputs in which trial i saw `seen[i]` and drew `drawn[i]`, (N, 3, H, W) uint8."""
    n = len(drawn)
    inputs = battery.example(perfect=True, n=n)
    return replace(inputs, generated=drawn[:, None], seen=seen, target=np.arange(n))


# ---- DreamDiffusion, MinD-Vis: the squared error of pictures is taken in eight bits


@pytest.mark.parametrize(("drawn", "seen", "published"), [(0, 255, 1), (10, 250, 0)])
def test_a_squared_error_does_not_wrap_around(drawn: int, seen: int, published: int):
    a, b = (np.full((2, 3, 16, 16), value, np.uint8) for value in (drawn, seen))
    assert np.square(a - b).mean() == published
    truth = 10 * np.log10(255**2 / (drawn - seen) ** 2)
    assert Psnr().compute(pictures(a, b)).value == pytest.approx(truth, abs=1e-6)


# ---- UBP: three strengths of blur are made by adding to the same node: 45, 45, 51


def test_the_values_of_a_grid_are_not_made_of_each_other(desk: Desk):
    node, published = {"sigma": 51}, []
    for change in (-6, 0, 6):
        node["sigma"] += change
        published.append(node["sigma"])
    assert published == [45, 45, 51]

    axes = "encoder: [" + ", ".join(
        f"{{name: shallow_conv_net, params: {{embed_dim: {n}}}}}" for n in (45, 51, 57)
    )
    cells = desk.load(f"{SMALL}grid: {{{axes}], seed: [0, 1]}}\n").cells
    assert [c.encoder.params["embed_dim"] for c in cells] == [45, 45, 51, 51, 57, 57]
    cells[0].encoder.params["embed_dim"] += 6
    cells[0].dataset.params["subjects"].append(9)
    assert [c.encoder.params["embed_dim"] for c in cells[1:]] == [45, 51, 51, 57, 57]
    assert [c.dataset.params["subjects"] for c in cells[1:]] == [[1]] * 5


# ---- DreamDiffusion: without a folder of pictures, the targets of training are noise


def test_pictures_that_are_missing_are_named_and_never_made_up(tmp_path: Path):
    def published(image_root: Path | None) -> np.ndarray:
        return np.random.default_rng().random((512, 512, 3)) if image_root is None else np.ones(1)

    assert published(None).std() > 0.2  # a picture of nothing, and no complaint

    root = write_folder(tmp_path / "data")
    (root / "images/dog/dog1.png").unlink()
    for ask in (
        lambda: Folder().load(root),
        lambda: Folder(image_size=64).images(["cat/cat0.png", "dog/dog1.png"], root),
    ):
        with pytest.raises(DataError, match=r"dog/dog1\.png"):
            ask()


# ---- DreamDiffusion: flags are read by bool(), and bool("False") is True


@pytest.mark.parametrize("text", ['"False"', "'false'", "0", "no"])
def test_false_as_text_is_not_taken_for_true(desk: Desk, text: str):
    assert bool("False") is True
    (said,) = desk.errors(SMALL, f"dataset.params.shuffle_labels={text}")
    assert "'shuffle_labels' must be bool, got" in said


@pytest.mark.parametrize(("text", "value"), [("False", False), ("false", False), ("true", True)])
def test_a_flag_means_what_it_says(desk: Desk, text: str, value: bool):
    (cell,) = desk.load(SMALL, f"dataset.params.shuffle_labels={text}").cells
    assert cell.dataset.params["shuffle_labels"] is value


# ---- DreamDiffusion: a split keeps index == length, and counts in the wrong list


def write_split(root: Path, **parts: list[int]) -> None:
    root.mkdir(exist_ok=True)
    division = {"train": [], "val": [], "test": [], **parts}
    torch.save({"splits": [division]}, root / FILES["all"])


def test_a_split_does_not_reach_beyond_its_list(tmp_path: Path):
    items = ["a", "b", "c"]
    kept = [i for i in [0, 1, 2, 3] if i <= len(items)]  # as published
    with pytest.raises(IndexError):
        _ = [items[i] for i in kept]

    write_split(tmp_path, train=[0, 1], test=[2])
    assert official_parts(tmp_path, np.zeros(3, int))["all"].tolist() == ["train", "train", "test"]
    write_split(tmp_path, train=[0, 1], test=[2, 3])
    with pytest.raises(DataError, match="names trial 3, but the data file has 3 trials"):
        official_parts(tmp_path, np.zeros(3, int))


def test_a_split_counts_in_the_list_that_it_was_made_for(tmp_path: Path):
    subject = np.array([0, 1, 0, 1, 0, 1])
    write_split(tmp_path, train=[1, 3], test=[0, 2, 4, 5])  # positions in the whole file
    own = np.flatnonzero(subject == 1)
    published = [own[i] for i in [1, 3] if i < len(own)]
    assert published == [3]  # half of his training trials: positions of one list in another
    parts = official_parts(tmp_path, subject)
    assert parts["all"][own].tolist() == ["train", "train", "test"]
    assert parts["all_of_subject"][own].tolist() == ["test", "train", "test"]  # under its own name
    table = pd.DataFrame({"image_id": list("abcdef"), "subject_name": subject.astype(str)})
    assert split_by(table, {"by": "image", "test": ["f"]})[own].tolist() == ["train"] * 2 + ["test"]


# ---- GWIT, BrainVis: SSIM of values in [0, 1] with the range of values in [0, 255]


def test_ssim_is_told_the_range_of_its_values():
    drawn, seen = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    drawn, seen = (np.repeat(x[:, None], 3, axis=1) for x in (drawn, seen))  # grey
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

    def reference(value_range: float) -> float:
        pairs = zip(drawn[:, 0] / 255, seen[:, 0] / 255, strict=True)
        return np.mean([structural_similarity(*p, data_range=value_range, **how) for p in pairs])

    assert reference(255) > 0.99  # as published: noise is taken for a copy of other noise
    ours = Ssim(size=32).compute(pictures(drawn, seen)).value
    assert ours == pytest.approx(reference(1), abs=1e-5)
    assert ours < 0.1


# ---- BrainVis, GWIT, DreamDiffusion: n-way accuracy by 50 draws a picture


def test_n_way_has_no_variance_of_its_own():
    scores = np.arange(1000.0)[None, ::-1] / 1000  # 14 classes score higher than the true one
    true, rng = 14, np.random.default_rng(0)
    others = rng.permuted(np.tile(np.delete(np.arange(1000), true), (5000, 1)), axis=1)[:, :49]
    published = (scores[0, others].max(axis=1) < scores[0, true]).reshape(100, 50).mean(axis=1)
    assert published.std() == pytest.approx(0.07, abs=0.015)

    tower = TowerOutput(name="t", definition="t", drawn=scores[None], seen=np.eye(1000)[true][None])
    inputs = replace(
        battery.example(perfect=True, n=4),
        scores=replace(tower, drawn=np.repeat(tower.drawn, 4, axis=0)),
        target=np.zeros(4, dtype=np.int64),
    )
    values = {NWay(n=50).compute(replace(inputs, seed=seed)).value for seed in range(5)}
    assert len(values) == 1
    assert values.pop() == pytest.approx(published.mean(), abs=4 * 0.07 / np.sqrt(100))


# ---- EEG-to-Image-Retrieval-and-Reconstruction: 67.0 % becomes 96.5 % by matching one to one


def test_matching_one_to_one_has_a_name_of_its_own():
    rng = np.random.default_rng(0)
    popular_T = 2.5 * rng.normal(size=200)  # some pictures resemble every trial
    similarity = rng.normal(size=(200, 200)) + 6 * np.eye(200) + popular_T
    inputs = replace(
        battery.example(perfect=True, n=200),
        similarity=similarity,
        candidates=np.array([f"image{i}" for i in range(200)]),
    )
    greedy, matched = Retrieval().compute(inputs), RetrievalHungarian().compute(inputs)
    assert greedy.value == (similarity.argmax(axis=1) == np.arange(200)).mean()
    assert greedy.value < 0.75
    assert matched.value > 0.95  # published under the same name
    assert "no matching of trials to pictures" in greedy.definition
    assert "not comparable with retrieval" in matched.definition
    assert greedy.value in matched.beside.values()


# ---- EEG_Image_decode: log-probabilities of classes that are none, used as an embedding


@pytest.mark.parametrize("name", ["eegnet", "shallow_conv_net"])
def test_tokens_are_no_log_probabilities(name: str):
    encoder = create("encoder", name, n_chans=8, n_times=250, sfreq=250.0, embed_dim=16).eval()
    eeg_BCT = torch.randn(4, 8, 250, generator=torch.Generator().manual_seed(0))
    tokens_BD = encoder(eeg_BCT, torch.zeros(4))[:, 0]
    published_BD = tokens_BD.log_softmax(dim=-1)
    torch.testing.assert_close(published_BD.exp().sum(-1), torch.ones(4))
    assert (published_BD < 0).all()  # no direction but into one orthant
    assert ((tokens_BD.exp().sum(-1) - 1).abs() > 0.1).all()
    assert (tokens_BD > 0).any()
    assert (tokens_BD < 0).any()
    assert not any(isinstance(part, nn.LogSoftmax) for part in encoder.modules())


# ---- BrainVis: a loss is taken for a similarity, so the worst epoch is kept


class Cosine(nn.Module):
    def predict(self, tokens_NLD: Tensor, candidates: Tensor) -> Tensor:
        return nn.functional.normalize(tokens_NLD[:, 0], dim=1) @ candidates.T


def test_the_epoch_kept_is_the_best_aligned(tmp_path: Path):
    generator = torch.Generator().manual_seed(0)
    features, noise = torch.randn(2, 30, 16, generator=generator)
    features = nn.functional.normalize(features, dim=1)
    ids = np.array([f"image{i}" for i in range(30)])
    target = ImageTarget(ids, np.full(30, "val"), features, {"name": "t", "definition": "t"})
    problem, seen = Problem(), []

    def weight() -> Tensor:
        return problem.model[0].weight.detach().clone()

    def validate() -> dict[str, float]:  # the alignment grows with every epoch
        mixed = (1 + len(seen)) * features + noise
        seen.append({**target.validate(Cosine(), mixed[:, None]), "weight": weight()})
        return {name: value for name, value in seen[-1].items() if name != "weight"}

    summary = problem.fit(tmp_path, epochs=4, validate=validate, select_by=target.score)
    losses = [row["val_loss"] for row in seen]
    assert losses == sorted(losses, reverse=True), "a falling loss"
    best, published = 0.0, None
    for epoch, loss in enumerate(losses, start=1):
        if loss > best:
            best, published = loss, epoch
    assert published == 1
    assert (summary["selected"], summary["selected_epoch"]) == ("best", 4)
    assert torch.equal(weight(), seen[3]["weight"])
    assert not torch.equal(weight(), seen[0]["weight"])
