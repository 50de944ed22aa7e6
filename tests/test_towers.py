"""Image towers: the table, its files, and each network against the library it is taken from."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from registry import UserError
from zoo.datasets.pocket import Pocket
from zoo.stages import _picture_features, features
from zoo.stages._context import Context
from zoo.towers import imagenet, lpips_alex, pocket, table
from zoo.towers import load as load_module
from zoo.towers.load import load
from zoo.towers.table import NETWORKS, TOWERS, file_of, missing, outputs, towers_giving, unknown

ENUMS = {
    "alexnet": models.AlexNet_Weights.IMAGENET1K_V1,
    "inception-v3": models.Inception_V3_Weights.IMAGENET1K_V1,
    "efficientnet-b1": models.EfficientNet_B1_Weights.IMAGENET1K_V2,
    "vit-h-14": models.ViT_H_14_Weights.IMAGENET1K_SWAG_E2E_V1,
}
PUT = Callable[[str, object], Path]


def drawings(n: int = 5) -> np.ndarray:
    synsets = ("n03063599", "n07753592")
    return Pocket().images([f"{synsets[i % 2]}_{i:04d}" for i in range(n)])


def noise(n: int, side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (n, 3, side, side), dtype=np.uint8)


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PUT:
    """Save weights where a network expects them; small batches, as random networks are slow."""
    monkeypatch.setattr(load_module, "BATCH", 2)

    def save(network: str, state: object) -> Path:
        row = NETWORKS[network]
        path = tmp_path / str(row.folder) / row.files[0]
        path.parent.mkdir(exist_ok=True)
        torch.save(state, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(NETWORKS, network, replace(row, sha256=digest))
        return tmp_path

    return save


def random(network: str) -> nn.Module:
    """Return the network with random weights that are left alone by saving in half precision."""
    return lively(imagenet.architecture(network)).half().float().eval()


def lively(net: nn.Module) -> nn.Module:
    """Draw weights under which activations do not fade from layer to layer."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return net


def half(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.half() for name, value in net.state_dict().items()}


@pytest.fixture
def headless(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """AlexNet without its classifier, nine tenths of its weights, which no tower needs."""
    whole = imagenet.architecture

    def without(network: str) -> nn.Module:
        with torch.device("meta"):
            net = whole(network)
        net.classifier = nn.Identity()
        return net.to_empty(device="cpu")

    monkeypatch.setattr(imagenet, "architecture", without)
    monkeypatch.setattr(lpips_alex, "architecture", without)
    net = without("alexnet")
    torch.manual_seed(0)
    for layer in net.features:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
    return net.eval()


# The table.


def test_every_tower_is_an_output_of_its_network():
    assert {tower.network for tower in TOWERS.values()} == set(NETWORKS)
    assert outputs("inception-fid") == ["inception-fid", "inception-fid:logits"]
    assert outputs("vit-h-14") == ["vit-h-14:logits"]
    assert outputs("alexnet") == ["alexnet-2", "alexnet-5"]
    assert towers_giving("logits") == ["pocket_judge", "inception-fid", "vit-h-14"]
    assert "vit-h-14" not in towers_giving("features")
    files = [file_of(output) for network in NETWORKS for output in outputs(network)]
    assert len(set(files)) == len(files) == len(TOWERS) + 2
    assert file_of("vit-h-14:logits") == "vit-h-14.logits.npy"
    assert [name for name, tower in TOWERS.items() if tower.ships] == [
        "pocket_judge", "pocket_judge-1", "pocket_judge-2", "lpips-pocket"
    ]  # fmt: skip


def test_names_that_are_no_towers_are_told_with_a_hint():
    assert unknown("alexnet-5") is None
    assert "Did you mean 'alexnet-2'?" in str(unknown("alexnet2"))
    assert "'vit-h-14' gives no features. Towers that do: pocket" in str(
        unknown("vit-h-14", giving="features")
    )
    assert missing("alexnet", None) == [unknown("alexnet")]


def test_towers_that_are_fetched_are_pinned_and_named():
    for name, tower in TOWERS.items():
        row = NETWORKS[tower.network]
        (how,) = missing(name, None) or [""]
        if row.repository is not None:
            assert len(str(row.revision)) == 40, name
            assert f"hf download {row.repository} --revision {row.revision}" in how
        elif not row.ships:
            assert row.url is not None
            assert row.sha256 is not None
            assert row.url.endswith(row.files[0])
            assert len(row.sha256) >= 8
            int(row.sha256, 16)
            assert f"-o DIR/{row.folder}/{row.files[0]} {row.url} (licence" in how
        else:
            assert how == ""
    with pytest.raises(UserError, match="image network 'clip-vit-l-14': .* lacks config.json"):
        load("clip-vit-l-14", Path("/nowhere"), device="cpu")


def test_addresses_are_those_of_the_libraries():
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    for network, weights in ENUMS.items():
        assert NETWORKS[network].url == weights.url
        assert f"{weights.name}" in next(
            tower.definition for tower in TOWERS.values() if tower.network == network
        )
    assert NETWORKS["inception-fid"].url == URL_INCEPTION_V3
    assert str(NETWORKS["inception-fid"].sha256).startswith("6726825d")


def test_a_file_that_is_not_the_published_one_is_refused(put: PUT, monkeypatch: pytest.MonkeyPatch):
    sha256 = NETWORKS["efficientnet-b1"].sha256
    root = put("efficientnet-b1", {"a": torch.zeros(1)})
    assert missing("efficientnet-b1", root) == []
    before = table.fingerprint("efficientnet-b1", root)
    monkeypatch.setitem(
        NETWORKS, "efficientnet-b1", replace(NETWORKS["efficientnet-b1"], sha256=sha256)
    )
    (sentence,) = missing("efficientnet-b1", root)
    assert "is not the published file or not all of it" in sentence
    assert "not c27df63c" in sentence
    assert "curl -L" in sentence
    put("efficientnet-b1", {"a": torch.ones(1)})
    assert table.fingerprint("efficientnet-b1", root) != before


# What ships.


def test_the_pocket_tower_tells_classes_apart():
    images = drawings(8)[[0, 2, 4, 6, 1, 3, 5, 7]]
    found = load("pocket_judge", None, device="cpu")(images)
    feature = F.normalize(found["pocket_judge"], dim=1)
    assert feature.shape == (8, TOWERS["pocket_judge"].width)
    same, other = feature[0] @ feature[1:4].T, feature[0] @ feature[4:].T
    assert same.min() > other.max()
    assert found["pocket_judge:logits"].shape == (8, TOWERS["pocket_judge"].n_classes)
    assert found["pocket_judge:logits"].argmax(1).tolist() == [0] * 4 + [1] * 4


def judge() -> nn.Module:
    shape = {"n_classes": 10, "width": 16}
    return pocket.network(shape, table.SHIPPED / "model.safetensors", device="cpu")


def test_stages_of_the_judge_are_what_it_passes_on():
    images = drawings(3)
    found = load("pocket_judge-stages", None, device="cpu")(images)
    with torch.no_grad():
        layers = pocket.stages(judge(), pocket.scaled(images, "cpu"))
        features_BF = judge().features(pocket.scaled(images, "cpu"))
    assert [tuple(layer.shape[1:]) for layer in layers] == [
        (16, 32, 32), (32, 16, 16), (64, 8, 8), (96, 4, 4)
    ]  # fmt: skip
    torch.testing.assert_close(layers[-1].mean((2, 3)), features_BF)
    for i in (1, 2):
        torch.testing.assert_close(found[f"pocket_judge-{i}"], layers[i - 1].flatten(1))
        assert found[f"pocket_judge-{i}"].shape[1] == TOWERS[f"pocket_judge-{i}"].width


def test_lpips_pocket_is_a_mean_over_places_of_each_stage():
    images = drawings(3)
    vector_BF = load("lpips-pocket", None, device="cpu")(images)["lpips-pocket"]
    assert vector_BF.shape[1] == TOWERS["lpips-pocket"].width
    with torch.no_grad():
        layers = pocket.stages(judge(), pocket.scaled(images, "cpu"))
    units = [F.normalize(layer, dim=1) for layer in layers]
    expected = sum((unit[0] - unit[1:]).square().sum(1).mean((1, 2)) for unit in units)
    distance = (vector_BF[0] - vector_BF[1:]).square().sum(1)
    torch.testing.assert_close(distance, expected, atol=1e-5, rtol=1e-5)
    assert distance.min() > 0.1


# torchvision.


@pytest.mark.parametrize("network", ENUMS)
def test_the_architecture_is_that_of_the_weights(network: str):
    with torch.device("meta"):
        net = imagenet.architecture(network)
    assert sum(p.numel() for p in net.parameters()) == ENUMS[network].meta["num_params"]


@pytest.mark.parametrize("network", imagenet.SIZES)
def test_pictures_are_prepared_as_mindeye2_does(network: str):
    own = ENUMS[network].transforms()
    assert own.resize_size == [imagenet.SIZES[network]]
    whole = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(own.resize_size),
            torchvision.transforms.Normalize(own.mean, own.std),
        ]
    )
    for side in (64, 512):
        images = noise(2, side)
        expected = torch.stack([whole(torch.from_numpy(image) / 255) for image in images])
        torch.testing.assert_close(imagenet.prepared(network, images), expected)


def test_vit_takes_pictures_by_its_own_transforms():
    own = ENUMS["vit-h-14"].transforms()
    images = noise(2, 96)
    pictures = [own(Image.fromarray(image.transpose(1, 2, 0))) for image in images]
    found = imagenet.prepared("vit-h-14", images)
    assert found.shape == (2, 3, 518, 518)
    assert torch.equal(found, torch.stack(pictures))


def test_alexnet_s_towers_are_its_second_and_fifth_convolution(put: PUT, headless: nn.Module):
    images = noise(3, 64)
    found = load("alexnet", put("alexnet", headless.state_dict()), device="cpu")(images)
    f, values = headless.features, imagenet.prepared("alexnet", images)
    with torch.no_grad():
        second = F.relu(f[3](F.max_pool2d(F.relu(f[0](values)), 3, 2)))
        third = F.relu(f[6](F.max_pool2d(second, 3, 2)))
        fifth = F.relu(f[10](F.relu(f[8](third))))
    assert list(found) == outputs("alexnet")
    torch.testing.assert_close(found["alexnet-2"], second.flatten(1))
    torch.testing.assert_close(found["alexnet-5"], fifth.flatten(1))
    assert found["alexnet-2"].shape == (3, TOWERS["alexnet-2"].width)
    assert found["alexnet-5"].shape == (3, TOWERS["alexnet-5"].width)


@pytest.mark.parametrize("network", ["inception-v3", "efficientnet-b1"])
def test_pooled_features_are_those_of_the_node_avgpool(
    network: str, put: PUT, monkeypatch: pytest.MonkeyPatch
):
    state, weights = half(random(network)), ENUMS[network]
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *_, **__: state)
    net = models.get_model(network.replace("-", "_"), weights=weights).eval()
    node = create_feature_extractor(net, ["avgpool"], suppress_diff_warning=True)
    images = noise(1, 64)
    with torch.no_grad():
        expected = node(imagenet.prepared(network, images))["avgpool"].flatten(1)
    (values,) = load(network, put(network, state), device="cpu")(images).values()
    assert values.shape == (1, TOWERS[network].width)
    spread = expected.std()  # random networks give small numbers
    torch.testing.assert_close(values / spread, expected / spread, atol=1e-5, rtol=1e-5)


def test_vit_scores_classes(put: PUT, monkeypatch: pytest.MonkeyPatch):
    def small(_: str) -> nn.Module:
        return models.VisionTransformer(
            image_size=518, patch_size=37, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16
        )

    monkeypatch.setattr(imagenet, "architecture", small)
    net = random("vit-h-14")
    nn.init.normal_(net.heads.head.weight)
    images = noise(5, 64)
    found = load("vit-h-14", put("vit-h-14", net.state_dict()), device="cpu")(images)
    with torch.no_grad():
        expected = net(imagenet.prepared("vit-h-14", images))
    assert list(found) == outputs("vit-h-14")
    assert expected.std() > 0.1
    torch.testing.assert_close(found["vit-h-14:logits"], expected)


# LPIPS, FID, CLIP.


@pytest.mark.parametrize("side", [256, 300])
def test_squared_distance_of_lpips_alex_is_lpips(
    side: int, put: PUT, headless: nn.Module, monkeypatch: pytest.MonkeyPatch
):
    from torchmetrics.functional.image import lpips

    monkeypatch.setattr(lpips, "_get_tv_model_features", lambda *_: headless.features)
    first = noise(1, side)
    second = np.concatenate([noise(2, side)[1:], 255 - first, first // 2])
    root = put("lpips-alex", headless.state_dict())
    run = load("lpips-alex", root, device="cpu")
    vector_BF = run(np.concatenate([first, second]))["lpips-alex"]
    assert vector_BF.shape == (4, TOWERS["lpips-alex"].width)
    found = (vector_BF[0] - vector_BF[1:]).square().sum(1)
    pixels = [torch.from_numpy(images).float() / 127.5 - 1 for images in (first, second)]
    if side > 256:
        pixels = [F.interpolate(p, (256, 256), mode="bilinear", antialias=True) for p in pixels]
    expected = lpips.learned_perceptual_image_patch_similarity(
        pixels[0].expand(3, -1, -1, -1).clamp(-1, 1), pixels[1].clamp(-1, 1), reduction="none"
    )
    assert expected.min() > 1e-3
    assert (found - expected).abs().max() <= 1e-5


def fidelity_network(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    from torch_fidelity import feature_extractor_inceptionv3 as source

    network = source.FeatureExtractorInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(source, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(network, "load_state_dict", lambda *_: None)
        return lively(network("fid", ["2048", "logits_unbiased"])).half().float()


def test_inception_fid_is_torch_fidelity_s(put: PUT, monkeypatch: pytest.MonkeyPatch):
    net = fidelity_network(monkeypatch)
    images = noise(1, 64)
    found = load("inception-fid", put("inception-fid", half(net)), device="cpu")(images)
    assert list(found) == outputs("inception-fid")
    for values, expected, width in zip(
        found.values(), net(torch.from_numpy(images)), (2048, 1008), strict=True
    ):
        assert values.shape == (1, width)
        assert expected.std() > 0.01
        torch.testing.assert_close(values, expected, atol=1e-5, rtol=1e-5)


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run by a pickle",)


@pytest.mark.parametrize("network", ["inception-fid", "alexnet"])
def test_no_file_of_weights_runs_code(network: str, put: PUT, capsys: pytest.CaptureFixture[str]):
    root = put(network, {"harmful": Harmful()})
    capsys.readouterr()
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load(network, root, device="cpu")
    assert "run by a pickle" not in capsys.readouterr().out


def test_a_clip_tower_is_transformers_own(tmp_path: Path):
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=16, projection_dim=8,
    )  # fmt: skip
    model = CLIPVisionModelWithProjection(config).eval()
    model.save_pretrained(tmp_path / "clip-vit-l-14")
    images = noise(2, 64)
    found = load("clip-vit-l-14", tmp_path, device="cpu")(images)
    size = {"shortest_edge": 32}, {"height": 32, "width": 32}
    processor = CLIPImageProcessor(size=size[0], crop_size=size[1])
    pixels = processor(list(images), return_tensors="pt", input_data_format="channels_first")
    expected = model(**pixels).image_embeds
    torch.testing.assert_close(found["clip-vit-l-14"], expected, atol=0.02, rtol=0.02)


# Running them.


def test_what_is_said_of_a_picture_depends_on_no_other(put: PUT, headless: nn.Module):
    root = put("alexnet", headless.state_dict())
    for network in ("pocket_judge", "pocket_judge-stages", "lpips-pocket", "alexnet"):
        run = load(network, root, device="cpu")
        images = drawings()
        together = run(images)
        for output, values in together.items():
            assert values.dtype == torch.float32
            assert not values.requires_grad
            alone = torch.cat([run(image[None])[output] for image in images])
            assert torch.equal(values, alone), output


def test_the_stage_publishes_pictures_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_picture_features, "BLOCK", 4)
    images = drawings(10)
    np.save(tmp_path / "images.npy", images.reshape(5, 2, *images.shape[1:]))
    ids = [f"0{i}" for i in range(5)]
    pd.DataFrame({"trial_id": ids}).to_csv(tmp_path / "index.csv", index=False)
    out = tmp_path / "out"
    out.mkdir()
    params = {"tower": "picture", "network": "pocket_judge", "of": "drawn"}
    features.run({"generate": tmp_path}, params, out, Context(work=tmp_path / "work"))
    assert {path.name for path in out.iterdir()} == {
        "pocket_judge.npy", "pocket_judge.logits.npy", "trial_ids.npy", "tower.json"
    }  # fmt: skip
    assert np.load(out / "trial_ids.npy").tolist() == ids
    expected = load("pocket_judge", None, device="cpu")(images)
    for output in outputs("pocket_judge"):
        values_NKF = np.load(out / file_of(output))
        assert values_NKF.dtype == np.float32
        assert values_NKF.shape[:2] == (5, 2)
        np.testing.assert_array_equal(values_NKF.reshape(10, -1), expected[output].numpy())
    definition = json.loads((out / "tower.json").read_text())["definition"]
    assert definition == {"pocket_judge": TOWERS["pocket_judge"].definition}


def test_the_stage_publishes_pictures_seen_in_the_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_picture_features, "BLOCK", 2)
    ids = np.array([f"n03063599_{i:04d}" for i in (4, 2, 3, 2, 0, 9)])
    split = np.array(["test", "test", "test", "test", "train", "val"])
    other = dict.fromkeys(("trial_id", "label", "true_label", "subject"), np.arange(6))
    np.savez(tmp_path / "select.npz", image_id=ids, split=split, **other)
    out = tmp_path / "out"
    out.mkdir()
    params = {
        "tower": "picture", "network": "pocket_judge-stages", "of": "seen", "split": "test",
        "dataset": "pocket", "dataset_params": {},
    }  # fmt: skip
    inputs = dict.fromkeys(("prepare", "select"), tmp_path)
    features.run(inputs, params, out, Context(work=tmp_path / "work"))
    seen = json.loads((out / "image_ids.json").read_text())
    assert seen == [f"n03063599_{i:04d}" for i in (2, 3, 4)]
    expected = load("pocket_judge-stages", None, device="cpu")(Pocket().images(seen))
    for output in outputs("pocket_judge-stages"):
        np.testing.assert_array_equal(np.load(out / file_of(output)), expected[output].numpy())
