"""The processes of a training, which play every step together: each its share of the batch.

What they share is torch's process group; a process without one is alone, and nothing here does anything.  Every number
that a step draws is drawn by all of them, as by one process, so a run does not depend on how many they are but for the
order in which sums are taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.extras import of_extra

N = TypeVar("N", bound=nn.Module)


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Joins the other processes, if torchrun has started this one, until the work within is done.

    Yields the device to work on: on a machine with several GPUs each process has its own.
    """
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        yield device
        return
    with of_extra("train"):
        from lightning_fabric import Fabric

    local, nodes = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    fabric = Fabric(accelerator=device.type, devices=local, num_nodes=nodes, strategy="ddp")
    fabric.launch()
    try:
        yield fabric.device
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """Returns how many processes there are."""
    return distributed.get_world_size() if _together() else 1


def is_first() -> bool:
    """Says whether this process is the one that writes and tells."""
    return not _together() or distributed.get_rank() == 0


def share(batch: int) -> slice:
    """Returns which images of a batch are this process's; InputError if the batch cannot be shared equally."""
    processes = count()
    if batch % processes:
        raise InputError(f"batch: expected a multiple of the {processes} processes, got {batch}")
    rank, size = distributed.get_rank() if _together() else 0, batch // processes
    return slice(rank * size, (rank + 1) * size)


def mean(values: Tensor) -> Tensor:
    """Returns the mean of the processes' values, the same bits in all; ConnectionError if one of them has ended."""
    if not _together():
        return values
    summed = values.detach().clone(memory_format=torch.contiguous_format)
    try:
        distributed.all_reduce(summed)
    except RuntimeError as error:
        expected = f"expected all {count()} to go on, one has ended or is out of reach"
        raise ConnectionError(f"the processes of the training: {expected}: {error}") from error
    return summed / count()


def agreed(wanted: bool, device: torch.device) -> bool:
    """Says whether any process wants it; all of them hear the same."""
    return bool(mean(torch.tensor(float(wanted), device=device)) > 0) if _together() else wanted


@contextmanager
def first_alone(device: torch.device) -> Iterator[None]:
    """Lets the first process do the work within, and the others once it is done."""
    if not is_first():
        agreed(False, device)
    yield
    if is_first():
        agreed(False, device)


@torch.no_grad()
def average_gradients(network: nn.Module) -> None:
    """Makes the gradients of a network's parameters those of the whole batch, in one message."""
    if not _together():
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    averaged = mean(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, part in zip(gradients, averaged.split([each.numel() for each in gradients]), strict=True):
        gradient.copy_(part.view(gradient.shape))


def synchronised(network: N) -> N:
    """Lets BatchNorm in a network, which is changed in place, see the whole batch; alone it already does."""
    if _together():
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SynchronisedBatchNorm
    return network


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """BatchNorm of the batch of all processes, on any device: torch's SyncBatchNorm is for GPUs alone."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns x (B, C, H, W) normalised, in its dtype; sums are float32 at least."""
        if not self.training:
            return super().forward(x)
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        # two passes: a mean of squares less the square of the mean would lose what float32 has
        middle = _mean(values.mean(dim=(0, 2, 3)))
        centred = values - middle[:, None, None]
        variance = _mean(centred.square().mean(dim=(0, 2, 3)))
        numbers = count() * x.numel() // x.shape[1]
        # a DCGAN's layers keep all of this
        momentum, batches = cast(float, self.momentum), cast(Tensor, self.num_batches_tracked)
        with torch.no_grad():
            batches.add_(1)
            cast(Tensor, self.running_mean).lerp_(middle, momentum)
            cast(Tensor, self.running_var).lerp_(variance * (numbers / (numbers - 1)), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class _Mean(torch.autograd.Function):
    """`mean` with a gradient: what it does to the losses of all processes."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return mean(values)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return mean(gradient)


def _mean(values: Tensor) -> Tensor:
    return _Mean.apply(values)


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
