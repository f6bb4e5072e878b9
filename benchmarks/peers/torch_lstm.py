"""Plain torch: the small LSTM (embedding 50, 100 units, 1,000 words, the last 100 of a text), 32 texts a step.

N texts · S words
"""

import numpy as np
import torch
from contender import Stopwatch, enter
from torch import Tensor, nn
from words import EMBEDDING_SIZE, HIDDEN_SIZE, ROWS_PER_BATCH, VOCAB_SIZE, Words, words

race = enter()
names = sorted(set(race.train_labels))


class Network(nn.Module):
    """Word ids [N, S] to one logit [N]."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCAB_SIZE, EMBEDDING_SIZE)
        self.lstm = nn.LSTM(EMBEDDING_SIZE, HIDDEN_SIZE, batch_first=True)
        self.head = nn.Linear(HIDDEN_SIZE, 1)

    def forward(self, ids_NS: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(ids_NS))[0][:, -1]).squeeze(-1)


def answer(model: tuple[Network, Words]):
    network, vocabulary = model

    @torch.inference_mode()
    def label(texts):
        ids_NS = torch.from_numpy(vocabulary.encode([words(text) for text in texts])).long()
        return [names[int(logit > 0)] for part in ids_NS.split(512) for logit in network(part)]

    return label


def fit(watch: Stopwatch) -> tuple[Network, Words]:
    torch.manual_seed(race.seed)
    documents = [words(text) for text in race.train_texts]
    vocabulary = Words(documents)
    ids_NS = torch.from_numpy(vocabulary.encode(documents)).long()
    targets_N = torch.from_numpy(np.array([names.index(label) for label in race.train_labels], np.float32))
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    epochs = []
    for _ in range(race.num_epochs):
        began = watch.seconds
        for rows in torch.randperm(len(ids_NS)).split(ROWS_PER_BATCH):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(network(ids_NS[rows]), targets_N[rows]).backward()
            optimizer.step()
        epochs.append(watch.seconds - began)
        seconds = watch.seconds
        with watch.paused():
            race.curve.append((seconds, race.accuracy(answer((network, vocabulary))(race.test_texts))))
    race.details["epoch_seconds"] = epochs
    return network, vocabulary


def save(model: tuple[Network, Words]) -> None:
    torch.save(model[0].state_dict(), race.folder / "model.pt")
    model[1].save(race.folder / "words.json")


race.finish(fit, save, answer, ["torch", "numpy"])
