"""LSTM: all channels, sample by sample, through one recurrent layer; its last state is the token.

Spampinato et al. (2017), Deep Learning Human Mind for Automated Visual Classification (CVPR), the
encoder that the data set's authors release: LSTM of 128 units, linear layer of 128, ReLU. Their
class layer is that of the objective ``classify``. Yang & Liu (2024) compare with it.

First weights differ (`init`, ours). As published, a cell forgets half of its content at every
sample: over the paper's 440 samples the gradient from the first half of the window is exactly zero
in float32, and that from the next quarter all but zero. Here the gates' biases are drawn so that
the cells remember for one sample up to the whole window, after Tallec & Ollivier (2018), Can
Recurrent Neural Networks Warp Time? (ICLR). ``init: published`` is for the paper's own baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from registry import component
from zoo.encoders._shape import require_shape


@component(
    "encoder",
    paper="10.48550/arXiv.1609.00344",
    license="BSD-3-Clause",
    tokens=(1, "embed_dim"),
    tiny={"embed_dim": 16, "hidden_size": 16},
    train={"epochs": 200, "batch_size": 16, "lr": 1e-3, "weight_decay": 0.0},
)
class LSTM(nn.Module):
    """Recurrent network over time; the last step through a linear layer and ReLU.

    Parameters
    ----------
    n_chans, n_times : int
        Size of a trial.
    sfreq : float
        Not used: one step is one sample.
    n_subjects : int
        Not used; all subjects share the weights.
    ch_names : sequence of str, optional
        Not used.
    embed_dim : int
        Width of the token, D.
    hidden_size : int
        Units of each recurrent layer.
    n_layers : int
        Recurrent layers.
    init : {"chrono", "published"}
        First biases of the gates: memory of up to the whole window, or the paper's.

    Attributes
    ----------
    n_tokens, embed_dim : int
        Shape of the tokens; one token.
    """

    def __init__(
        self,
        *,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_subjects: int = 1,
        ch_names: Sequence[str] | None = None,
        embed_dim: int = 128,
        hidden_size: int = 128,
        n_layers: int = 1,
        init: Literal["chrono", "published"] = "chrono",
    ):
        super().__init__()
        self.n_chans, self.n_times = n_chans, n_times
        self.n_tokens, self.embed_dim = 1, embed_dim
        self.lstm = nn.LSTM(n_chans, hidden_size, n_layers, batch_first=True)
        self.output = nn.Linear(hidden_size, embed_dim)
        if init == "chrono":
            remember_for_up_to(n_times, self.lstm)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD`` with L = 1, none negative; `subject_B` is not used."""
        require_shape(eeg_BCT, name="lstm", n_chans=self.n_chans, n_times=self.n_times)
        states_BTH, _ = self.lstm(eeg_BCT.transpose(1, 2))
        return torch.relu(self.output(states_BTH[:, -1])).unsqueeze(1)


@torch.no_grad()
def remember_for_up_to(n_times: int, lstm: nn.LSTM) -> None:
    """Draw gate biases so that the cells' memories are spread evenly over 1 to `n_times` samples.

    A forget gate of bias ``b`` keeps a value for about ``1 + exp(b)`` samples. The input gate gets
    the opposite bias: what sums for longer takes in less at a time.
    """
    for layer in range(lstm.num_layers):
        in_bias, bias = getattr(lstm, f"bias_ih_l{layer}"), getattr(lstm, f"bias_hh_l{layer}")
        samples_H = torch.empty(lstm.hidden_size).uniform_(1, max(2, n_times - 1))
        for parameter in (in_bias, bias):
            parameter.zero_()
        input_gate, forget_gate, _, _ = in_bias.chunk(4)  # torch's order of the gates
        forget_gate.copy_(samples_H.log())
        input_gate.copy_(-samples_H.log())
