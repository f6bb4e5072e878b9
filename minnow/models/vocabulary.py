"""A language model with a larger vocabulary: the same answers as before, and rows for tokens that are still to learn.

V vocabulary · D features
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

NOISE = 0.1  # of the spread that the old rows have


@torch.no_grad()
def grown(model: Any, vocab_size: int, seed: int = 0) -> Any:
    """A copy with rows for ``vocab_size`` tokens; the model itself where it has as many.

    New rows of the embedding and of the output layer begin at the mean of the old ones, with a little noise: there no
    new token is likelier than the average of all, and none is like another (Hewitt 2021, "Initializing New Word
    Embeddings for Pretrained Language Models").

    Args:
        model: a language model, whose config has a ``vocab_size``.
        vocab_size: of the new model.
        seed: of the noise.
    """
    old_size = model.config.vocab_size
    if vocab_size <= old_size:
        return model
    random = torch.Generator().manual_seed(seed)
    growing = _growing(model)
    tensors = {
        name: _longer(tensor, vocab_size - old_size, random) if name in growing else tensor
        for name, tensor in model.tensors().items()
    }
    config = replace(model.config, vocab_size=vocab_size)
    return type(model).from_tensors(config, {name: tensor.numpy() for name, tensor in tensors.items()})


def _growing(model: Any) -> set[str]:
    """Names of the tensors that have a row for each token."""
    # The first embedding is that of the tokens; positions may have another, and by chance as many.
    embedding = next(module.weight for module in model.modules() if isinstance(module, nn.Embedding))
    places = {id(part) for part in (embedding, model.output_weight_VD, model.output_bias_V) if part is not None}
    return {name for name, parameter in model.named_parameters(remove_duplicate=False) if id(parameter) in places}


def _longer(tensor: Tensor, num_rows: int, random: torch.Generator) -> Tensor:
    mean, spread = tensor.mean(0, keepdim=True), tensor.std(0, keepdim=True)
    noise = torch.randn((num_rows, *tensor.shape[1:]), generator=random, dtype=tensor.dtype)
    return torch.cat([tensor, mean + NOISE * spread * noise])
