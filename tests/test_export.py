"""What leaves the zoo: a run's pipeline draws the run's pictures; files, errors, the command."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import zoo
from cli import main
from registry.errors import UserError
from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.contracts import DataError, SignalInfo
from zoo.engine.run import RunResult
from zoo.engine.store import Store
from zoo.export.models import EEGEncoder
from zoo.export.pipeline import EEGToImagePipeline
from zoo.export.signals import trials_of

RECIPE = """
schema: 1
name: tiny
dataset:
  name: pocket
  params: {n_classes: 2, images_per_class: 12, subjects: [1], band: [5, 95], split: single}
encoder:
  name: eegnet
  params: {embed_dim: 16}
  train: {epochs: 3, batch_size: 8, lr: 1e-3}
conditioner:
  name: linear
  train: {steps: 6, batch_size: 4, lr: 1e-2}
pipeline:
  name: stable_diffusion
  params: {weights: tiny, image_size: 16}
  sample: {steps: 3, guidance_scale: 2, images_per_trial: 2, batch_size: 3}
metrics: [accuracy]
seed: 5
grid:
  conditioner: [linear, lora, clip_text]
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    write_tiny_stable_diffusion(root / "tiny", prediction_type="v_prediction")
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def result(weights: Path, store: Store, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "tiny.yaml").write_text(RECIPE)
    done = zoo.run(
        folder / "tiny.yaml", weights_root=weights, store=store.root, out=folder, threads=1
    )
    assert not done.failures
    return done


def cell_of(result: RunResult, conditioner: str) -> str:
    (name,) = [p.name for p in (result.folder / "pipeline").iterdir() if conditioner in p.name]
    return name


def test_trials(result: RunResult, store: Store) -> tuple[np.ndarray, list[str]]:
    """Return EEG as recorded, and ids, of the run's test trials in their order."""
    nodes = json.loads((result.folder / "provenance.json").read_text())["nodes"]
    (prepare,) = [store.path(n["key"]) for n in nodes if n["stage"] == "prepare"]
    (select,) = [store.path(n["key"]) for n in nodes if n["stage"] == "select"]
    with np.load(select / "select.npz") as chosen:
        test = chosen["split"] == "test"
        rows, ids = chosen["rows"][test], [str(i) for i in chosen["trial_id"][test]]
    return np.load(prepare / "eeg.npy")[rows], ids


test_trials.__test__ = False


def drawn(result: RunResult, cell: str, ids: list[str]) -> np.ndarray:
    """Return the run's pictures, uint8 (P, H, W, 3)."""
    real = result.folder / "gallery" / cell / "real"
    return np.stack([np.asarray(Image.open(real / f"{t}_{k}.png")) for t in ids for k in (0, 1)])


def pixels(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


FRESH = """
import json, sys, numpy, torch, zoo
weights, eeg, ids, folders = sys.argv[1:]
torch.set_num_threads(1)
for folder in json.loads(folders):
    root = None if folder.endswith("whole") else weights
    pipeline = zoo.EEGToImagePipeline.from_pretrained(folder, weights_root=root)
    images = pipeline(numpy.load(eeg), trial_ids=json.loads(ids), subject=0).images
    numpy.save(folder + "/drawn.npy", numpy.stack([numpy.asarray(image) for image in images]))
"""


@pytest.fixture(scope="module")
def by_a_fresh_process(
    result: RunResult, store: Store, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a folder of pipelines, each as the run wrote it and saved whole, with pictures."""
    folder = tmp_path_factory.mktemp("pipelines")
    eeg, ids = test_trials(result, store)
    np.save(folder / "eeg.npy", eeg)
    for name in ("linear", "lora", "clip_text"):
        shutil.copytree(result.folder / "pipeline" / cell_of(result, name), folder / name)
        pipeline = EEGToImagePipeline.from_pretrained(folder / name, weights_root=weights)
        pipeline.save_pretrained(folder / f"{name}-whole")
    folders = [str(path) for path in folder.iterdir() if path.is_dir()]
    arguments = [str(weights), str(folder / "eeg.npy"), json.dumps(ids), json.dumps(folders)]
    subprocess.run([sys.executable, "-c", FRESH, *arguments], check=True)
    return folder


@pytest.mark.parametrize("form", ["", "-whole"], ids=["of-the-run", "saved-whole"])
@pytest.mark.parametrize("conditioner", ["linear", "lora", "clip_text"])
def test_a_fresh_process_draws_the_pictures_of_the_run(
    conditioner: str, form: str, by_a_fresh_process: Path, result: RunResult, store: Store
) -> None:
    _, ids = test_trials(result, store)
    wanted = drawn(result, cell_of(result, conditioner), ids)
    assert len(np.unique(wanted.reshape(len(wanted), -1), axis=0)) == len(wanted)
    folder = by_a_fresh_process / f"{conditioner}{form}"
    assert (np.load(folder / "drawn.npy") == wanted).all()
    assert (folder / "lora").is_dir() == (conditioner == "lora")


@pytest.fixture(scope="module")
def linear(result: RunResult, weights: Path) -> EEGToImagePipeline:
    folder = result.folder / "pipeline" / cell_of(result, "linear")
    pipeline = EEGToImagePipeline.from_pretrained(folder, weights_root=weights)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_the_adapter_draws_the_same_in_stock_stable_diffusion(
    result: RunResult, store: Store, weights: Path
) -> None:
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    eeg, ids = test_trials(result, store)
    cell = cell_of(result, "lora")
    folder = result.folder / "pipeline" / cell
    ours = EEGToImagePipeline.from_pretrained(folder, weights_root=weights)
    given, empty = ours.encode_eeg(eeg)
    assert given.shape == empty.shape == (len(ids), 6, 16)

    stock = StableDiffusionPipeline.from_pretrained(weights / "tiny", safety_checker=None)
    stock.scheduler = DPMSolverMultistepScheduler.from_config(stock.scheduler.config)
    stock.set_progress_bar_config(disable=True)
    from zoo.export.pipeline import picture_seeds

    seeds = picture_seeds(ids, 2, 5)

    def draw() -> np.ndarray:
        images = []
        for start in range(0, len(seeds), 3):  # the run's batches
            at = torch.arange(start, min(start + 3, len(seeds))) // 2
            images += stock(
                prompt_embeds=given[at],
                negative_prompt_embeds=empty[at],
                num_inference_steps=3,
                guidance_scale=2.0,
                height=16,
                width=16,
                generator=[torch.Generator().manual_seed(s) for s in seeds[start : start + 3]],
            ).images
        return pixels(images)

    wanted = drawn(result, cell, ids)
    assert (draw() != wanted).any(), "the adapter has to matter"
    stock.load_lora_weights(folder / "lora")
    assert (draw() == wanted).all()


def test_the_run_folder_holds_what_was_trained_and_names_the_rest(
    result: RunResult, store: Store
) -> None:
    folder = result.folder / "pipeline" / cell_of(result, "clip_text")
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert files == [
        "conditioner/config.json",
        "conditioner/diffusion_pytorch_model.safetensors",
        "denoiser/trained.safetensors",
        "encoder/config.json",
        "encoder/diffusion_pytorch_model.safetensors",
        "model_index.json",
        "scheduler/scheduler_config.json",
    ]
    linked = [p for p in folder.rglob("*.safetensors") if p.stat().st_nlink > 1]
    assert len(linked) == 3, "weights are linked from the store, not copied"
    for config in folder.rglob("*.json"):
        assert str(store.root) not in config.read_text(), "no paths of this machine"


def test_an_encoder_alone(result: RunResult, store: Store) -> None:
    eeg, _ = test_trials(result, store)
    folder = result.folder / "pipeline" / cell_of(result, "linear")
    encoder = zoo.load_encoder(folder / "encoder")
    tokens = encoder(eeg, np.zeros(len(eeg), int))
    nodes = json.loads((result.folder / "provenance.json").read_text())["nodes"]
    (encode,) = [store.path(n["key"]) for n in nodes if n["stage"] == "encode"]
    stored = dict(
        zip(np.load(encode / "trial_ids.npy"), np.load(encode / "tokens.npy"), strict=True)
    )
    _, ids = test_trials(result, store)
    assert all((tokens[i].numpy() == stored[name]).all() for i, name in enumerate(ids))
    alone = encoder(eeg[1:2])
    assert torch.equal(alone[0], tokens[1]), "a trial's tokens do not depend on its neighbours"
    assert not encoder.component.training
    assert encoder.signal.n_chans == eeg.shape[1]
    with pytest.raises(UserError, match="holds a EEGConditioner, not a EEGEncoder"):
        zoo.load_encoder(folder / "conditioner")
    with pytest.raises(UserError, match="there is no .*config.json; name a folder"):
        zoo.load_encoder(folder)


def test_calls_as_in_diffusers(linear: EEGToImagePipeline, result: RunResult, store: Store) -> None:
    eeg, ids = test_trials(result, store)
    one = {"images_per_trial": 1, "num_inference_steps": 2}
    named = linear(eeg[:2], trial_ids=ids[:2], **one).images
    other = linear(eeg[:2], trial_ids=ids[:2], seed=6, **one).images
    assert (pixels(named) != pixels(other)).any()
    seeds = [3, 4]
    seeded = linear(eeg[:2], seeds=seeds, **one).images
    generators = [torch.Generator().manual_seed(s) for s in seeds]
    assert (pixels(linear(eeg[:2], generator=generators, **one).images) == pixels(seeded)).all()
    (as_array,) = linear(eeg[:2], seeds=seeds, output_type="np", return_dict=False, **one)
    assert (as_array * 255).round().astype(np.uint8).tolist() == pixels(seeded).tolist()
    as_tensor = linear(eeg[:2], seeds=seeds, output_type="pt", **one).images
    assert as_tensor.shape == (2, 3, 16, 16)
    single = linear(eeg[:2], generator=torch.Generator().manual_seed(0), **one).images
    assert (pixels(single[:1]) != pixels(single[1:])).any()
    guided = linear(eeg[:2], seeds=seeds, guidance_scale=1, **one).images
    assert (pixels(guided) != pixels(seeded)).any()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"output_type": "jpg"}, "output_type must be one of pil, np, pt, got 'jpg'"),
        ({"seeds": [1]}, "4 pictures need 4 seeds or generators, got 1"),
        ({"seeds": [1] * 4, "generator": torch.Generator()}, "give seeds or a generator, not both"),
        ({"trial_ids": ["a"]}, "2 trials need 2 trial_ids, got 1"),
        ({"subject": [0, 0, 0]}, "subject must be one whole number or 2, one for each trial"),
        ({"guidance_scale": 0.0}, "guidance 1 is none"),
        ({"sfreq": 500.0}, "500 samples per second, the encoder was trained on 250; resample"),
    ],
)
def test_requests_that_cannot_be_met(
    request_: dict[str, object],
    message: str,
    linear: EEGToImagePipeline,
    result: RunResult,
    store: Store,
) -> None:
    eeg, _ = test_trials(result, store)
    with pytest.raises(UserError, match=message):
        linear(eeg[:2], **request_)


# ---- EEG that does not fit


SIGNAL = SignalInfo(
    n_chans=2,
    n_times=4,
    sfreq=100.0,
    ch_names=("Cz", "Oz"),
    ch_pos=None,
    scale="microvolt",
    band=None,
    reference="average",
    n_subjects=1,
    class_names=("a", "b"),
)
TRAINED = r"trained on trials of 2 channels x 4 samples \(0.04 s at 100 Hz\)"


@pytest.mark.parametrize(
    ("eeg", "message"),
    [
        (
            np.zeros((2, 4)),
            rf"float64 of shape \(2, 4\); .*{TRAINED}; one trial alone is eeg\[None\]",
        ),
        (np.zeros((3, 4, 2)), rf"{TRAINED}, got 4 x 2; channels and samples are swapped"),
        (np.zeros((3, 5, 4)), "got 5 x 4; give it these channels, in this order: Cz, Oz"),
        (np.zeros((3, 2, 9)), r"got 2 x 9; cut out the same window: epochs.crop\(start, start"),
        (np.zeros((0, 2, 4)), "holds no trial"),
        (np.full((3, 2, 4), np.nan), "trial 0 holds NaN"),
        (np.array([["x"]]), "must be numbers"),
    ],
)
def test_arrays_that_do_not_fit(eeg: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        trials_of(eeg, SIGNAL)


def epochs(ch_names: list[str], sfreq: float = 100.0, n_times: int = 4, tmin: float = 0.0):
    import mne
    import pandas as pd

    info = mne.create_info(ch_names, sfreq, "eeg")
    data = np.arange(3 * len(ch_names) * n_times, dtype=float).reshape(3, len(ch_names), n_times)
    metadata = pd.DataFrame({"trial_id": ["x", "y", "z"]})
    return mne.EpochsArray(data * 1e-6, info, tmin=tmin, metadata=metadata, verbose="error")


def test_epochs_are_taken_by_channel_name_and_in_microvolts() -> None:
    given = epochs(["Oz", "Pz", "Cz"])
    eeg, ids = trials_of(given, SIGNAL)
    assert ids == ["x", "y", "z"]
    assert eeg.dtype == np.float32
    microvolts = np.arange(36).reshape(3, 3, 4)
    assert np.allclose(eeg, microvolts[:, [2, 0]])
    with pytest.raises(
        DataError, match="lack 1 of the 2 channels .*: Oz .they have Cz, Pz.; rename"
    ):
        trials_of(epochs(["Cz", "Pz"]), SIGNAL)
    with pytest.raises(
        DataError, match=r"200 samples per second, .* 100; .* epochs.resample\(100\)"
    ):
        trials_of(epochs(["Cz", "Oz"], sfreq=200.0), SIGNAL)
    with pytest.raises(DataError, match="got 2 x 6; cut out the same window"):
        trials_of(epochs(["Cz", "Oz"], n_times=6), SIGNAL)


def test_epochs_in_volts_are_refused_where_training_was_in_another_unit() -> None:
    z_scored = replace(SIGNAL, scale="z-score")
    with pytest.raises(
        DataError, match="in the unit 'z-score', epochs are in volts; give an array scaled as"
    ):
        trials_of(epochs(["Cz", "Oz"]), z_scored)
    eeg, _ = trials_of(np.ones((3, 2, 4)), z_scored)
    assert (eeg == 1).all()


def test_epochs_have_to_begin_where_the_window_of_training_does() -> None:
    for tmin, start in ((0.02, 0.02), (0.02, 0.025), (-0.1, None)):  # 10 ms a sample
        eeg, _ = trials_of(epochs(["Cz", "Oz"], tmin=tmin), SIGNAL, start=start)
        assert eeg.shape == (3, 2, 4)
    for tmin in (0.0, 0.01, 0.03):
        with pytest.raises(
            DataError, match=r"begin .* s from onset, .* at 0.02 s; .*epochs.crop\(0.02, 0.06, inc"
        ):
            trials_of(epochs(["Cz", "Oz"], tmin=tmin), SIGNAL, start=0.02)


# ---- folders that cannot be used


@pytest.fixture
def copied(result: RunResult, tmp_path: Path) -> Path:
    folder = result.folder / "pipeline" / cell_of(result, "lora")
    return Path(shutil.copytree(folder, tmp_path / "copied"))


def test_frozen_weights_have_to_be_the_same(copied: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown weights 'tiny'"):
        EEGToImagePipeline.from_pretrained(copied)
    write_tiny_stable_diffusion(tmp_path / "tiny", prediction_type="v_prediction", seed=1)
    with pytest.raises(UserError, match="'tiny' in .* are not those that .* was trained on"):
        EEGToImagePipeline.from_pretrained(copied, weights_root=tmp_path)
    with pytest.raises(
        UserError, match="there is no .*model_index.json; name the folder pipeline/"
    ):
        EEGToImagePipeline.from_pretrained(tmp_path)
    (copied / "lora/pytorch_lora_weights.safetensors").unlink()
    with pytest.raises(UserError, match="lora_weights.safetensors, the adapter of this pipeline"):
        EEGToImagePipeline.from_pretrained(copied, weights_root=weights)


def test_a_folder_cannot_name_code_to_import(copied: Path, weights: Path) -> None:
    index = copied / "model_index.json"
    whole = json.loads(index.read_text())
    for name in ("encoder", "conditioner", "unet", "vae", "scheduler"):
        index.write_text(json.dumps(whole | {name: ["os", "system"]}))
        with pytest.raises(UserError, match=f"{name} must be"):
            EEGToImagePipeline.from_pretrained(copied, weights_root=weights)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "model_index.json is damaged \\(Expecting property name"),
        ("[]", "model_index.json is damaged \\(it holds no mapping"),
        ({"_class_name": None}, "holds a None, not an EEGToImagePipeline"),
        ({"unet": 3}, "unet must be"),
        ({"scheduler": ["diffusers"]}, "scheduler must be one of diffusers"),
        ({"scheduler": ["diffusers", "NoScheduler"]}, "scheduler must be one of diffusers"),
        ({"opens": None}, "opens must be one of none, attn2, unet, .*, got None"),
        ({"image_size": "64"}, "image_size must be a whole number from 1, got '64'"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1, got 0"),
        ({"seed": None}, "seed must be a whole number, got None"),
        ({"precision": ["fp32"]}, "precision must be one of fp32, bf16, fp16"),
        ({"weights": None}, "weights must hold the name and sha256"),
        ({"weights": {"name": "tiny"}}, "weights must hold the name and sha256"),
    ],
)
def test_a_damaged_index(
    content: str | dict[str, object], said: str, copied: Path, weights: Path, tmp_path: Path
) -> None:
    index = copied / "model_index.json"
    if isinstance(content, dict):
        content = json.dumps(json.loads(index.read_text()) | content)
    index.write_text(content)
    np.save(tmp_path / "eeg.npy", np.zeros((1, 2, 3)))
    code, output = generate(
        "--run", copied, "--weights-root", weights, "--eeg", tmp_path / "eeg.npy",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 2, output
    assert re.search(said, output), output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    "file",
    [
        "lora/pytorch_lora_weights.safetensors",
        "encoder/diffusion_pytorch_model.safetensors",
        "encoder/config.json",
    ],
)
def test_damaged_files(file: str, copied: Path, weights: Path) -> None:
    (copied / file).unlink()  # a link to the store's
    (copied / file).write_bytes(b"nothing")
    with pytest.raises(UserError, match=f"{file} .*; copy it again"):
        EEGToImagePipeline.from_pretrained(copied, weights_root=weights)


def test_an_encoder_that_is_not_known_here(copied: Path) -> None:
    file = copied / "encoder/config.json"
    file.write_text(file.read_text().replace('"eegnet"', '"egnet"'))
    with pytest.raises(
        UserError, match="unknown encoder 'egnet'.*if it is your own, make it known"
    ):
        zoo.load_encoder(copied / "encoder")
    file.write_text(file.read_text().replace('"egnet"', '"eegnet"').replace("16", "17"))
    with pytest.raises(UserError, match="do not fit 'eegnet'"):
        zoo.load_encoder(copied / "encoder")


def test_a_cell_whose_training_failed_has_no_pipeline(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from zoo.engine.roots import Roots
    from zoo.export.write import write_pipeline

    block = SimpleNamespace(name="stable_diffusion")
    plan = SimpleNamespace(
        cell=SimpleNamespace(pipeline=block),
        encode="encode-0",
        variants=(SimpleNamespace(condition="condition-0"),),
    )
    assert not write_pipeline(tmp_path / "cell", plan, Store(tmp_path), Roots())
    assert not (tmp_path / "cell").exists()


# ---- the command


def generate(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["generate", *map(str, arguments)])
    return done.exit_code, done.output


def test_generate_writes_pictures_index_and_sheet(
    result: RunResult, store: Store, weights: Path, tmp_path: Path
) -> None:
    eeg, ids = test_trials(result, store)
    np.save(tmp_path / "eeg.npy", eeg)
    cell = cell_of(result, "lora")
    request = ["--run", result.folder, "--weights-root", weights, "--threads", 1]
    out = tmp_path / "drawn"
    code, said = generate(
        *request, "--cell", cell, "--eeg", tmp_path / "eeg.npy", "--out", out, "--steps", 2
    )
    assert code == 0, said
    assert f"{2 * len(ids)} pictures in {out}" in said
    with (out / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows[:3]] == ["0_0.png", "0_1.png", "1_0.png"]
    for row in rows:
        with Image.open(out / row["file"]) as picture:
            assert picture.size == (16, 16)
            made = json.loads(picture.text["eegzoo"])
        assert made["generated"] is True
        assert str(made["seed"]) == row["seed"]
    with Image.open(out / "contact-sheet.png") as sheet:
        assert sheet.size == (2 * 18 - 2, len(ids) * 18 - 2)


def test_generate_tells_the_encoder_whose_eeg_it_is(
    linear: EEGToImagePipeline,
    result: RunResult,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signal = linear.encoder.signal
    np.save(tmp_path / "eeg.npy", np.zeros((2, signal.n_chans, signal.n_times)))
    seen, forward = [], EEGEncoder.forward

    def watched(self: EEGEncoder, eeg_NCT: np.ndarray, subject_N: np.ndarray | None = None):
        seen.append(None if subject_N is None else subject_N.tolist())
        return forward(self, eeg_NCT, subject_N)

    monkeypatch.setattr(EEGEncoder, "forward", watched)
    request = ["--run", result.folder, "--cell", cell_of(result, "linear"), "--threads", 1]
    request += ["--weights-root", weights, "--eeg", tmp_path / "eeg.npy", "--steps", 1]
    for number, subject in enumerate(([], ["--subject", 0])):
        code, said = generate(*request, *subject, "--out", tmp_path / f"drawn-{number}")
        assert code == 0, said
    assert seen == [None, [0, 0]]


def test_epochs_of_the_test_trials_give_the_pictures_of_the_run(
    result: RunResult, store: Store, weights: Path, tmp_path: Path
) -> None:
    import mne
    import pandas as pd

    eeg, ids = test_trials(result, store)
    cell = cell_of(result, "linear")
    encoder = zoo.load_encoder(result.folder / "pipeline" / cell / "encoder")
    info = mne.create_info(list(encoder.signal.ch_names), encoder.signal.sfreq, "eeg")
    metadata = pd.DataFrame({"trial_id": ids})
    saved = mne.EpochsArray(eeg * 1e-6, info, tmin=0.02, metadata=metadata, verbose="error")
    saved.save(tmp_path / "test-epo.fif", fmt="double", verbose="error")
    late = saved.copy().shift_time(0.5)
    late.save(tmp_path / "late-epo.fif", fmt="double", verbose="error")
    out = tmp_path / "drawn"
    code, said = generate(
        "--run", result.folder, "--cell", cell, "--weights-root", weights, "--threads", 1,
        "--eeg", tmp_path / "late-epo.fif", "--out", out,
    )  # fmt: skip
    assert (code, "the epochs begin 0.52 s from onset" in said) == (2, True), said
    code, said = generate(
        "--run", result.folder, "--cell", cell, "--weights-root", weights, "--threads", 1,
        "--eeg", tmp_path / "test-epo.fif", "--out", out,
    )  # fmt: skip
    assert code == 0, said
    ours = pixels([Image.open(out / f"{t}_{k}.png") for t in ids for k in (0, 1)])
    assert np.abs(ours.astype(int) - drawn(result, cell, ids)).max() <= 1  # volts and back


def test_generate_says_what_is_wrong(result: RunResult, tmp_path: Path, weights: Path) -> None:
    np.save(tmp_path / "eeg.npy", np.zeros((1, 2, 3)))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "eeg.txt").write_text("")
    out = tmp_path / "out"
    run, cell = ["--run", result.folder], ["--cell", cell_of(result, "linear")]
    eeg = ["--eeg", tmp_path / "eeg.npy"]
    to = ["--out", out, "--weights-root", weights]
    for arguments, message in [
        (["--run", tmp_path, *eeg, *to], "holds no pipeline/<cell>/model_index.json"),
        ([*run, *eeg, *to], "holds several pipelines, choose one by --cell"),
        ([*run, "--cell", "x", *eeg, *to], "holds no pipeline of cell 'x'; it has: "),
        ([*run, *cell, "--eeg", tmp_path / "none.npy", *to], "there is no file"),
        ([*run, *cell, "--eeg", tmp_path / "objects.npy", *to], "is not a plain array"),
        ([*run, *cell, "--eeg", tmp_path / "eeg.txt", *to], "neither an array (.npy) nor saved"),
        ([*run, *cell, *eeg, *to], "got 2 x 3"),
        ([*run, *cell, *eeg, "--out", tmp_path], "is in use; name a new or empty folder"),
        ([*run, *cell, *eeg, *to, "--guidance-scale", 0], "--guidance-scale"),
        ([*run, *cell, *eeg, *to, "--subject", 7], "--subject 7: the encoder was trained on 0; na"),
    ]:
        code, said = generate(*arguments)
        assert code == 2, said
        assert message in said, said
        assert not out.exists()


def test_the_package_stays_light() -> None:
    code = (
        "import sys, zoo; import zoo.export.write; assert 'torch' not in sys.modules\n"
        "assert 'EEGToImagePipeline' in zoo.__all__\n"
        "try: zoo.EEGToImagePipline\n"
        "except AttributeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "has no attribute 'EEGToImagePipline'" in done.stdout
