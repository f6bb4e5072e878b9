"""What transformers that read from left to right share: whole texts, prompts, and one token more.

B rows · S positions · N keys · D features · V vocabulary
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from minnow.layers.cache import KeyValueState, Pair
from minnow.layers.checkpointing import checkpointed
from minnow.layers.masks import causal_mask
from minnow.layers.transformer import Sight
from minnow.models.language_model import LanguageModel, last_positions


class Decoder(LanguageModel):
    """A stack of blocks, each ``(states_BSD, sight, layer) -> (states_BSD, keys and values)``.

    Set ``gradient_checkpointing`` to keep the blocks' inputs alone in training: less memory, a third more time.
    """

    gradient_checkpointing = False

    @property
    @abstractmethod
    def blocks(self) -> Iterable[nn.Module]:
        """The layers, in order."""

    @property
    def windows(self) -> Sequence[int | None]:
        """How many positions each layer looks back, itself included; None for all."""
        return [None for _ in self.blocks]

    @abstractmethod
    def embed(self, token_ids_BS: Tensor, positions: Tensor, num_positions: int) -> Tensor:
        """What goes into the first block [B, S, D]; positions [S] or [B, S], all below ``num_positions``.

        Raises:
            InputError: a text is longer than the model can be asked about.
        """

    def rotation(
        self,
        positions: Tensor,  # noqa: ARG002 - for those that have one
        dtype: torch.dtype,  # noqa: ARG002
        lengths_B: Tensor | None = None,  # noqa: ARG002
    ) -> Pair | None:
        """Cosines and sines of rotary positions, None without; ``lengths_B`` where texts end before the last one."""
        return None

    @abstractmethod
    def finish(self, states_BSD: Tensor) -> Tensor:
        """What comes after the last block, such as a norm [B, S, D]."""

    def hidden(self, token_ids_BS: Tensor, state: KeyValueState | None = None) -> tuple[Tensor, Any]:
        """States before the output layer [B, S, D], and the memory after the last position.

        While gradients are recorded the beginning of a text leaves no memory (None), which training would pay for and
        not use. With a ``state`` no gradients are recorded, as they could not flow into what came before.
        """
        if state is not None:
            with torch.no_grad():
                return self._go_on(token_ids_BS, state)
        if torch.is_grad_enabled():
            return self._begin(token_ids_BS)[0], None
        states_BSD, pairs = self._begin(token_ids_BS, remember=True)
        num_rows, num_positions = token_ids_BS.shape
        lengths_B = torch.full((num_rows,), num_positions, device=token_ids_BS.device)
        return states_BSD, KeyValueState.of(pairs, lengths_B, num_positions, ragged=False)

    def forward(self, token_ids_BS: Tensor) -> Tensor:
        return self.logits(self._begin(token_ids_BS)[0])

    def encode(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        return self._begin(token_ids_BS, lengths_B=lengths_B)[0]  # what is padded stands behind

    @torch.no_grad()
    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, KeyValueState]:
        shortest, longest = torch.stack(lengths_B.aminmax()).tolist()
        states_BSD, pairs = self._begin(token_ids_BS[:, :longest], remember=True, lengths_B=lengths_B)
        lengths_B = lengths_B.to(token_ids_BS.device)
        state = KeyValueState.of(pairs, lengths_B, longest, ragged=shortest != longest)
        return self.logits(last_positions(states_BSD, lengths_B)), state

    @torch.no_grad()
    def step(self, token_ids_B: Tensor, state: KeyValueState) -> tuple[Tensor, KeyValueState]:
        states_BSD, state = self._go_on(token_ids_B[:, None], state)
        return self.logits(states_BSD[:, -1]), state

    def _begin(
        self, token_ids_BS: Tensor, remember: bool = False, lengths_B: Tensor | None = None
    ) -> tuple[Tensor, list[Pair]]:
        """The states of whole texts; keys and values of all layers if they are to be remembered."""
        positions_S = torch.arange(token_ids_BS.shape[1], device=token_ids_BS.device)
        states_BSD = self.embed(token_ids_BS, positions_S, len(positions_S))
        rotation = self.rotation(positions_S, states_BSD.dtype, lengths_B)
        sights: dict[int | None, Sight] = {}
        for window in set(self.windows):
            masked = window is not None and window < len(positions_S)
            mask = causal_mask(positions_S, len(positions_S), window) if masked else None
            sights[window] = Sight(mask=mask, causal=not masked, rotation=rotation)
        return self._through(states_BSD, [sights[window] for window in self.windows], remember)

    def _go_on(self, token_ids_BS: Tensor, state: KeyValueState) -> tuple[Tensor, KeyValueState]:
        """The states of more positions behind what ``state`` remembers, and the memory with them."""
        num_new = token_ids_BS.shape[1]
        positions = torch.arange(num_new, device=token_ids_BS.device)
        positions = state.lengths_B[:, None] + positions if state.ragged else state.num_positions + positions
        states_BSD = self.embed(token_ids_BS, positions, state.num_positions + num_new)
        longer = state.extended(num_new)
        rotation = self.rotation(positions, states_BSD.dtype)
        sights: dict[int | None, Sight] = {}
        for window in set(self.windows):
            # One token behind rows of one length sees every key there is.
            masked = longer.ragged or num_new > 1 or (window is not None and window < longer.num_positions)
            mask = causal_mask(positions, longer.num_positions, window) if masked else None
            sights[window] = Sight(mask=mask, rotation=rotation, state=longer)
        return self._through(states_BSD, [sights[window] for window in self.windows])[0], longer

    def _through(
        self, states_BSD: Tensor, sights: Sequence[Sight], remember: bool = False
    ) -> tuple[Tensor, list[Pair]]:
        pairs = []
        lean = self.gradient_checkpointing and torch.is_grad_enabled()
        for layer, (block, sight) in enumerate(zip(self.blocks, sights, strict=True)):
            if lean:
                states_BSD = checkpointed(block, states_BSD, sight, layer)[0]
                continue
            states_BSD, pair = block(states_BSD, sight, layer)
            if remember:
                pairs.append(pair)
        return self.finish(states_BSD), pairs
