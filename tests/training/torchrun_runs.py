"""What each of the two processes under ``torchrun`` does: all runs that ``test_distributed`` looks at, one by one."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1]))

import minnow
from minnow.data.windows import Window
from minnow.training import distributed
from minnow.training.distributed import World
from training.language_runs import CUT, RUNS, run_of

CUT_AT = 7


class CutWindows:
    """The windows of a run, whose process dies in the middle."""

    def __init__(self, windows: Any):
        self.windows = windows

    def batch(self, step: int) -> Window:
        if step == CUT_AT:
            raise InterruptedError
        return self.windows.batch(step)  # type: ignore[no-any-return]


def run(folder: Path, world: World, name: str, how: str, optimizer: str, cut: bool = False) -> None:
    one = run_of(folder, name, optimizer, world=world, distributed=how)
    one.resume()
    if cut:
        one.windows = CutWindows(one.windows)
        try:
            one.fit()
        except InterruptedError:
            return
    one.fit()
    weights = one.weights()
    if world.leads:
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / "weights.safetensors")
    world.wait()


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with distributed.world("cpu") as world:
        for kind in RUNS:
            run(folder / "-".join(kind), world, *kind)
        for kind in CUT:
            run(folder / "-".join((*kind, "cut")), world, *kind, cut=True)
            run(folder / "-".join((*kind, "cut")), world, *kind)
    asked_in_python(folder)


def asked_in_python(folder: Path) -> None:
    """As a script that a person starts with ``torchrun``: every process goes on with the model."""
    text = folder / "novel.txt"
    if world_rank() == 0:
        text.write_text("the cat sat on the mat.\n" * 200, encoding="utf-8")
    while not text.is_file():
        time.sleep(0.01)
    settings = {"model.size": "20K", "tokenizer.kind": "character", "training.device": "cpu", "training.steps": 4}
    rows = {"training.context": 16, "training.batch_rows": 4, "training.validations": 1, "training.sample_tokens": 0}
    model = minnow.pretrain(text, out=folder / "asked", settings={**settings, **rows})
    (folder / f"asked-{world_rank()}").write_text(str(model.generate("the", max_tokens=5, temperature=0)))


def world_rank() -> int:
    return int(os.environ["RANK"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
