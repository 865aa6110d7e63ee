"""Where training runs: one device, or several through Lightning Fabric."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain.errors import DeclarationError
from drivetrain.graph import System
from drivetrain.training.settings import PRECISIONS


class Place:
    """One device."""

    rank = 0
    world = 1

    def __init__(self, device: torch.device, precision: str | None) -> None:
        self.device = device
        self.dtype = PRECISIONS[precision]
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)

    @property
    def moves(self) -> bool:
        """Whether batches must be moved to be used here."""
        return self.device.type != "cpu"

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision in which losses are computed."""
        return nullcontext() if self.dtype is None else torch.autocast(self.device.type, dtype=self.dtype)

    def share_weights(self, system: System) -> None:
        """Start everywhere from the same weights."""

    def average_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Make every process step by the same gradient: the mean over those that have one."""

    def anywhere(self, here: bool) -> bool:
        """Whether something holds in any process."""
        return here

    def agreed(self, number: int) -> int:
        """The number of the first process, in all of them."""
        return number

    def average_statistics(self, system: System) -> None:
        """Make running statistics, such as those of batch norm, agree."""

    def shard(self, order: Tensor) -> Tensor:
        """This process's share of the samples; all shares are equally long."""
        return order


class FabricPlace(Place):
    """The processes of a launched ``lightning.fabric.Fabric``: each reads its share and all step as one.

    Weights in turn change from turn to turn, so gradients are averaged here rather than by
    ``DistributedDataParallel``, whose buckets are laid out once for all weights.
    """

    def __init__(self, fabric: Any) -> None:
        super().__init__(fabric.device, None)
        self.fabric = fabric
        self.rank, self.world = fabric.global_rank, fabric.world_size

    def autocast(self) -> AbstractContextManager[Any]:
        return self.fabric.autocast()  # type: ignore[no-any-return]

    def share_weights(self, system: System) -> None:
        for value in system.state_dict().values():
            value.copy_(self.fabric.broadcast(value))

    def average_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        weights = list(weights)
        having = torch.tensor([float(weight.grad is not None) for weight in weights], device=self.device)
        counts = self._summed(having).tolist() if weights else []
        for weight, count in zip(weights, counts, strict=True):
            if count:  # where no process has one it stays None, since Adam moves on zeros
                gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
                weight.grad = self._summed(gradient) / count

    def anywhere(self, here: bool) -> bool:
        return bool(self._summed(torch.tensor(float(here), device=self.device)) > 0)

    def agreed(self, number: int) -> int:
        return int(self.fabric.broadcast(number))

    def average_statistics(self, system: System) -> None:
        for buffer in system.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self.fabric.all_reduce(buffer, reduce_op="mean"))

    def shard(self, order: Tensor) -> Tensor:
        extra = -len(order) % self.world
        return torch.cat([order, order[:extra]])[self.rank :: self.world]

    def _summed(self, value: Tensor) -> Tensor:
        total: Tensor = self.fabric.all_reduce(value, reduce_op="sum")
        return total


def place_of(system: System, device: Any, precision: str | None) -> Place:
    """Where to train, with the system moved there.

    Raises:
        DeclarationError: the device is none that torch knows, or a Fabric is given a second precision.
    """
    check_device(system, device, precision)
    place = FabricPlace(device) if _is_fabric(device) else Place(_device(system, device), precision)
    system.to(place.device)
    place.share_weights(system)
    return place


def check_device(system: System, device: Any, precision: str | None) -> None:
    """Refuse a place where nothing can be trained.

    Raises:
        DeclarationError: the device is none that torch knows or finds here, or a Fabric is given a second precision.
    """
    if not _is_fabric(device):
        _device(system, device)
    elif precision is not None:
        raise DeclarationError(
            f'precision={precision!r}: a Fabric rules precision itself; write Fabric(precision="bf16-mixed"), say'
        )


def _is_fabric(device: Any) -> bool:
    return hasattr(device, "all_reduce") and hasattr(device, "global_rank")


def _device(system: System, device: Any) -> torch.device:
    if device != "auto":
        try:
            wanted = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise DeclarationError(
                f'device={device!r}: what fits: "auto", a torch device such as "cuda:0", or a Fabric'
            ) from error
        if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
            raise DeclarationError(
                f"device={device!r}: torch finds {torch.cuda.device_count()} CUDA device(s) here; "
                f'"auto" takes what there is'
            )
        return wanted
    first = next(system.parameters(), None)
    if first is not None and first.device.type != "cpu":
        return first.device
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
