"""Both architectures that translate, written out a second time from the papers' equations in double precision.

The transformer in numpy's einsum, a row at a time without padding; the recurrent decoder one step at a time, every gate
by its own matrix. The encoder of the latter is held against torch's own in ``test_torch_recurrent.py``.
S positions of the source · T of the target · H heads · E features of a head · D features · F inner features · V vocabulary
"""  # noqa: E501

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from minnow.models.rnn_seq2seq import RnnSeq2Seq, RnnSeq2SeqConfig
from minnow.models.seq2seq import Seq2Seq
from minnow.models.transformer_seq2seq import TransformerSeq2Seq, TransformerSeq2SeqConfig

pytestmark = pytest.mark.usefixtures("one_thread")
Doubles = NDArray[np.float64]
SOURCES = [[3, 9, 4, 4, 11, 6, 2], [5], [8, 1, 7]]
TARGETS = [[7, 6, 12], [4, 9, 9, 3, 10, 1], [11]]


def large(model: Seq2Seq) -> Any:
    """With weights that make every part of the model count."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def one_row(model: Any, source: list[int], target: list[int], dtype: torch.dtype) -> tuple[Doubles, Doubles]:
    """The model's logits [T, V] and attention [T, S] for one pair, which stands in a batch with the others."""
    row = SOURCES.index(source)
    lengths_B = torch.tensor([len(one) for one in SOURCES])
    source_ids_BS = torch.zeros(len(SOURCES), int(lengths_B.max()), dtype=torch.long)
    target_ids_BT = torch.zeros(len(SOURCES), max(map(len, TARGETS)), dtype=torch.long)
    for number, (one, other) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        source_ids_BS[number, : len(one)], target_ids_BT[number, : len(other)] = torch.tensor(one), torch.tensor(other)
    model = model.to(dtype)
    logits_BTV = model(source_ids_BS, lengths_B, target_ids_BT)
    weights_BTS = model.attention(source_ids_BS, lengths_B, target_ids_BT)
    logits_TV, weights_TS = logits_BTV[row, : len(target)], weights_BTS[row, : len(target), : len(source)]
    return logits_TV.detach().double().numpy(), weights_TS.double().numpy()


# The transformer


def softmax(scores: Doubles) -> Doubles:
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    softened: Doubles = raised / raised.sum(-1, keepdims=True)
    return softened


def normed(x_SD: Doubles, weight_D: Doubles, eps: float) -> Doubles:
    return x_SD / np.sqrt((x_SD**2).mean(-1, keepdims=True) + eps) * weight_D


def turned(x_SHE: Doubles, theta: float) -> Doubles:
    """RoFormer, equation 34, with feature e beside feature e + E/2."""
    num_positions, half = x_SHE.shape[0], x_SHE.shape[2] // 2
    angles_SE = np.arange(num_positions)[:, None] / theta ** (np.arange(half) / half)
    numbers_SHE = (x_SHE[..., :half] + 1j * x_SHE[..., half:]) * np.exp(1j * angles_SE)[:, None]
    return np.concatenate([numbers_SHE.real, numbers_SHE.imag], -1)


class Einsum:
    """Vaswani et al. (2017), section 3, as the house builds it; pre-norm (Xiong et al. 2020), SwiGLU (Shazeer 2020)."""

    def __init__(self, model: TransformerSeq2Seq):
        self.config = model.config
        self.weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}

    def norm(self, name: str, x_SD: Doubles) -> Doubles:
        return normed(x_SD, self.weights[f"{name}.weight"], self.config.norm_eps)

    def heads(self, x_SD: Doubles, weight_DD: Doubles) -> Doubles:
        weight_HED = weight_DD.reshape(self.config.num_heads, -1, weight_DD.shape[1])
        return np.einsum("sd,hed->she", x_SD, weight_HED)

    def attend(self, q_THE: Doubles, k_SHE: Doubles, v_SHE: Doubles, causal: bool) -> tuple[Doubles, Doubles]:
        scores_HTS = np.einsum("the,she->hts", q_THE, k_SHE) / np.sqrt(q_THE.shape[2])
        if causal:
            scores_HTS = np.where(np.tri(*scores_HTS.shape[1:]) > 0, scores_HTS, -np.inf)
        weights_HTS = softmax(scores_HTS)
        taken_THE = np.einsum("hts,she->the", weights_HTS, v_SHE)
        return taken_THE.reshape(len(q_THE), -1), weights_HTS

    def to_itself(self, name: str, x_SD: Doubles, causal: bool) -> Doubles:
        query, key, value = np.split(self.weights[f"{name}.attention.inputs.weight"], 3)
        x_in = self.norm(f"{name}.attention_norm", x_SD)
        q, k = (turned(self.heads(x_in, weight), self.config.rope_theta) for weight in (query, key))
        taken_SD, _ = self.attend(q, k, self.heads(x_in, value), causal)
        return x_SD + np.einsum("sd,od->so", taken_SD, self.weights[f"{name}.attention.output.weight"])

    def to_the_source(self, name: str, x_TD: Doubles, source_SD: Doubles) -> tuple[Doubles, Doubles]:
        key, value = np.split(self.weights[f"{name}.cross.memory.weight"], 2)
        q = self.heads(self.norm(f"{name}.cross_norm", x_TD), self.weights[f"{name}.cross.query.weight"])
        taken_TD, weights_HTS = self.attend(q, self.heads(source_SD, key), self.heads(source_SD, value), False)
        return x_TD + np.einsum("td,od->to", taken_TD, self.weights[f"{name}.cross.output.weight"]), weights_HTS

    def feed_forward(self, name: str, x_SD: Doubles) -> Doubles:
        gate_FD, up_FD, down_DF = (
            self.weights[f"{name}.feed_forward.{part}_proj.weight"] for part in ("gate", "up", "down")
        )
        x_in = self.norm(f"{name}.feed_forward_norm", x_SD)
        gate_SF = np.einsum("sd,fd->sf", x_in, gate_FD)
        inner_SF = gate_SF / (1 + np.exp(-gate_SF)) * np.einsum("sd,fd->sf", x_in, up_FD)
        return x_SD + np.einsum("sf,df->sd", inner_SF, down_DF)

    def __call__(self, source: list[int], target: list[int]) -> tuple[Doubles, Doubles]:
        """Logits [T, V] and the mean of all attention to the source [T, S]."""
        scale = np.sqrt(self.config.hidden_size)
        target_VD = self.weights.get("own_target_embedding.weight", self.weights["source_embedding.weight"])
        x_SD = self.weights["source_embedding.weight"][source] * scale
        for layer in range(self.config.encoder_layers):
            x_SD = self.feed_forward(f"encoder.{layer}", self.to_itself(f"encoder.{layer}", x_SD, causal=False))
        source_SD = self.norm("encoder_norm", x_SD)
        x_TD = target_VD[[self.config.start_id, *target[:-1]]] * scale
        looks = []
        for layer in range(self.config.decoder_layers):
            x_TD = self.to_itself(f"decoder.{layer}", x_TD, causal=True)
            x_TD, weights_HTS = self.to_the_source(f"decoder.{layer}", x_TD, source_SD)
            x_TD = self.feed_forward(f"decoder.{layer}", x_TD)
            looks.append(weights_HTS)
        output_VD = self.weights.get("output_weight", target_VD)
        return np.einsum("td,vd->tv", self.norm("decoder_norm", x_TD), output_VD), np.mean(looks, axis=(0, 1))


@pytest.mark.parametrize(
    "shape",
    [
        {"num_heads": 1},
        {"num_heads": 4, "encoder_layers": 3, "decoder_layers": 2, "target_vocab_size": 17},
        {"num_heads": 2, "tied": False, "rope_theta": 100.0, "norm_eps": 0.1, "start_id": 5},
    ],
    ids=["one head", "deep, two vocabularies", "untied, quick rotation"],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_transformer_equals_its_equations(shape: dict[str, Any], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 13, "hidden_size": 16, "inner_size": 20, "encoder_layers": 1, "decoder_layers": 1}
    model = large(TransformerSeq2Seq(TransformerSeq2SeqConfig(**{**sizes, **shape}, dropout=0.0)))
    reference = Einsum(model)
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float64 else {"rtol": 1e-3, "atol": 2e-4}
    for source, target in zip(SOURCES, TARGETS, strict=True):
        logits_TV, weights_TS = one_row(model, source, target, dtype)
        expected_TV, expected_TS = reference(source, target)
        np.testing.assert_allclose(logits_TV, expected_TV, **close)
        np.testing.assert_allclose(weights_TS, expected_TS, **close)


# The recurrent decoder

Weights = dict[str, Tensor]
States = list[tuple[Tensor, Tensor]]  # of each layer what it puts out, and the cell of an LSTM


def elman(x: Tensor, h: Tensor, c: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
    return torch.tanh(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]), c


def gru(x: Tensor, h: Tensor, c: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
    """Cho et al. (2014), with the reset gate behind the product, as in torch."""
    reset_x, update_x, new_x = (w["weight_ih"] @ x + w["bias_ih"]).chunk(3)
    reset_h, update_h, new_h = (w["weight_hh"] @ h + w["bias_hh"]).chunk(3)
    z = torch.sigmoid(update_x + update_h)
    new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
    return (1 - z) * new + z * h, c


def lstm(x: Tensor, h: Tensor, c: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
    i, f, g, o = (w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


CELLS = {"rnn": elman, "gru": gru, "lstm": lstm}


class Papers:
    """Decoders as the two papers write them, one token of one text after another."""

    def __init__(self, model: RnnSeq2Seq):
        self.config, self.model = model.config, model
        self.weights = {name: tensor.double() for name, tensor in model.state_dict().items()}

    def cells(self, x: Tensor, states: States) -> States:
        after: States = []
        for layer, (h, c) in enumerate(states):
            begin = f"cells.{layer}."
            own = {name.removeprefix(begin): w for name, w in self.weights.items() if name.startswith(begin)}
            after.append(CELLS[self.config.cell](x, h, c, own))
            x = after[-1][0]
        return after

    def context(self, query: Tensor, annotations: Tensor) -> tuple[Tensor, Tensor]:
        w = self.weights
        scores = {
            # Bahdanau et al., appendix A.1.2: e_ij = v' tanh(W s_{i-1} + U h_j)
            "additive": lambda h: (
                w["score.vector.weight"][0]
                @ torch.tanh(w["score.query.weight"] @ query + w["score.memory.weight"] @ h + w["score.memory.bias"])
            ),
            # Luong et al., equation 8
            "dot": lambda h: query @ h,
            "general": lambda h: h @ (w["score.query.weight"] @ query),
        }
        raised = torch.stack([scores[self.config.attention](h) for h in annotations]).exp()
        alpha = raised / raised.sum()
        return sum((a * h for a, h in zip(alpha, annotations, strict=True)), torch.zeros_like(query)), alpha

    def additive(self, embedded: Tensor, states: States, _: Tensor, h: Tensor) -> tuple[Tensor, Tensor, States]:
        """Bahdanau et al., appendix A.2.2: s_i from (s_{i-1}, y_{i-1}, c_i); t_i = maxout(U s_i + V E y_{i-1} + C c_i).

        The paper prints s_{i-1} in the last one, and p(y_i | s_i, y_{i-1}, c_i) before it; the house takes s_i.
        """
        c, alpha = self.context(states[-1][0], h)
        states = self.cells(torch.cat([embedded, c]), states)
        units = self.config.hidden_size
        u, v, c_o = self.weights["readout.weight"].split([units, self.config.embedding_size, units], dim=1)
        t = u @ states[-1][0] + v @ embedded + c_o @ c + self.weights["readout.bias"]
        return torch.maximum(t[0::2], t[1::2]), alpha, states

    def multiplicative(self, embedded: Tensor, states: States, fed: Tensor, h: Tensor) -> tuple[Tensor, Tensor, States]:
        """Luong et al., section 3.3 (input feeding) and equation 5: h~_t = tanh(W [c_t; h_t])."""
        states = self.cells(torch.cat([embedded, fed]), states)
        c, alpha = self.context(states[-1][0], h)
        read = self.weights["readout.weight"] @ torch.cat([c, states[-1][0]]) + self.weights["readout.bias"]
        return torch.tanh(read), alpha, states

    def __call__(self, source: list[int], target: list[int]) -> tuple[Doubles, Doubles]:
        w, half = self.weights, self.config.hidden_size // 2
        h = self.model.double().encode(torch.tensor([source]), torch.tensor([len(source)]))[0].detach()
        start = torch.tanh(w["bridge.weight"] @ torch.cat([h[-1, :half], h[0, half:]]) + w["bridge.bias"])
        states: States = [(start, torch.zeros_like(start)) for _ in range(self.config.decoder_layers)]
        embedding = w.get("own_target_embedding.weight", w["source_embedding.weight"])
        output = w.get("output_weight", embedding)
        readout = torch.zeros(self.config.readout_size, dtype=torch.float64)
        step = self.additive if self.config.attention == "additive" else self.multiplicative
        logits, weights = [], []
        for token in [self.config.start_id, *target[:-1]]:
            readout, alpha, states = step(embedding[token], states, readout, h)
            logits.append(output @ readout)
            weights.append(alpha)
        return torch.stack(logits).numpy(), torch.stack(weights).numpy()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["additive", "dot", "general"])
@pytest.mark.parametrize(
    "more",
    [{}, {"decoder_layers": 2, "encoder_layers": 2, "target_vocab_size": 17, "tied": False, "start_id": 5}],
    ids=["plain", "stacked"],
)
def test_the_recurrent_decoder_equals_the_papers_equations(cell: str, attention: str, more: dict[str, Any]) -> None:
    torch.manual_seed(0)
    config = RnnSeq2SeqConfig(13, embedding_size=6, hidden_size=8, cell=cell, attention=attention, dropout=0.0, **more)
    model = large(RnnSeq2Seq(config))
    reference = Papers(model)
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        for source, target in zip(SOURCES, TARGETS, strict=True):
            expected_TV, expected_TS = reference(source, target)
            logits_TV, weights_TS = one_row(model, source, target, dtype)
            # Weights are made in single precision, whatever the model's own.
            np.testing.assert_allclose(weights_TS, expected_TS, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(logits_TV, expected_TV, rtol=0, atol=max(close, 1e-6))
