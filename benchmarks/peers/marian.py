"""What every translator of ``translation.py`` is given, and how it is timed: random sentences, a shape, exactly as many
tokens to write.

Nothing but the standard library is imported here, so that each contender runs in an environment of its own.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from statistics import median

VOCAB_SIZE, WIDTH, HEADS = 8000, 256, 8
ENCODER_LAYERS, DECODER_LAYERS = 6, 2
INNER = 1536  # of a feed-forward layer of two matrices
GATED_INNER = 1024  # of one with three: as many weights
END, PAD = 0, VOCAB_SIZE - 1
SENTENCES, TOKENS, ROWS = 128, 16, 32  # how many, of what length, how many at once
BEAMS = {"greedy": 1, "beam 4": 4}
FEWEST_PASSES = 3

Ids = list[list[int]]
Written = dict[str, Ids]  # by beam


def sources() -> Ids:
    """The sentences, each with its end."""
    draw = random.Random(0)
    return [[*(draw.randrange(10, VOCAB_SIZE - 10) for _ in range(TOKENS)), END] for _ in range(SENTENCES)]


def race(translate: Callable[[int], Ids], seconds: float, versions: dict[str, str], **details: object) -> None:
    """Print sentences a second for each beam, the median over passes after one that is not counted.

    Args:
        translate: from the beam to what is written for every sentence.
        seconds: for all passes of a beam.
        details: what else the report has.

    Raises:
        ValueError: some translation is not exactly as long as it should be.
    """
    rates: dict[str, float] = {}
    written: Written = {}
    for name, beam in BEAMS.items():
        written[name] = checked(translate(beam))
        times: list[float] = []
        while len(times) < FEWEST_PASSES or sum(times) < seconds:
            began = time.perf_counter()
            found = translate(beam)
            times.append(time.perf_counter() - began)
            checked(found)
        rates[name] = SENTENCES / median(times)
    print(json.dumps({"rates": rates, "written": written, "versions": versions, **details}))


def checked(found: Ids) -> Ids:
    lengths = {len(row) for row in found}
    if len(found) != SENTENCES or lengths != {TOKENS}:
        raise ValueError(f"{SENTENCES} translations of {TOKENS} tokens were due, but got {len(found)} of {lengths}")
    return found


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=4.0, help="for all passes of a beam")
    return parser
