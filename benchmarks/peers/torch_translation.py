"""Plain torch: ``nn.Transformer`` learning Multi30k, as one writes it who starts from the tutorials.

Batches of a shuffled order, or length buckets: all pairs sorted by length, cut into batches, the batches shuffled.
B rows · S positions of the source · T of the target
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from captions import (
    BEGIN,
    CLIP,
    DROPOUT,
    END,
    HEADS,
    INNER,
    LAYERS,
    LEARNING_RATE,
    PAD,
    ROWS,
    SMOOTHING,
    SOURCE,
    TARGET,
    VOCAB_SIZE,
    WARM_UP,
    WIDTH,
    arguments,
    sentences,
    word_ids,
)
from contender import num_cores
from torch import Tensor, nn
from torch.nn import functional as F

Batch = tuple[Tensor, Tensor]


class Network(nn.Module):
    """Sources [B, S] and targets with their begin and end [B, T + 1] to the mean loss of the target tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(VOCAB_SIZE, WIDTH, padding_idx=PAD)
        self.target = nn.Embedding(VOCAB_SIZE, WIDTH, padding_idx=PAD)
        self.places = nn.Embedding(128, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.transformer = nn.Transformer(
            WIDTH, HEADS, LAYERS, LAYERS, INNER, DROPOUT, batch_first=True, norm_first=True
        )
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def embedded(self, embedding: nn.Embedding, ids: Tensor) -> Tensor:
        return self.dropout(embedding(ids) * WIDTH**0.5 + self.places.weight[: ids.shape[1]])

    def forward(self, source_BS: Tensor, whole_BT: Tensor) -> Tensor:
        read_BT, wanted_BT = whole_BT[:, :-1], whole_BT[:, 1:]
        padding_BS = source_BS == PAD
        states = self.transformer(
            self.embedded(self.source, source_BS),
            self.embedded(self.target, read_BT),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(read_BT.shape[1]),
            src_key_padding_mask=padding_BS,
            memory_key_padding_mask=padding_BS,
            tgt_is_causal=True,
        )
        logits = F.linear(states, self.target.weight)
        return F.cross_entropy(logits.flatten(0, 1), wanted_BT.flatten(), ignore_index=PAD, label_smoothing=SMOOTHING)


def batches(sources: list[list[int]], targets: list[list[int]], buckets: bool) -> Iterator[Batch]:
    """Without end, an epoch after the other."""
    draw = random.Random(0)
    order = list(range(len(sources)))
    while True:
        draw.shuffle(order)
        rows = sorted(order, key=lambda row: (len(targets[row]), len(sources[row]))) if buckets else order
        cut = [rows[first : first + ROWS] for first in range(0, len(rows), ROWS)]
        draw.shuffle(cut)
        for part in cut:
            yield padded([sources[row] for row in part]), padded([targets[row] for row in part])


def padded(rows: list[list[int]]) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


def timed(step: Callable[[Batch], None], drawn: Iterator[Batch], seconds: float) -> dict[str, Any]:
    """Target tokens a second over whole steps, the making of the batches included; and of what size these were."""
    for _ in range(WARM_UP):
        step(next(drawn))
    num_tokens = num_rows = num_steps = 0
    began = time.perf_counter()
    while (took := time.perf_counter() - began) < seconds or not num_steps:
        source_BS, whole_BT = next(drawn)
        step((source_BS, whole_BT))
        num_tokens += int((whole_BT[:, 1:] != PAD).sum())
        num_rows, num_steps = num_rows + len(source_BS), num_steps + 1
    return {"rates": {"training": num_tokens / took}, "rows_per_batch": num_rows / num_steps, "steps": num_steps}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--buckets", action="store_true")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    given = parser.parse_args()
    torch.set_num_threads(num_cores())
    torch.manual_seed(0)
    sources = [[*row, END] for row in word_ids(sentences(given.data, "train", SOURCE))]
    targets = [[BEGIN, *row, END] for row in word_ids(sentences(given.data, "train", TARGET))]
    model = Network().train()
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, fused=True)

    def step(batch: Batch) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=given.precision == "bfloat16"):
            loss = model(*batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()

    found = timed(step, batches(sources, targets, given.buckets), given.seconds)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    told = {"parameters": parameters, "arithmetic": given.precision, "versions": {"torch": torch.__version__}}
    print(json.dumps({**found, **told}))


if __name__ == "__main__":
    main()
