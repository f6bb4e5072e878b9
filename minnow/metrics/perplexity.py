"""How surprised a language model is, in units that models can be compared by."""

import math

MOST_NATS = 700.0  # beyond it no float has the power


def perplexity(nats: float, units: int = 1) -> float:
    """Among how many choices each unit, a token or a word, was guessed; from the nats of all of them."""
    return math.exp(min(nats / max(1, units), MOST_NATS))


def bits_per_byte(nats: float, num_bytes: int) -> float:
    """From the nats of a whole text and its bytes in UTF-8."""
    return nats / math.log(2) / max(1, num_bytes)
