"""The training loops that a good engineer writes by hand for the race car, and the same in Lightning.

All start from the weights that `fit` starts from and read the samples in its order, so that all compute
the same numbers: how long an epoch takes depends on how far the models have come.
Rows are read by `index_select`, which takes a third of the time of indexing on pictures.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from math import nan
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.relay import EpochDone, Loop
from drivetrain.training.reading import drawn_order, seed_of
from examples.race_car.fusion import relaxed_fusion
from examples.race_car.losses import cone_loss
from examples.race_car.system import build

Data = dict[str, Any]
BATCH = 32
LEARNING_RATE = 1e-3
SEED = 0


def simultaneous(data: Data) -> Loop:
    """Every model is updated in each iteration."""

    def loop(epochs: int, epoch_done: EpochDone) -> None:
        camera, lidar = _models()
        optimizers = [_adam(camera), _adam(lidar)]
        for epoch in range(epochs):
            mean = 0.0
            for rows in _shuffled(data, epoch):
                scan = data["scan"].index_select(0, rows)
                loss = _loss(camera(data["image"].index_select(0, rows)), lidar(scan), scan, _cones(data, rows))
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                mean += loss.item() / batches(data)
            epoch_done(mean)

    return loop


def alternating(data: Data) -> Loop:
    """One model is updated in each iteration; the other is really frozen: no gradient, evaluation mode, no tape."""

    def loop(epochs: int, epoch_done: EpochDone) -> None:
        models = _models()
        optimizers = [_adam(model) for model in models]
        turn = 0
        for epoch in range(epochs):
            mean = 0.0
            for rows in _shuffled(data, epoch):
                learner, frozen = models[turn], models[1 - turn]
                learner.requires_grad_(True).train()
                frozen.requires_grad_(False).eval()
                scan = data["scan"].index_select(0, rows)
                loss = _loss(models[0](data["image"].index_select(0, rows)), models[1](scan), scan, _cones(data, rows))
                loss.backward()
                optimizers[turn].step()
                optimizers[turn].zero_grad(set_to_none=True)
                mean += loss.item() / batches(data)
                turn = 1 - turn
            epoch_done(mean)

    return loop


def partial_over_cached_boxes(data: Data) -> Loop:
    """Only the LiDAR learns; what the frozen camera answers is computed in the first epoch and kept."""

    def loop(epochs: int, epoch_done: EpochDone) -> None:
        camera, lidar = _models()
        camera.requires_grad_(False).eval()
        optimizer = _adam(lidar)
        boxes: Tensor | None = None
        for epoch in range(epochs):
            mean = 0.0
            if boxes is None:
                with torch.no_grad():
                    boxes = torch.cat([camera(part) for part in data["image"].split(BATCH)])
            for rows in _shuffled(data, epoch):
                scan = data["scan"].index_select(0, rows)
                loss = _loss(boxes.index_select(0, rows), lidar(scan), scan, _cones(data, rows))
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                mean += loss.item() / batches(data)
            epoch_done(mean)

    return loop


def partial_without_thinking(data: Data) -> Loop:
    """Only the LiDAR's optimizer steps; the camera runs and is differentiated in every epoch all the same."""

    def loop(epochs: int, epoch_done: EpochDone) -> None:
        camera, lidar = _models()
        optimizer = _adam(lidar)
        for epoch in range(epochs):
            mean = 0.0
            for rows in _shuffled(data, epoch):
                scan = data["scan"].index_select(0, rows)
                loss = _loss(camera(data["image"].index_select(0, rows)), lidar(scan), scan, _cones(data, rows))
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                camera.zero_grad(set_to_none=True)
                mean += loss.item() / batches(data)
            epoch_done(mean)

    return loop


def lightning_manual_optimisation(data: Data) -> Loop:
    """Simultaneous training as Lightning documents it for two optimizers, all that is optional turned off."""
    import lightning

    class Perception(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.camera, self.lidar = _models()

        def configure_optimizers(self) -> list[torch.optim.Optimizer]:
            return [_adam(self.camera), _adam(self.lidar)]

        def training_step(self, rows: Tensor, _: int) -> None:
            scan = data["scan"].index_select(0, rows)
            loss = _loss(self.camera(data["image"].index_select(0, rows)), self.lidar(scan), scan, _cones(data, rows))
            optimizers = self.optimizers()
            for optimizer in optimizers:
                optimizer.zero_grad()
            self.manual_backward(loss)
            for optimizer in optimizers:
                optimizer.step()

    class Batches:
        def __init__(self) -> None:
            self.epochs = itertools.count()

        def __iter__(self) -> Iterator[Tensor]:
            return _shuffled(data, next(self.epochs))

        def __len__(self) -> int:
            return batches(data)

    def loop(epochs: int, epoch_done: EpochDone) -> None:
        class Tell(lightning.Callback):
            def on_train_epoch_end(self, *_: Any) -> None:
                epoch_done(nan)  # it was not asked to note the losses

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = lightning.Trainer(
                accelerator="cpu", max_epochs=epochs, callbacks=[Tell()], logger=False, enable_checkpointing=False,
                enable_progress_bar=False, enable_model_summary=False,
            )  # fmt: skip
            trainer.fit(Perception(), Batches())

    return loop


def batches(data: Data) -> int:
    """Batches of an epoch."""
    return -(-len(data["scan"]) // BATCH)


def _models() -> tuple[nn.Module, nn.Module]:
    perception = build(seed=SEED)
    return perception.component("camera").thing, perception.component("lidar").thing


def _adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)


def _shuffled(data: Data, epoch: int) -> Iterator[Tensor]:
    return iter(drawn_order(len(data["scan"]), seed_of(SEED, epoch=epoch)).split(BATCH))


def _cones(data: Data, rows: Tensor) -> list[Tensor]:
    return [data["cones"][row] for row in rows.tolist()]


def _loss(boxes: Tensor, hits: Tensor, scan: Tensor, truth: list[Tensor]) -> Tensor:
    return sum(cone_loss(relaxed_fusion(boxes, hits, scan), truth).values(), torch.zeros(()))
