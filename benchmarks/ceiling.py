"""What this machine can do at most: GB/s read from memory and GFLOP/s of a large matrix product, as JSON."""

import json
import time
from collections.abc import Callable

import torch

READ_BYTES, SIDE, REPEATS = 2**30, 4096, 5


def best_seconds(work: Callable[[], object]) -> float:
    """The shortest of a few runs after one that is not counted."""
    work()
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def ceiling() -> dict[str, float]:
    """The best over one thread and all threads."""
    block = torch.ones(READ_BYTES // 4)
    matrices = {name: torch.randn(SIDE, SIDE).to(getattr(torch, name)) for name in ("float32", "bfloat16")}
    found = dict.fromkeys(("memory_gigabytes_per_second", *(f"{name}_gigaflops" for name in matrices)), 0.0)
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        rates = {"memory_gigabytes_per_second": READ_BYTES / best_seconds(block.sum) / 1e9}
        for name, matrix in matrices.items():
            rates[f"{name}_gigaflops"] = 2 * SIDE**3 / best_seconds(lambda m=matrix: m @ m) / 1e9
        found = {name: max(best, rates[name]) for name, best in found.items()}
    return found


if __name__ == "__main__":
    print(json.dumps(ceiling()))
