"""Encoders: the contract battery over all of them, and what each owes to its paper."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from zoo import create, list_encoders
from zoo.checks import check_encoder, promises
from zoo.encoders.eeg_conv_net import EEGConvNet, SpatialConv
from zoo.objectives.classify import Classify
from zoo.registries import ENCODERS

PROMISES = promises("encoder")
PAPER = {"n_chans": 128, "n_times": 440, "sfreq": 1000.0}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in PROMISES])
def test_promise(promise: Callable[[], None]):
    promise()


def test_the_battery_covers_every_encoder():
    ids = [i for i, _ in PROMISES]
    assert "encoder-eegnet-batch_equals_single" in ids
    assert {"eeg_conv_net", "eegnet", "shallow_conv_net"} <= set(list_encoders())
    per_encoder = {n: sum(i.startswith(f"encoder-{n}-") for i in ids) for n in list_encoders()}
    assert min(per_encoder.values()) == max(per_encoder.values()) >= 14


# ---- EEGConvNet against the paper's encoder figure


def test_eeg_conv_net_has_every_shape_of_the_paper():
    encoder = EEGConvNet(**PAPER).eval()
    x = torch.zeros(1, 1, 128, 440)
    expected = {
        "temporal": (32, 128, 221),  # computed; the figure prints 220
        "residual1": (32, 128, 221),
        "spatial": (64, 1, 55),
        "residual2": (64, 1, 55),
        "deep": (128, 1, 7),
        "widen": (128, 1, 768),
        "tokens": (77, 1, 768),
    }
    with torch.no_grad():
        for name, shape in expected.items():
            x = getattr(encoder, name)(x)
            assert tuple(x.shape[1:]) == shape, name
        tokens_BLD = encoder(torch.zeros(1, 128, 440), torch.zeros(1, dtype=torch.long))
    assert torch.equal(tokens_BLD, x.squeeze(2))
    assert tokens_BLD.shape == (1, 77, 768)


def test_eeg_conv_net_has_the_layers_of_the_paper():
    encoder = EEGConvNet(**PAPER)
    temporal, deep = encoder.temporal[0], encoder.deep[0]
    assert (temporal.kernel_size, temporal.stride, temporal.padding) == ((1, 64), (1, 2), (0, 32))
    assert (deep.kernel_size, deep.stride, deep.padding) == ((1, 16), (1, 2), (0, 8))
    assert encoder.spatial[0].weight.shape == (64, 1, 128, 1)  # 32 groups of 2
    assert [m.kernel_size for m in encoder.modules() if isinstance(m, nn.AvgPool2d)] == [
        (1, 4),
        (1, 4),
    ]
    assert [m.p for m in encoder.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert sum(isinstance(m, nn.ELU) for m in encoder.modules()) == 2


def test_eeg_conv_net_has_the_size_of_the_paper():
    encoder = EEGConvNet(**PAPER)
    head = Classify(n_tokens=77, embed_dim=768, n_outputs=40)
    assert parameters(encoder) == 250_605
    assert parameters(head) == 2_365_480
    assert parameters(encoder) + parameters(head) == 2_616_085


@pytest.mark.parametrize(("n_times", "width"), [(440, 7), (250, 4), (128, 4), (96, 7), (30, 3)])
def test_eeg_conv_net_keeps_columns_in_short_windows(n_times: int, width: int):
    encoder = EEGConvNet(n_chans=4, n_times=n_times, sfreq=250.0)
    assert encoder.widen.in_features == width
    assert encoder.eval()(torch.zeros(1, 4, n_times), torch.zeros(1)).shape == (1, 77, 768)


def test_undrawn_details_are_parameters():
    plain = EEGConvNet(**PAPER)
    bare = EEGConvNet(**PAPER, residual_norm=False)  # biases instead of norms: the table's count
    assert parameters(bare) == parameters(plain) - 2 * (2 * 32 + 2 * 64) + 2 * (32 + 64) == 250_413
    assert parameters(EEGConvNet(**PAPER, bias=False)) == parameters(plain) - 32 - 64 - 128
    double = EEGConvNet(**PAPER, residual_blocks=2, temporal_activation="elu", deep_pool=2)
    assert len(double.residual1) == 2
    assert double.widen.in_features == 14


@pytest.mark.parametrize("bias", [True, False])
def test_spatial_conv_is_the_grouped_convolution(bias: bool):
    ours, theirs = SpatialConv(3, 2, 5, bias=bias), nn.Conv2d(3, 6, (5, 1), groups=3, bias=bias)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 3, 5, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x))


# ---- braindecode's networks


@pytest.mark.parametrize("name", ["eegnet", "shallow_conv_net"])
def test_tokens_are_a_linear_map_of_braindecode_s_features(name: str):
    from braindecode.models import EEGNet, ShallowFBCSPNet

    encoder = create("encoder", name, n_chans=8, n_times=250, sfreq=250.0, embed_dim=6).eval()
    assert isinstance(
        encoder.network, {"eegnet": EEGNet, "shallow_conv_net": ShallowFBCSPNet}[name]
    )
    features = []
    encoder.network.final_layer.register_forward_pre_hook(
        lambda _module, arguments: features.append(arguments[0].flatten(1))
    )
    eeg_BCT = torch.randn(3, 8, 250, generator=torch.Generator().manual_seed(0))
    tokens_BLD = encoder(eeg_BCT, torch.zeros(3))
    linear = encoder.network.final_layer[1]
    torch.testing.assert_close(tokens_BLD[:, 0], linear(features[0]))


def test_lengths_follow_the_sampling_rate():
    def kernels(sfreq: float, n_times: int) -> tuple[int, int, int, int]:
        eegnet = create("encoder", "eegnet", n_chans=4, n_times=n_times, sfreq=sfreq).network
        shallow = create(
            "encoder", "shallow_conv_net", n_chans=4, n_times=n_times, sfreq=sfreq
        ).network
        return (
            eegnet.kernel_length,
            eegnet.pool1_kernel_size,
            shallow.filter_time_length,
            shallow.pool_time_length,
        )

    assert kernels(128.0, 256)[:2] == (64, 4)  # EEGNet as published
    assert kernels(250.0, 1000)[2:] == (25, 75)  # ShallowConvNet as published
    assert kernels(1000.0, 2000) == (500, 31, 100, 300)
    assert kernels(250.0, 100)[0] == 50  # half of a short window


def test_building_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in list_encoders():
            create("encoder", name, n_chans=4, n_times=128, sfreq=128.0)


# ---- the battery itself


def test_the_battery_finds_what_is_wrong():
    class Broken(nn.Module):
        """Mixes the batch, skips a channel, ignores its shape."""

        __component__ = ("encoder", {"license": "MIT", "tokens": (1, "embed_dim")})

        def __init__(self, *, n_chans: int, n_times: int, sfreq: float, embed_dim: int = 4):
            super().__init__()
            self.n_tokens, self.embed_dim = 1, embed_dim
            self.layer = nn.Linear(n_times, embed_dim)

        def forward(self, eeg_BCT: torch.Tensor, subject_B: torch.Tensor) -> torch.Tensor:
            tokens_BLD = self.layer(eeg_BCT[:, 1:]).mean(1, keepdim=True)
            return tokens_BLD - tokens_BLD.mean(0)

    with pytest.raises(AssertionError) as caught:
        check_encoder(Broken)
    said = str(caught.value)
    assert "batch_equals_single (A trial's tokens do not depend on the trials beside it.)" in said
    assert "channels without influence: [0]" in said
    assert "wrong_shape_is_refused" in said
    assert "time_matters" not in said


def test_every_encoder_states_how_to_train_it():
    for spec in ENCODERS.specs():
        assert {"epochs", "batch_size", "lr"} <= set(spec.meta["train"]), spec.name


def test_nice_is_the_published_chain_of_layers():
    """The composed kernel gives what convolution, average, norm and spatial convolution give."""
    torch.manual_seed(0)
    nice = ENCODERS.create("nice", n_chans=63, n_times=250, sfreq=250.0).eval()
    eeg_BCT = torch.randn(2, 63, 250)
    conv = nice.temporal.conv
    assert conv.weight.shape == (40, 1, 1, 25)
    pooled = nn.functional.avg_pool2d(conv(eeg_BCT.unsqueeze(1)), (1, 51), (1, 5))
    torch.testing.assert_close(nice.temporal(eeg_BCT), pooled, atol=1e-5, rtol=1e-5)
    assert pooled.shape == (2, 40, 63, 36)
    assert nice.projection.linear.in_features == 1440
    x = nn.functional.elu(nice.spatial_norm(nice.spatial(nn.functional.elu(
        nice.temporal_norm(pooled)))))  # fmt: skip
    expected = nice.projection(nice.mix(x).squeeze(2).transpose(1, 2).flatten(1))
    found = nice(eeg_BCT, torch.zeros(2))
    torch.testing.assert_close(found.squeeze(1), expected, atol=1e-5, rtol=1e-5)


def test_linear_projection_has_the_published_size():
    encoder = ENCODERS.create("linear_projection", n_chans=17, n_times=250, sfreq=250.0)
    parameters = sum(p.numel() for p in encoder.parameters())
    assert parameters == (17 * 250 + 1) * 1024 + (1024 + 1) * 1024 + 2 * 1024
