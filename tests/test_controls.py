"""The controls: what stands in for a trial's own EEG, and what is drawn then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from condition_toys import (
    N_TRAIN,
    NAMES,
    PIPELINE,
    SAMPLE,
    N,
    context,
    draw,
    inputs,
    toy_pictures,
    train,
)
from safetensors.torch import load_file, save_file

from zoo.conditioners._clip import prompt_states
from zoo.contracts import Conditioning, DataError, SignalInfo
from zoo.controls import CONTROLS
from zoo.registries import PIPELINES
from zoo.seeds import named_seed
from zoo.stages import condition
from zoo.stages._controls import class_codes, derangement, zero_tokens
from zoo.stages._encoder import build_encoder
from zoo.stages._prompts import class_prompt

__all__ = ["inputs", "toy_pictures"]  # fixtures


def test_shuffled_eeg_swaps_tokens_and_keeps_the_noise(inputs, tmp_path):
    trained = train(inputs, tmp_path / "a")
    out = draw(inputs, trained, tmp_path / "b", control="shuffled_eeg")
    index = pd.read_csv(out / "index.csv")
    assert (index.trial_id != index.source_trial_id).all()
    assert set(index.trial_id) == set(index.source_trial_id)
    swapped = np.load(out / "images.npy").astype(int)
    tokens = np.load(inputs["encode"] / "tokens.npy")
    place = {f"t{i}": i for i in range(N)}
    tokens[18:] = tokens[[place[source] for source in index.source_trial_id]]
    np.save(inputs["encode"] / "tokens.npy", tokens)
    by_hand = np.load(draw(inputs, trained, tmp_path / "c") / "images.npy").astype(int)
    assert np.abs(swapped - by_hand).max() <= 1


def test_class_label_needs_no_encoder(inputs, tmp_path):
    del inputs["encode"]
    trained = train(inputs, tmp_path / "a", control="class_label")
    out = draw(inputs, trained, tmp_path / "b", control="class_label")
    assert len(np.load(out / "images.npy")) == 6


def test_codes_of_classes_that_are_never_trained_are_no_ceiling(inputs, tmp_path):
    """A zero-shot test: its codes are noise to the conditioner, so nothing is trained for them."""
    with np.load(inputs["select"] / "select.npz") as stored:
        arrays = dict(stored)
    arrays["label"][:N_TRAIN] = 0
    np.savez(inputs["select"] / "select.npz", **arrays)
    with pytest.raises(DataError, match="the test class 'old dog' is never trained; leave the"):
        train(inputs, tmp_path / "a", control="class_label")


def test_class_label_stays_the_ceiling_where_labels_are_shuffled(inputs, tmp_path, monkeypatch):
    """A code and the picture drawn from it are of one class, whatever the EEG was."""
    with np.load(inputs["select"] / "select.npz") as stored:
        arrays = dict(stored)
    shown = np.r_[np.roll(np.arange(N_TRAIN), 1), np.arange(N_TRAIN, N)]  # the next class's turn
    told = {name: arrays[name][shown] for name in ("label", "image_id")}
    assert (told["label"][:N_TRAIN] != arrays["true_label"][:N_TRAIN]).all()
    np.savez(inputs["select"] / "select.npz", **arrays | told)
    read = []
    real = condition._Batches.read
    monkeypatch.setattr(
        condition._Batches, "read", lambda *given: read.append(real(*given)) or read[-1]
    )
    train(inputs, tmp_path, control="class_label")
    label = torch.from_numpy(told["label"][:N_TRAIN])
    assert torch.equal(read[0].label_N, label)
    assert torch.equal(read[0].tokens_NLD, class_codes(2, 3, 5)[label])
    assert read[0].image_N.tolist() == [int(i[1:]) for i in told["image_id"][:N_TRAIN]]


def test_derangement_moves_every_trial_within_its_subject():
    subject = np.random.default_rng(0).integers(0, 4, 200)
    source = derangement(subject, seed=0)
    assert (source != np.arange(200)).all()
    assert (subject[source] == subject).all()
    assert sorted(source) == list(range(200))
    assert np.array_equal(source, derangement(subject, seed=0))
    assert not np.array_equal(source, derangement(subject, seed=1))


def test_derangement_of_a_subject_does_not_depend_on_the_others():
    alone = derangement(np.full(9, 2), seed=0)
    mixed = derangement(np.r_[np.full(9, 2), np.full(5, 1)], seed=0)
    assert np.array_equal(alone, mixed[:9])


def test_derangement_ignores_classes():
    """A quarter of 4 000 trials of four classes gets EEG of its own class, as chance has it."""
    label = np.repeat(np.arange(4), 1000)
    source = derangement(np.zeros(4000, int), seed=0)
    assert abs((label[source] == label).mean() - 0.25) < 0.03


def test_a_single_trial_cannot_be_swapped():
    with pytest.raises(DataError, match="subject 7 has one"):
        derangement(np.array([1, 1, 7]), seed=0)


def test_class_codes_are_fixed_and_distinct():
    codes = class_codes(3, 2, 4)
    assert codes.shape == (3, 2, 4)
    assert torch.equal(codes[:2], class_codes(2, 2, 4))
    assert not torch.allclose(codes[0], codes[1])


# ---- what each control draws


def test_every_control_is_drawn_or_refused(inputs, tmp_path):
    """Each control of the table draws other pictures than the real thing, from the same noise."""
    assert len(CONTROLS) >= 7
    trained = train(inputs, tmp_path / "a")
    np.save(inputs["encode"] / "logits.npy", np.eye(2)[np.arange(N) % 2])
    real = np.load(draw(inputs, trained, tmp_path / "real") / "images.npy")
    publish_encoder(inputs["encode"])
    for name, control in CONTROLS.items():
        own = trained
        if control.trained:
            own = train(inputs, tmp_path / f"train-{name}", control=name)
        out = draw(inputs, None if control.prompted else own, tmp_path / name, control=name)
        drawn = np.load(out / "images.npy")
        assert drawn.shape == real.shape
        assert (drawn != real).any(), name
        again = draw(inputs, None if control.prompted else own, tmp_path / f"2{name}", control=name)
        assert np.array_equal(drawn, np.load(again / "images.npy")), name


def publish_encoder(encode: Path) -> None:
    """Publish a tiny encoder that gives tokens (3, 5), as the stage encode would."""
    signal = SignalInfo(
        n_chans=4, n_times=64, sfreq=64.0, ch_names=tuple("abcd"), ch_pos=None, scale="microvolt",
        band=None, reference="average", n_subjects=2, class_names=NAMES,
    )  # fmt: skip
    block = {"name": "eeg_conv_net", "params": {"n_tokens": 3, "embed_dim": 5}}
    built = {**block, "signal": signal.to_json(), "trained_subjects": [0]}
    (encode / "encoder.json").write_text(json.dumps(built))
    encoder = build_encoder(block, signal, seed=1)
    save_file(encoder.state_dict(), encode / "encoder.safetensors")


def test_prompts_name_the_true_or_the_decoded_class(inputs, tmp_path):
    wrong = np.arange(N) % 2 == 0  # the encoder names the second class for all
    np.save(inputs["encode"] / "logits.npy", np.tile([0.0, 1.0], (N, 1)))
    assert wrong.any()
    true = pd.read_csv(draw(inputs, None, tmp_path / "a", control="class_prompt") / "index.csv")
    assert true.prompt.tolist() == ["a photo of a red cat", "a photo of an old dog"] * 3
    out = draw(inputs, None, tmp_path / "b", control="predicted_label")
    decoded = pd.read_csv(out / "index.csv")
    assert decoded.prompt.tolist() == ["a photo of an old dog"] * 6
    assert decoded.source_trial_id.tolist() == decoded.trial_id.tolist()
    # Where both name the same class, they draw the same picture.
    pictures = [np.load(tmp_path / f / "generate" / "images.npy") for f in "ab"]
    assert np.array_equal(pictures[0][1::2], pictures[1][1::2])
    assert (pictures[0][::2] != pictures[1][::2]).any()


def test_a_prompt_draws_what_stock_diffusers_draws(inputs, tmp_path):
    """The denoiser as it came: no conditioner, no training, the stock text encoder."""
    out = draw(inputs, None, tmp_path / "a", control="class_prompt")
    pipeline = PIPELINES.create(PIPELINE["name"], **PIPELINE["params"])
    pipeline.load(context(tmp_path).weights_root)
    states = prompt_states(pipeline.info(), ["a photo of a red cat", ""])
    by_hand = pipeline.generate(
        Conditioning(encoder_hidden_states=states[:1]),
        Conditioning(encoder_hidden_states=states[1:]),
        seeds=[named_seed(3, "image", "t18", 0)],
        steps=SAMPLE["steps"],
        guidance_scale=SAMPLE["guidance_scale"],
    )
    drawn = np.load(out / "images.npy")[0, 0].astype(int)
    assert np.abs(drawn - by_hand[0].numpy()).max() <= 1


def test_without_eeg_all_trials_are_given_the_same(inputs, tmp_path):
    """Zero EEG, mean embedding and unconditional differ between trials by their noise alone."""
    trained = train(inputs, tmp_path / "a")
    publish_encoder(inputs["encode"])
    tokens = np.load(inputs["encode"] / "tokens.npy")
    for control in ("zero_eeg", "mean_embedding", "unconditional"):
        before = np.load(draw(inputs, trained, tmp_path / control, control=control) / "images.npy")
        moved = tokens.copy()
        moved[N_TRAIN:] += 3  # the test trials' own EEG
        np.save(inputs["encode"] / "tokens.npy", moved)
        out = draw(inputs, trained, tmp_path / f"{control}-moved", control=control)
        assert np.array_equal(before, np.load(out / "images.npy")), control
        assert pd.read_csv(out / "index.csv").source_trial_id.isna().all()
        np.save(inputs["encode"] / "tokens.npy", tokens)


def test_zero_eeg_is_the_encoder_s_answer_to_zeros(inputs):
    publish_encoder(inputs["encode"])
    tokens = zero_tokens(inputs["encode"], np.array([0, 5, 0]), device="cpu")
    assert tokens.shape == (3, 3, 5)
    assert torch.equal(tokens[0], tokens[2])
    built = json.loads((inputs["encode"] / "encoder.json").read_text())
    encoder = build_encoder(built, SignalInfo.from_json(built["signal"]), seed=9)
    encoder.load_state_dict(load_file(inputs["encode"] / "encoder.safetensors"))
    by_hand = encoder.eval()(torch.zeros(1, 4, 64), torch.zeros(1, dtype=torch.int64))
    assert torch.allclose(tokens[0], by_hand[0], atol=2e-3)  # published as float16


def test_unconditional_is_not_guided(inputs, tmp_path):
    trained = train(inputs, tmp_path / "a")
    strong = {**SAMPLE, "guidance_scale": 9}
    one = draw(inputs, trained, tmp_path / "b", control="unconditional")
    two = draw(inputs, trained, tmp_path / "c", strong, control="unconditional")
    assert np.array_equal(np.load(one / "images.npy"), np.load(two / "images.npy"))


def test_prompts_have_the_article_of_their_class():
    names = ("African elephant", "German shepherd", "iron", "pizza")
    articles = [class_prompt(name).removeprefix("a photo of ").split()[0] for name in names]
    assert articles == ["an", "a", "an", "a"]
