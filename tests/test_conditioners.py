"""Conditioners: the battery, the shared front, and CLIP's own numbers through our route."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from registry.errors import BadParameters
from zoo.checks import check_conditioner, promises
from zoo.checks import conditioner as battery
from zoo.checks._case import Case
from zoo.checks.tiny_stable_diffusion import shared_tiny_stable_diffusion
from zoo.conditioners._clip import encode_embeddings, layer_states, prompt_states, token_ids
from zoo.conditioners._projection import Projection
from zoo.registries import CONDITIONERS, PIPELINES

NAMES = CONDITIONERS.names()
VARIANTS = [
    ("clip_text", {"text_encoder": "lora"}),
    ("clip_text", {"text_encoder": "frozen", "opens": "none"}),
    ("clip_text", {"opens": "attn2_lora"}),
    ("linear", {"opens": "none"}),
    ("linear", {"opens": "unet"}),
    ("linear", {"opens": "unet_lora"}),
]


@pytest.fixture(scope="module")
def weights() -> Path:
    return shared_tiny_stable_diffusion()


@pytest.fixture(scope="module")
def pipeline():
    return battery.tiny_pipeline()


def test_all_three_are_there():
    assert {"clip_text", "linear", "lora"} <= set(NAMES)


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in promises("conditioner")])
def test_promise(promise):
    promise()


@pytest.mark.parametrize("shape", [(1, 7), (6, 7), (9, 7)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_token_shape(name, shape, pipeline):
    case = Case.of("conditioner", name)
    states = battery.build(case, pipeline, shape=shape)(battery.tokens(shape=shape))
    assert states.encoder_hidden_states.shape == (4, 6, 16)
    battery.training_moves_what_it_declares(case, shape)


@pytest.mark.parametrize(("name", "params"), VARIANTS, ids=str)
def test_every_opening(name, params):
    case = Case.of("conditioner", name, {"lora_rank": 2, **params})
    battery.training_moves_what_it_declares(case)
    battery.survives_a_file(case)


def test_battery_judges_a_class_that_nobody_registered():
    class Sloppy(CONDITIONERS.get("linear")):
        def parameter_groups(self):
            return {"projection": [self.projection.offset]}

        def forward(self, tokens_BLD, **_):
            with torch.no_grad():
                self.projection.features.weight += 1
            return super().forward(tokens_BLD)

    with pytest.raises(AssertionError, match="moved and is not declared"):
        check_conditioner(Sloppy)


# ---- CLIP's text transformer


def test_token_route_equals_the_stock_forward(pipeline):
    clip = pipeline.text_encoder
    ids = token_ids(pipeline.folder.tokenizer, ["a photo of a red cat", "a dog", ""], 6)
    with torch.no_grad():
        embeddings = clip.embeddings.token_embedding(ids)
        assert torch.equal(encode_embeddings(clip, embeddings), clip(ids).last_hidden_state)


def test_token_route_equals_the_stock_forward_at_stable_diffusions_shape(data_root):
    """77 x 768, quick GELU, the old end token: a CLIP-L of two layers with random weights."""
    from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

    folder = data_root / "sd15-config"
    if not folder.is_dir():
        pytest.skip(f"needs the configuration of Stable Diffusion 1.5 in {folder}")
    config = CLIPTextConfig.from_pretrained(folder / "text_encoder")
    config.num_hidden_layers = 2
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    clip = CLIPTextModel(config).eval()
    ids = token_ids(tokenizer, ["a photo of an electric guitar", ""], 77)
    assert ids.shape == (2, 77)
    with torch.no_grad():
        embeddings = clip.embeddings.token_embedding(ids)
        states = encode_embeddings(clip, embeddings)
        assert states.shape == (2, 77, 768)
        assert torch.equal(states, clip(ids).last_hidden_state)


def test_text_layers_are_the_stock_hidden_states(pipeline):
    clip = pipeline.text_encoder
    ids = token_ids(pipeline.folder.tokenizer, ["a photo of a red cat", "a dog", ""], 6)
    with torch.no_grad():
        ours = layer_states(clip, clip.embeddings.token_embedding(ids))
        stock = clip(ids, output_hidden_states=True)
    theirs = (*stock.hidden_states, stock.last_hidden_state)
    assert len(ours) == len(theirs) == clip.config.num_hidden_layers + 2
    assert all(map(torch.equal, ours, theirs))


@pytest.mark.parametrize("causal", [True, False])
def test_without_its_mask_every_state_sees_every_token(causal, pipeline):
    clip = pipeline.text_encoder
    embeddings = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))
    changed = embeddings.clone()
    changed[0, 3] = torch.randn(16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        one, other = (layer_states(clip, e, causal=causal)[-1] for e in (embeddings, changed))
    moved = (one - other).abs().amax(2)[0] > 1e-6
    assert moved.tolist() == [not causal] * 3 + [True] * 3


def test_mask_is_causal(pipeline):
    clip = pipeline.text_encoder
    embeddings = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))
    changed = embeddings.clone()
    changed[0, 3] = torch.randn(16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        moved = (encode_embeddings(clip, embeddings) - encode_embeddings(clip, changed)).abs()
    assert (moved.amax(2)[0] > 1e-6).tolist() == [False, False, False, True, True, True]


def test_clip_text_trains_a_copy(pipeline):
    built = CONDITIONERS.create("clip_text", n_tokens=1, embed_dim=4, pipeline=pipeline.info())
    ours = {id(p) for p in built.parameters()}
    assert ours.isdisjoint(id(p) for p in pipeline.text_encoder.parameters())
    assert not any(p.requires_grad for p in pipeline.text_encoder.parameters())
    assert "text_encoder.embeddings.token_embedding.weight" not in built.state_dict()
    assert pipeline.text_encoder.embeddings.token_embedding is not None


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_conditioner_says_a_photo_of_a(name, pipeline):
    built = CONDITIONERS.create(name, n_tokens=1, embed_dim=4, pipeline=pipeline.info()).eval()
    built.set_token_statistics(torch.full((1, 4), 3.0), torch.ones(1, 4))
    states = built(torch.full((2, 1, 4), 3.0)).encoder_hidden_states
    neutral = prompt_states(pipeline.info(), ["a photo of a"])
    assert torch.allclose(states, neutral.expand(2, -1, -1), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_unconditional_is_the_empty_prompt(name, pipeline):
    built = CONDITIONERS.create(name, n_tokens=1, embed_dim=4, pipeline=pipeline.info())
    with torch.no_grad():
        stock = pipeline.text_encoder(
            token_ids(pipeline.folder.tokenizer, [""], 6)
        ).last_hidden_state
    # Two runs of one text encoder differ in the last bit when memory is aligned otherwise.
    ours = built.unconditional(2).encoder_hidden_states
    torch.testing.assert_close(ours, stock.expand(2, -1, -1))


def test_width_of_another_text_encoder_is_refused(pipeline):
    from dataclasses import replace

    info = replace(pipeline.info(), width=24)
    with pytest.raises(BadParameters, match="as wide as the denoiser's cross-attention"):
        CONDITIONERS.create("clip_text", n_tokens=1, embed_dim=4, pipeline=info)


# ---- the shared front


def shapes_of(projection: Projection) -> dict[str, tuple[int, ...]]:
    return {n: tuple(p.shape) for n, p in projection.named_parameters() if n != "offset"}


def test_projection_has_the_layers_of_its_shape():
    neutral = torch.randn(6, 16)
    joint = {"joint.1.weight": (6 * 16, 64)}
    assert shapes_of(Projection(1, 5, neutral)) == {"features.weight": (6 * 16, 5)}
    assert shapes_of(Projection(6, 5, neutral)) == {
        "features.weight": (16, 5), "joint.0.weight": (64, 6 * 5), **joint,
    }  # fmt: skip
    assert shapes_of(Projection(9, 5, neutral)) == {
        "features.weight": (16, 5), "across.weight": (6, 9), "joint.0.weight": (64, 9 * 5), **joint,
    }  # fmt: skip


def test_what_tokens_say_together_reaches_every_token():
    """No token names the class, two of them do: a map of each token alone cannot pass it on."""
    torch.manual_seed(0)
    sign = torch.randint(0, 2, (400, 1)) * 2.0 - 1
    noise = 3 * torch.randn(400, 5)
    tokens = torch.stack([sign + noise, sign - noise, torch.randn(400, 5)], dim=1)
    tokens = torch.cat([tokens, tokens.flip(1)], dim=1)
    projection = Projection(6, 5, torch.randn(6, 4))
    projection.set_statistics(tokens.mean(0), tokens.std(0))
    optimiser = torch.optim.Adam(projection.parameters(), lr=1e-2)
    for _ in range(200):
        error = (projection(tokens[:300]) - sign[:300, None]).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    right = projection(tokens[300:]).sign() == sign[300:, None]
    assert right.float().mean((0, 2)).min() > 0.9


def test_scale_of_the_tokens_does_not_matter():
    projection = Projection(3, 5, torch.randn(6, 16))
    tokens = torch.randn(8, 3, 5)
    projection.set_statistics(tokens.mean(0), tokens.std(0))
    plain = projection(tokens)
    scaled = 100 * tokens + 7
    projection.set_statistics(scaled.mean(0), scaled.std(0))
    assert torch.allclose(projection(scaled), plain, atol=1e-4)


def test_a_constant_feature_is_not_blown_up():
    projection = Projection(1, 3, torch.randn(6, 16))
    projection.set_statistics(torch.zeros(1, 3), torch.tensor([[1.0, 2.0, 0.0]]))
    assert torch.allclose(projection.token_std, torch.tensor([[1.0, 2.0, 0.01]]))


def test_projection_refuses_other_tokens():
    with pytest.raises(ValueError, match=r"built for tokens \(3, 5\), got \(3, 6\)"):
        Projection(3, 5, torch.randn(6, 16))(torch.zeros(2, 3, 6))


# ---- what stock diffusers makes of a trained adapter


@pytest.mark.parametrize("opens", ["attn2_lora", "unet_lora"])
def test_stock_diffusers_loads_the_adapter(opens, weights, tmp_path):
    from diffusers import StableDiffusionPipeline

    ours = PIPELINES.create("stable_diffusion", weights="tiny", image_size=16)
    ours.load(weights)
    torch.manual_seed(0)
    for parameter in ours.open(opens, lora_rank=2)["lora"]:
        torch.nn.init.normal_(parameter, std=0.3)
    state = ours.trainable_state()
    assert all(".lora_A." in name or ".lora_B." in name for name in state)
    if opens == "attn2_lora":
        targets = {name.split(".attn2.")[1].split(".lora_")[0] for name in state}
        assert targets == {"to_q", "to_k", "to_v", "to_out.0"}
    save_file(state, tmp_path / "denoiser.safetensors")

    stock = StableDiffusionPipeline.from_pretrained(weights, safety_checker=None)
    latents, states = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 16)
    with torch.no_grad():
        plain = stock.unet(latents, 500, states).sample
        stock.load_lora_weights(tmp_path, weight_name="denoiser.safetensors")
        theirs = stock.unet(latents, 500, states).sample
        assert torch.allclose(theirs, ours.unet(latents, 500, states).sample, atol=1e-6)
    assert not torch.allclose(theirs, plain, atol=1e-3)
