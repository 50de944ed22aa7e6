"""`zoo new`: every template works as it is written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import cli
from registry.runtime import spec_of_class
from zoo.contracts import Conditioner, Encoder, Objective
from zoo.registries import REGISTRIES, add_plugin
from zoo.templates import template

NAME = "brand_new_part"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    """Return a function that writes a template of a kind and registers it."""
    written = []

    def make(kind: str) -> Any:
        path = tmp_path / kind / f"{NAME}.py"
        result = CliRunner().invoke(cli.main, ["new", kind, NAME, "--to", str(path.parent)])
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[0] == f"wrote {path}"
        add_plugin(str(path))
        written.append(kind)
        return REGISTRIES[kind]

    yield make
    for kind in written:
        REGISTRIES[kind]._extra.clear()


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_described_alike_by_text_and_class(kind: str, made: Any) -> None:
    registry = made(kind)
    spec = registry.spec(NAME)
    assert spec.class_name == "BrandNewPart"
    assert spec.summary.startswith("Brand new part: ")
    runtime = spec_of_class(kind, NAME, registry.get(NAME))
    assert runtime.parameters == spec.parameters
    assert runtime.meta == spec.meta


def test_templates_are_well_formatted(tmp_path: Path) -> None:
    for kind in REGISTRIES:
        (tmp_path / f"{kind}.py").write_text(template(kind, NAME))
    config = Path(__file__).parent.parent / "pyproject.toml"
    for command in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", str(config), str(tmp_path)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("n_chans", "n_times", "sfreq"), [(63, 250, 250), (4, 256, 256), (2, 9, 100)]
)
def test_encoder(made: Any, n_chans: int, n_times: int, sfreq: float) -> None:
    encoder = made("encoder").create(NAME, n_chans=n_chans, n_times=n_times, sfreq=sfreq)
    assert isinstance(encoder, Encoder)
    eeg_BCT = torch.randn(3, n_chans, n_times, generator=torch.Generator().manual_seed(0))
    subject_B = torch.zeros(3, dtype=torch.int64)
    tokens_BLD = encoder(eeg_BCT, subject_B)
    assert tokens_BLD.shape == (3, encoder.n_tokens, encoder.embed_dim)
    torch.testing.assert_close(encoder(eeg_BCT[1:2], subject_B[1:2]), tokens_BLD[1:2])
    tokens_BLD.sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())
    with pytest.raises(ValueError, match=rf"^{NAME} was built for \({n_chans}, {n_times}\), got"):
        encoder(eeg_BCT[:, :1], subject_B)


def test_objective(made: Any) -> None:
    objective = made("objective").create(NAME, n_tokens=2, embed_dim=4, n_outputs=3)
    assert isinstance(objective, Objective)
    tokens_BLD = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0))
    assert objective(tokens_BLD, torch.tensor([0, 1, 2, 0, 1])).shape == ()
    logits = objective.predict(tokens_BLD)
    assert logits.shape == (5, 3)
    assert torch.equal(objective.predict(tokens_BLD, torch.tensor([2])), logits[:, 2:])


def test_metric(made: Any) -> None:
    from zoo.checks.metric import check

    check(made("metric").create(NAME))


def test_dataset(made: Any) -> None:
    from zoo.checks.dataset import check

    check(made("dataset").create(NAME), None)


def test_pipeline_and_conditioner(made: Any, tmp_path: Path) -> None:
    from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion

    write_tiny_stable_diffusion(tmp_path / "tiny")
    pipeline = made("pipeline").create(NAME, weights="tiny", image_size=16)
    pipeline.load(tmp_path)
    tokens = {"n_tokens": 3, "embed_dim": 5}
    conditioner = made("conditioner").create(NAME, **tokens, pipeline=pipeline.info())
    assert isinstance(conditioner, Conditioner)
    tokens_BLD = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    conditioning = conditioner(tokens_BLD)
    empty = conditioner.unconditional(2)
    assert {n: v.shape for n, v in conditioning.present().items()} == {
        n: v.shape for n, v in empty.present().items()
    }

    groups = pipeline.open(conditioner.opens)
    assert list(groups) == ["attn2"]
    images = torch.full((2, 3, 16, 16), 99, dtype=torch.uint8)
    mean, std = pipeline.encode_images(images)
    assert mean.shape == std.shape
    loss_B = pipeline.denoising_loss(
        conditioning,
        mean,
        noise_BChw=torch.ones_like(mean),
        timesteps_B=torch.tensor([10, 900]),
    )
    loss_B.sum().backward()
    assert loss_B.shape == (2,)
    assert all(p.grad is not None for p in groups["attn2"])
    assert pipeline.trainable_state().keys()
    pipeline.load_trainable_state(pipeline.trainable_state())

    def draw(rows: slice) -> torch.Tensor:
        return pipeline.generate(
            conditioning.map(lambda t: t[rows]),
            empty.map(lambda t: t[rows]),
            seeds=[1, 2][rows],
            steps=2,
            guidance_scale=2.0,
        )

    both, second = draw(slice(0, 2)), draw(slice(1, 2))
    assert both.shape == (2, 3, 16, 16)
    assert (both[1:].int() - second.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("encoder", "eegnet", "Error: encoder 'eegnet' is already there: zoo/encoders/eegnet.py:"),
        ("encoder", "My-net", "Error: 'My-net' cannot name a component: use lower-case letters"),
        ("encoder", "class", "Error: 'class' cannot name a component: use lower-case letters"),
        ("encoder", "_net", "Error: '_net' would be a helper: component names do not begin with _"),
        ("gadget", "my_net", "Error: unknown kind 'gadget'. "),
    ],
)
def test_names_that_cannot_be(kind: str, name: str, text: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["new", kind, name, "--to", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.startswith(text)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text("mine")
    result = CliRunner().invoke(cli.main, ["new", "encoder", "my_net", "--to", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path / 'my_net.py'} exists; remove it or choose another name\n"
    )
    assert (tmp_path / "my_net.py").read_text() == "mine"
