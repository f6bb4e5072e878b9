"""Plain torch training language models on random ids: what one writes who starts from the tutorials.

``gpt``: 6 layers, 384 wide, 256 positions, characters; ``lstm``: embedding 650 tied, two layers of 650, 10,000 words;
``bert``: 4 layers, 512 wide, 128 positions, 30,522 pieces, the masked loss on a seventh of them.
B rows · S positions
"""

import argparse
import json
import statistics
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHAPES = {
    "gpt": {"vocab": 65, "rows": 16, "positions": 256, "layers": 6, "width": 384, "heads": 6},
    "lstm": {"vocab": 10_000, "rows": 20, "positions": 70, "layers": 2, "width": 650, "heads": 0},
    "bert": {"vocab": 30_522, "rows": 32, "positions": 128, "layers": 4, "width": 512, "heads": 8},
}


class Block(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before_attention, self.before_inner = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        rows, positions, width = x.shape
        parts = self.inputs(self.before_attention(x)).split(width, dim=2)
        query, key, value = (part.view(rows, positions, self.heads, -1).transpose(1, 2) for part in parts)
        taken = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        x = x + self.output(taken.transpose(1, 2).reshape(rows, positions, width))
        return x + self.down(F.gelu(self.up(self.before_inner(x))))


class Transformer(nn.Module):
    def __init__(self, shape: dict[str, int], causal: bool):
        super().__init__()
        self.tokens = nn.Embedding(shape["vocab"], shape["width"])
        self.places = nn.Embedding(shape["positions"], shape["width"])
        self.blocks = nn.ModuleList(Block(shape["width"], shape["heads"], causal) for _ in range(shape["layers"]))
        self.norm = nn.LayerNorm(shape["width"])
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        x = self.tokens(inputs) + self.places.weight[: inputs.shape[1]]
        for block in self.blocks:
            x = block(x)
        states = self.norm(x).flatten(0, 1)[targets.flatten() >= 0]
        return F.cross_entropy(F.linear(states, self.tokens.weight), targets[targets >= 0])


class Recurrent(nn.Module):
    def __init__(self, shape: dict[str, int]):
        super().__init__()
        self.tokens = nn.Embedding(shape["vocab"], shape["width"])
        self.lstm = nn.LSTM(shape["width"], shape["width"], shape["layers"], batch_first=True)
        self.head = nn.Linear(shape["width"], shape["vocab"])
        self.head.weight = self.tokens.weight

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.head(self.lstm(self.tokens(inputs))[0]).flatten(0, 1), targets.flatten())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=SHAPES)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    shape = SHAPES[given.model]
    torch.manual_seed(0)
    model = Recurrent(shape) if given.model == "lstm" else Transformer(shape, given.model == "gpt")
    network = torch.compile(model) if given.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    ids = torch.randint(0, shape["vocab"], (shape["rows"], shape["positions"] + 1))
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    if given.model == "bert":
        targets = targets.where(torch.rand(targets.shape) < 0.15, -1)

    def step() -> float:
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=given.precision == "bfloat16"):
            loss = network(inputs, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return time.perf_counter() - began

    times = [step() for _ in range(3)][2:]
    while len(times) < 3 or sum(times) < given.seconds:
        times.append(step())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        json.dumps(
            {
                "tokens_per_second": inputs.numel() / statistics.median(times),
                "parameters": parameters,
                "versions": {"torch": torch.__version__},
            }
        )
    )


if __name__ == "__main__":
    main()
