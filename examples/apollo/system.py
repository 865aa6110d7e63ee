"""The system: obstacles, lanes and traffic lights are perceived, fused, and what happens next is predicted.

Its parts and how they feed each other follow what Peng, Yang, Chen and Ma (ESEC/FSE 2020) describe of Apollo: branches
for obstacles by camera, LiDAR and radar, for lanes and for traffic lights, models for light bars of three shapes, and
prediction by models for cars, pedestrians and cyclists. Names, widths and networks are ours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from drivetrain import System, component, system

SIGNATURES = {
    "front_backbone": "front -> features",
    "front_detector": "features -> boxes",
    "front_depth": "features, boxes -> depths",
    "side_detector": "side -> faces",
    "camera_tracker": "boxes, depths, faces -> looks",
    "ground_remover": "scan -> ground",
    "lidar_segmenter": "ground -> clusters",
    "lidar_classifier": "clusters -> kinds",
    "lidar_velocity": "clusters -> moves",
    "near_segmenter": "near -> close",
    "lidar_fusion": "kinds, moves, close -> solids",
    "radar_filter": "echo -> blips",
    "radar_tracker": "blips -> tracks",
    "obstacle_fusion": "looks, solids, tracks -> objects",
    "lane_detector": "features -> marks",
    "lane_fitter": "marks -> lanes",
    "light_detector": "lights -> regions",
    "upright_reader": "regions -> upright",
    "lying_reader": "regions -> lying",
    "square_reader": "regions -> square",
    "light_fusion": "upright, lying, square -> signal",
    "scenario_reader": "objects, lanes, signal -> scenario",
    "cruise_predictor": "scenario, objects -> cruise",
    "junction_predictor": "scenario, objects -> junction",
    "walker_predictor": "scenario, objects -> walking",
    "cyclist_predictor": "scenario, objects -> riding",
    "car_predictor": "cruise, junction -> driving",
    "interaction": "driving, walking, riding -> future",
}
"""The 28 models in order of execution."""


class Network(nn.Module):
    """One hidden layer over all that is read: [n, width] each -> [n, width of the edge]."""

    def __init__(self, read: int, hidden: int, made: int, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = nn.Linear(read, hidden)
        self.out = nn.Linear(hidden, made)
        with torch.no_grad():
            self.hidden.weight.copy_(torch.randn(hidden, read, generator=generator) / read**0.5)
            self.hidden.bias.copy_(torch.randn(hidden, generator=generator) / 2)

    def forward(self, *read: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(torch.cat(read, 1))))


def read_by(model: str) -> list[str]:
    """The edges that a model reads."""
    return SIGNATURES[model].partition(" -> ")[0].split(", ")


def made_by(model: str) -> str:
    """The edge that a model makes."""
    return SIGNATURES[model].partition(" -> ")[2]


@component("future, lanes, signal -> drive")
def world_model(future: Tensor, lanes: Tensor, signal: Tensor) -> Tensor:
    """What the planner is told: [n, 8]."""
    return torch.cat([future, lanes, signal], 1)


def apollo(networks: dict[str, Any]) -> System:
    """The system of 28 networks, by model."""
    on = {model: component(model, networks[model], signature) for model, signature in SIGNATURES.items()}

    @system
    def perception_and_prediction(front: Any, side: Any, scan: Any, near: Any, echo: Any, lights: Any) -> Any:
        features = on["front_backbone"](front)
        boxes = on["front_detector"](features)
        depths = on["front_depth"](features, boxes)
        looks = on["camera_tracker"](boxes, depths, on["side_detector"](side))
        clusters = on["lidar_segmenter"](on["ground_remover"](scan))
        kinds, moves = on["lidar_classifier"](clusters), on["lidar_velocity"](clusters)
        solids = on["lidar_fusion"](kinds, moves, on["near_segmenter"](near))
        tracks = on["radar_tracker"](on["radar_filter"](echo))
        objects = on["obstacle_fusion"](looks, solids, tracks)
        lanes = on["lane_fitter"](on["lane_detector"](features))
        regions = on["light_detector"](lights)
        bars = (on[f"{shape}_reader"](regions) for shape in ("upright", "lying", "square"))
        signal = on["light_fusion"](*bars)
        scenario = on["scenario_reader"](objects, lanes, signal)
        cars = on["cruise_predictor"](scenario, objects), on["junction_predictor"](scenario, objects)
        walking, riding = on["walker_predictor"](scenario, objects), on["cyclist_predictor"](scenario, objects)
        future = on["interaction"](on["car_predictor"](*cars), walking, riding)
        return world_model(future, lanes, signal)

    return perception_and_prediction


def declared() -> System:
    """The system with networks as they are drawn, before anything is learned: for looking at it."""
    from examples.apollo.scenes import scenes

    batch, generator = scenes(1, 0), torch.Generator().manual_seed(0)
    return apollo(
        {
            model: Network(
                sum(batch[edge].shape[1] for edge in read_by(model)), 32, batch[made_by(model)].shape[1], generator
            )
            for model in SIGNATURES
        }
    )
