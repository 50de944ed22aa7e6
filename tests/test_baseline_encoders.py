"""The paper's baselines LSTM and EEGChannelNet: what each owes to its authors' sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.encoders.eeg_channel_net import EEGChannelNet
from zoo.encoders.lstm import LSTM
from zoo.objectives.classify import Classify

PAPER = {"n_chans": 128, "n_times": 440, "sfreq": 1000.0}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


# ---- LSTM


def test_lstm_has_the_published_size():
    encoder = LSTM(**PAPER)
    head = Classify(n_tokens=1, embed_dim=128, n_outputs=40)
    assert encoder(torch.zeros(2, 128, 440), torch.zeros(2)).shape == (2, 1, 128)
    assert parameters(encoder) == 4 * 128 * (128 + 128 + 2) + 128 * 128 + 128 == 148_608
    assert parameters(encoder) + parameters(head) == 153_768
    assert parameters(LSTM(**PAPER, n_layers=4)) == 148_608 + 3 * 132_096


def test_lstm_steps_over_time_and_gives_its_last_state():
    """One step at a time, gate by gate, gives the same token."""
    encoder = LSTM(n_chans=3, n_times=7, sfreq=100.0, hidden_size=5, embed_dim=4)
    eeg_BCT, lstm = noise(2, 3, 7), encoder.lstm
    hidden = cell = torch.zeros(2, 5)
    for t in range(7):
        gates = eeg_BCT[:, :, t] @ lstm.weight_ih_l0.T + lstm.bias_ih_l0
        take, keep, new, show = (gates + hidden @ lstm.weight_hh_l0.T + lstm.bias_hh_l0).chunk(4, 1)
        cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
        hidden = show.sigmoid() * cell.tanh()
    expected = encoder.output(hidden).clamp(min=0)
    torch.testing.assert_close(encoder(eeg_BCT, torch.zeros(2))[:, 0], expected)


def gradient_over_time(encoder: LSTM) -> Tensor:
    eeg_BCT = noise(4, 128, 440).requires_grad_()
    encoder(eeg_BCT, torch.zeros(4)).sum().backward()
    return eeg_BCT.grad.abs().sum((0, 1))


def test_lstm_hears_the_whole_window_from_the_start_and_as_published_does_not():
    torch.manual_seed(0)
    heard_T = gradient_over_time(LSTM(**PAPER))
    assert heard_T.min() > heard_T.max() / 1000
    published_T = gradient_over_time(LSTM(**PAPER, init="published"))
    assert not published_T[:200].any()
    assert published_T[-1] > 0


def test_lstm_memories_are_spread_over_the_window():
    torch.manual_seed(0)
    lstm = LSTM(n_chans=4, n_times=440, sfreq=1000.0, hidden_size=2000, n_layers=2).lstm
    for layer in (0, 1):
        bias = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")
        take, keep, new, show = bias.chunk(4)
        assert keep.min() >= 0
        assert keep.exp().max() <= 439
        assert keep.exp().mean().item() == pytest.approx(220, rel=0.05)
        assert torch.equal(take, -keep)
        assert not new.any()
        assert not show.any()


# ---- EEGChannelNet


def test_eeg_channel_net_has_every_shape_of_the_authors():
    with torch.device("meta"):
        encoder = EEGChannelNet(**PAPER)
        x = torch.empty(2, 1, 128, 440)
        for name, shape in {
            "temporal": (40, 128, 220),
            "spatial": (200, 64, 220),
            "residual": (200, 3, 12),
            "final": (50, 1, 10),
        }.items():
            x = getattr(encoder, name)(x)
            assert tuple(x.shape[1:]) == shape, name
        tokens_BLD = encoder(torch.empty(2, 128, 440), torch.empty(2))
    assert tokens_BLD.shape == (2, 1, 1000)


def test_eeg_channel_net_has_the_layers_of_the_authors():
    with torch.device("meta"):
        encoder = EEGChannelNet(**PAPER)
    temporal = [layer[3] for layer in encoder.temporal]
    assert {(c.kernel_size, c.stride, c.out_channels) for c in temporal} == {((1, 33), (1, 2), 10)}
    assert [c.dilation for c in temporal] == [(1, 1), (1, 2), (1, 4), (1, 8)]
    assert [layer[2].padding[:2] for layer in encoder.temporal] == [
        (16, 16), (32, 32), (64, 64), (128, 128)
    ]  # fmt: skip
    spatial = [layer[3] for layer in encoder.spatial]
    assert {(c.stride, c.out_channels) for c in spatial} == {((2, 1), 50)}
    assert [c.kernel_size for c in spatial] == [(128, 1), (64, 1), (42, 1), (32, 1)]
    assert [layer[2].padding for layer in encoder.spatial] == [
        (0, 0, 63, 63), (0, 0, 31, 31), (0, 0, 20, 20), (0, 0, 15, 15)
    ]  # fmt: skip
    downs = [layer[2] for layer in encoder.residual[1::2]]
    assert [(c.kernel_size, c.stride) for c in downs] == [((3, 3), (2, 2))] * 4
    padded, others = [*encoder.temporal, *encoder.spatial], [*encoder.residual[1::2], encoder.final]
    order = [nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.Dropout2d]
    assert all([type(part) for part in layer] == order for layer in others)
    order.insert(2, nn.ZeroPad2d)
    assert all([type(part) for part in layer] == order for layer in padded)
    assert {layer[-2].padding for layer in padded + others} == {(0, 0)}
    assert {layer[-1].p for layer in padded + others} == {0.2}


def test_eeg_channel_net_has_the_size_of_the_authors():
    with torch.device("meta"):
        encoder = EEGChannelNet(**PAPER)
        head = Classify(n_tokens=1, embed_dim=1000, n_outputs=40)
    expected = {
        "temporal": 4 * (2 + 10 * 33 + 10),
        "spatial": 4 * 2 * 40 + 50 * 40 * (128 + 64 + 42 + 32) + 200,
        "residual": 4 * (2 * 200 * 200 * 9 + 2 * 400 + 400 + 200 * 200 * 9 + 200),
        "final": 400 + 50 * 200 * 9 + 50,
        "embedding": 500 * 1000 + 1000,
    }
    assert {name: parameters(part) for name, part in encoder.named_children()} == expected
    assert parameters(encoder) == 5_450_938
    assert parameters(encoder) + parameters(head) == 5_490_978


def test_a_residual_block_adds_to_its_input():
    with torch.device("meta"):
        encoder = EEGChannelNet(n_chans=4, n_times=32, sfreq=100.0, spatial_filters=2)
    block = encoder.residual[0].to_empty(device="cpu").eval()
    for parameter in block.parameters():
        nn.init.zeros_(parameter)  # the branch beside the skip connection gives nothing
    for name, value in block.named_buffers():
        value.fill_("running_var" in name)
    x = noise(1, 8, 3, 5)
    torch.testing.assert_close(block(x), x.clamp(min=0))


@pytest.mark.parametrize("n_chans", [1, 2, 3, 4, 5, 17, 30, 63, 64, 129])
@pytest.mark.parametrize("n_times", [1, 20, 63, 250])
def test_eeg_channel_net_takes_any_size(n_chans: int, n_times: int):
    with torch.device("meta"):
        encoder = EEGChannelNet(n_chans=n_chans, n_times=n_times, sfreq=250.0, spatial_filters=2)
        x = encoder.temporal(torch.empty(2, 1, n_chans, n_times))
        assert {layer(x).shape[2] for layer in encoder.spatial} == {(n_chans + 1) // 2}
        tokens_BLD = encoder(torch.empty(2, n_chans, n_times), torch.empty(2))
    assert tokens_BLD.shape == (2, 1, 1000)


def test_kernels_over_all_rows_have_the_gradients_of_double_precision():
    """Padded by the convolution itself they have not, on some CPUs: 1e27 times too large."""

    def gradients(dtype: torch.dtype) -> dict[str, Tensor]:
        torch.manual_seed(0)
        encoder = EEGChannelNet(
            n_chans=32, n_times=60, sfreq=100.0, temporal_filters=5, spatial_filters=12
        )
        encoder.to(dtype).eval()(noise(2, 32, 60).to(dtype), torch.zeros(2)).sum().backward()
        return {name: p.grad.double() for name, p in encoder.named_parameters()}

    single, double = gradients(torch.float32), gradients(torch.float64)
    for name, expected in double.items():
        assert (single[name] - expected).norm() <= 1e-2 * expected.norm(), name
