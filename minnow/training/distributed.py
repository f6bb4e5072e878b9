"""Several processes as one run, started by ``torchrun``: each takes its rows of every step, and gradients are averaged.

Gloo joins processes on processors, NCCL those on GPUs. DDP keeps the whole model in each process; FSDP2 a share of it
(Zhao et al. 2023, "PyTorch FSDP").
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from minnow.errors import MinnowError

_RUNS = itertools.count()  # of this process; all processes of torchrun begin the same ones
# The words of gloo where another process is gone.
LOST = ("Connection closed by peer", "Connection reset by peer", "Timed out waiting")
PATIENCE = timedelta(days=1)  # while one process learns a tokenizer and writes shards the others wait


@dataclass(frozen=True)
class World:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1  # processes on this machine

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to the person."""
        return self.rank == 0

    def sum(self, values: list[float]) -> list[float]:
        """The sums over all processes, in float64."""
        if self.size == 1:
            return values
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        tensor = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(tensor)
        return [float(value) for value in tensor.tolist()]

    def told(self, value: Any) -> Any:
        """What the leading process says; for decisions that hang on its clock or its disk."""
        if self.size == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def gathered(self, named: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of all processes; their names must tell them apart."""
        if self.size == 1:
            return named
        held: list[Any] = [None] * self.size
        dist.all_gather_object(held, named)
        return {name: tensor for one in held for name, tensor in one.items()}

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


@contextmanager
def world(device: str = "auto") -> Iterator[World]:
    """Join the processes that ``torchrun`` started; alone, where it did not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = device != "cpu" and torch.cuda.is_available()
    if on_gpu:
        _take_gpu(local)
    try:
        store, rank, size = next(rendezvous("env://"))
        # What torchrun keeps for its processes outlives a run; a second one would wait for the words of the first.
        store = PrefixStore(f"run {next(_RUNS)}", store)
        dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=size, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise MinnowError(
            f"the processes of torchrun could not join ({error}); check MASTER_ADDR and the port"
        ) from error
    try:
        with explained(), warnings.catch_warnings():
            # Blocks give views, which nothing here changes in place; and the newer name is unknown to older torch.
            warnings.filterwarnings("ignore", message=".*returned a view tensor")
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
            yield World(dist.get_rank(), dist.get_world_size(), local, int(os.environ.get("LOCAL_WORLD_SIZE", size)))
    finally:
        dist.destroy_process_group()


def _take_gpu(local: int) -> None:
    """The GPU of that number for this process."""
    if local >= torch.cuda.device_count():
        raise MinnowError(
            f"process {local + 1} of this machine has no GPU of its own, for there are {torch.cuda.device_count()}; "
            "start as many with --nproc-per-node, or take training.device=cpu"
        )
    torch.cuda.set_device(local)


@contextmanager
def explained() -> Iterator[None]:
    """What a process hears when another one of the run has ended, in words for people: that one knows why.

    Raises:
        MinnowError: in place of the error of the connection.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in LOST):
            raise
        raise MinnowError(
            "another process of this run has ended, whose own lines say why; where it was killed, go on with --resume"
        ) from error


def wrapped(module: nn.Module, how: str, device: torch.device) -> nn.Module:
    """The module as all processes train it; ``how`` is ddp or fsdp."""
    if how == "fsdp":
        return _sharded(module, device)
    ids = [device] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(module, device_ids=ids, broadcast_buffers=False)


def _sharded(module: nn.Module, device: torch.device) -> nn.Module:
    """Every layer of a stack is gathered when its turn comes; what is left, embeddings above all, with the whole."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for stack in [part for part in module.modules() if isinstance(part, nn.ModuleList)]:
        for layer in stack:
            fully_shard(layer, mesh=mesh)
    # Measuring has no backward that would let go of the gathered weights, which the next update makes old.
    fully_shard(module, mesh=mesh, reshard_after_forward=True)
    return module


@contextmanager
def accumulating(module: nn.Module, last: bool) -> Iterator[None]:
    """Gradients stay with each process but for the last part of a step."""
    if isinstance(module, nn.parallel.DistributedDataParallel) and not last:
        with module.no_sync():
            yield
        return
    synchronize = getattr(module, "set_requires_gradient_sync", None)  # FSDP's
    if synchronize is not None:
        synchronize(last)
    yield


def is_sharded(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """The full tensor, on every process; all of them must ask."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined, no-any-return]


def share_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Of a full tensor what this process holds, cut as ``like`` is."""
    if not is_sharded(like) or tensor.dim() == 0:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)  # type: ignore[attr-defined]
