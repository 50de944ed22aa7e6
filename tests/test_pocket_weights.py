"""The weights that ship: stock diffusers loads them, and they do what their record says."""

import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from zoo.drawings import CLASSES, caption, draw
from zoo.judge_net import JudgeNet
from zoo.pipelines.pocket import WEIGHTS
from zoo.pipelines.pocket.loop import train_steps
from zoo.pipelines.pocket.measure import (
    generate,
    judged,
    load_judge,
    load_pipeline,
    psnr,
    reconstruct,
)
from zoo.pipelines.pocket.pictures import drawing_factors, photographs, to_float
from zoo.pipelines.pocket.textures import texture


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline(WEIGHTS)


@pytest.fixture(scope="module")
def judge():
    return load_judge(WEIGHTS / "judge")


@pytest.fixture(scope="module")
def factors():
    return drawing_factors("tests", 40)


@pytest.fixture(scope="module")
def drawings(factors):
    return to_float(np.stack([draw(f) for f in factors]))


def test_everything_is_safe_to_load_and_small():
    files = [p for p in WEIGHTS.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    assert sum(p.stat().st_size for p in files) <= 12e6
    for config in WEIGHTS.rglob("*.json"):
        json.loads(config.read_text())


def test_parts_are_the_stock_classes(pipeline):
    assert type(pipeline) is StableDiffusionPipeline
    assert type(pipeline.vae) is AutoencoderKL
    assert type(pipeline.unet) is UNet2DConditionModel
    assert type(pipeline.text_encoder) is CLIPTextModel
    assert pipeline.tokenizer.eos_token_id == pipeline.text_encoder.config.eos_token_id != 2
    assert pipeline.tokenizer.model_max_length == 12
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def test_the_tokenizer_knows_every_word_of_every_caption(pipeline, factors):
    tokenizer = pipeline.tokenizer
    for f in factors:
        ids = tokenizer(caption(f)).input_ids
        assert tokenizer.unk_token_id not in ids
        assert ids[-1] == tokenizer.eos_token_id


def test_the_autoencoder_rebuilds_drawings(pipeline, drawings):
    assert psnr(drawings[:20], reconstruct(pipeline.vae, drawings[:20])).mean() >= 27


def test_the_autoencoder_rebuilds_photographs_never_trained_on(pipeline):
    photos = torch.stack(list(photographs().values()))
    assert psnr(photos, reconstruct(pipeline.vae, photos)).mean() >= 22


def test_latents_have_unit_scale(pipeline, drawings):
    with torch.no_grad():
        latents = pipeline.vae.encode(drawings).latent_dist.mean
    assert (latents * pipeline.vae.config.scaling_factor).std() == pytest.approx(1, abs=0.1)


def test_the_judge_knows_drawings_it_never_saw(judge, drawings, factors):
    labels = torch.tensor([f.class_index for f in factors])
    assert (judged(judge, drawings) == labels).float().mean() >= 0.97
    config = json.loads((WEIGHTS / "judge" / "config.json").read_text())
    assert config["class_names"] == [c.name for c in CLASSES]
    assert config["accuracy"]["held_out_drawings"] >= 0.97


def test_text_becomes_a_picture_of_the_class_it_names(pipeline, judge, factors):
    pictures = generate(pipeline, [caption(f) for f in factors], seeds=range(40))
    assert pictures.shape == (40, 3, 64, 64)
    labels = torch.tensor([f.class_index for f in factors])
    assert (judged(judge, pictures) == labels).float().mean() >= 0.9


def test_the_record_says_what_was_measured():
    record = json.loads((WEIGHTS / "TRAINING.json").read_text())
    figures = record["figures"]
    assert figures["text_to_image_class_accuracy"]["n"] >= 500
    assert figures["text_to_image_class_accuracy"]["value"] >= 0.97
    assert figures["reconstruction_psnr_db"]["held_out_drawings"] >= 27
    assert figures["reconstruction_psnr_db"]["photographs_never_trained_on"] >= 22


def test_the_judge_takes_other_sizes_and_gives_features():
    judge = JudgeNet(3, width=4).eval()
    assert judge.features(torch.zeros(2, 3, 32, 32)).shape == (2, judge.n_features)
    assert judge(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


def test_textures_are_pictures_with_some_grey_ones():
    rng = np.random.default_rng(0)
    pictures = np.stack([texture(rng) for _ in range(40)])
    assert pictures.shape == (40, 3, 64, 64)
    assert pictures.dtype == np.uint8
    assert pictures.std((1, 2, 3)).min() > 5
    grey = (np.ptp(pictures.astype(int), axis=1) <= 1).all((1, 2))
    assert 4 <= grey.sum() <= 24


def test_training_goes_on_where_it_was_stopped(tmp_path):
    def train(out, stop_at=None):
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 1)
        done = 0

        def loss(generator):
            nonlocal done
            if done == stop_at:
                raise KeyboardInterrupt
            done += 1
            inputs = torch.randn(8, 4, generator=generator)
            return (layer(inputs) - inputs.sum(1, keepdim=True)).square().mean()

        return train_steps(
            "layer",
            {"layer": layer},
            loss,
            out=out,
            steps=12,
            lr=0.1,
            weight_decay=0.0,
            average=0.9,
            checkpoint_every=0,
        )["layer"].weight

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", stop_at=5)
    assert torch.equal(train(tmp_path / "stopped"), train(tmp_path / "straight"))
