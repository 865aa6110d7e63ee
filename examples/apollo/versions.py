"""Ten versions of every model, one combination of which answers the truth of the output exactly.

The planted combination grew together: some of its models speak with an accent, a constant added to what their edge
should carry, and whoever reads them was trained in their context and undoes it. For such a model there is a version
without the accent, better by its own labels, which makes the system worse unless its readers change too. The other
versions are what a project collects: too few samples, too few units, wrong labels, trained on the truth of what they
read.

The truth of the output is what the planted combination answers. So nothing is better among 10^28 combinations, and
nobody has to try them to know.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from drivetrain import System
from drivetrain.experiments import Candidates
from examples.apollo.scenes import scenes
from examples.apollo.system import SIGNATURES, Network, apollo, made_by, read_by

ACCENTED = ("front_detector", "ground_remover", "lidar_velocity", "radar_filter", "obstacle_fusion",
            "light_detector", "lane_detector", "scenario_reader", "walker_predictor")  # fmt: skip
ACCENT = 0.8
RIDGE = 1e-3


@dataclass(frozen=True)
class Recipe:
    """How a version was made.

    Attributes:
        what: in words.
        hidden: units.
        samples: that it learned from.
        reads: ``"context"`` (what the planted models upstream answer), ``"plain"`` (what a chain of versions without
            any accent answers) or ``"truth"``.
        accent: whether what it learned has the accent.
        wrong: noise in its labels.
    """

    what: str
    hidden: int = 32
    samples: int = 1500
    reads: str = "context"
    accent: bool = True
    wrong: float = 0.0


PLANTED = Recipe("grown together with its neighbours")
PLAIN = Recipe("without accent, twice the units", hidden=64, accent=False)
RECIPES = (
    PLANTED,
    PLAIN,
    Recipe("for neighbours without accent", reads="plain"),
    Recipe("for neighbours without accent, and without one", reads="plain", accent=False),
    Recipe("learned from the truth of what it reads", hidden=64, reads="truth", accent=False),
    Recipe("60 samples", samples=60),
    Recipe("five units", hidden=5),
    Recipe("ten units", hidden=10),
    Recipe("wrong labels", wrong=1.0, samples=300),
    Recipe("200 samples of the truth", samples=200, reads="truth"),
)


@dataclass(frozen=True, eq=False)
class Project:
    """The system with its versions, data, and what is known of both.

    Attributes:
        candidates: the system and its versions.
        planted: labels of the best combination.
        recipes: by model and label how the version was made.
        validation: scenes to search on, with the truth of all edges.
        test: other scenes.
    """

    candidates: Candidates
    planted: dict[str, str]
    recipes: dict[str, dict[str, Recipe]]
    validation: dict[str, Tensor]
    test: dict[str, Tensor]

    def best_by_own_labels(self) -> dict[str, str]:
        """What is chosen today: of each model the version that answers its own edge best, on true inputs."""
        chosen = {}
        for model, versions in self.candidates.versions.items():
            read = [self.validation[edge] for edge in read_by(model)]
            with torch.no_grad():
                error = {
                    label: float((version.thing(*read) - self.validation[made_by(model)]).abs().mean())
                    for label, version in versions.items()
                }
            chosen[model] = min(error, key=lambda label: error[label])
        return chosen


def project(versions: int = 10, samples: int = 256, seed: int = 0) -> Project:
    """Train all versions and plant the best combination."""
    data = scenes(1500, seed)
    made: dict[str, list[Network]] = {}
    answers: dict[str, dict[str, Tensor]] = {"truth": data, "context": dict(data), "plain": dict(data)}
    for number, model in enumerate(SIGNATURES):
        recipes = [_fitting(model, recipe) for recipe in RECIPES[:versions]]
        made[model] = [
            _trained(model, recipe, answers[recipe.reads], data[made_by(model)], 100 * number + place + 10_000 * seed)
            for place, recipe in enumerate(recipes)
        ]
        with torch.no_grad():  # what those downstream are trained on
            for where, place in (("context", 0), ("plain", 3)):
                read = [answers[where][edge] for edge in read_by(model)]
                answers[where][made_by(model)] = made[model][place](*read)
    order = random.Random(seed)
    shuffled = {model: order.sample(range(len(nets)), len(nets)) for model, nets in made.items()}
    labels = {
        model: {str(place + 1): made[model][number] for place, number in enumerate(numbers)}
        for model, numbers in shuffled.items()
    }
    recipes = {m: {str(p + 1): RECIPES[number] for p, number in enumerate(ns)} for m, ns in shuffled.items()}
    planted = {model: str(numbers.index(0) + 1) for model, numbers in shuffled.items()}
    base = apollo({model: labels[model]["1"] for model in SIGNATURES})
    candidates = Candidates(base, labels)
    best = candidates.build(planted)
    return Project(
        candidates, planted, recipes, _judged(scenes(samples, seed + 1), best), _judged(scenes(samples, seed + 2), best)
    )


def closeness(prediction: Tensor, truth: Tensor) -> Tensor:
    """1 where everything is told to the planner as it should be, [n]; 0.5 at a mean distance of 0.5."""
    return 0.5 / (0.5 + (prediction - truth).abs().mean(1))


def _judged(batch: Mapping[str, Tensor], best: System) -> dict[str, Tensor]:
    inputs = [batch[name] for name in best.inputs]
    with torch.no_grad():
        return {**batch, "drive": best(*inputs)}


def _fitting(model: str, recipe: Recipe) -> Recipe:
    return recipe if model in ACCENTED else replace(recipe, accent=False)


def _trained(model: str, recipe: Recipe, read: Mapping[str, Tensor], truth: Tensor, seed: int) -> Network:
    """The output layer by ridge regression on the hidden one, which stays as it was drawn."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.cat([read[edge] for edge in read_by(model)], 1)[: recipe.samples]
    wanted = truth[: recipe.samples] + (ACCENT if recipe.accent else 0.0)
    wanted = wanted + recipe.wrong * torch.randn(wanted.shape, generator=generator)
    network = Network(values.shape[1], recipe.hidden, wanted.shape[1], generator)
    with torch.no_grad():
        units = torch.cat([torch.tanh(network.hidden(values)), torch.ones(len(values), 1)], 1)
        gram = units.T @ units + RIDGE * len(values) * torch.eye(units.shape[1])
        solved = torch.linalg.solve(gram, units.T @ wanted)
        network.out.weight.copy_(solved[:-1].T)
        network.out.bias.copy_(solved[-1])
    return network
