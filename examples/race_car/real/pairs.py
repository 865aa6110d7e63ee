"""Scores the design on pairs of layouts left out: what one member and several find, at every caution of the fusion.

Run it from the repository: ``python -m examples.race_car.real.pairs``. Whoever changes the models looks here, and
not at the table of the baseline.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from drivetrain import System
from examples.race_car.real.baseline import RECIPES, train
from examples.race_car.real.committee import committee
from examples.race_car.real.dataset import layout_of, leave_one_layout_out, load
from examples.race_car.real.fusion import DEFAULT_RULES
from examples.race_car.real.judging import SCORES, Tally, predict, tally
from examples.race_car.real.scoring import judge
from examples.race_car.real.sessions import session_names
from examples.race_car.real.system import soft_fusion

CAUTIONS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)


def pairs_of(sessions: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every pair of layouts of different rigs, so that both rigs stay calibrated when it is left out."""
    layouts = [layout for layout, _, _ in leave_one_layout_out(sessions)]
    half = (len(layouts) + 1) // 2
    return [(one, other) for one in layouts[:half] for other in layouts[half:]]


def sums(system: System, sessions: list[str], path: str | None) -> dict[float, Tally]:
    """The sums of all sessions by caution."""
    data = load(sessions, path)
    found = {}
    for caution in CAUTIONS:
        cones = predict(system.replace(fusion=soft_fusion(replace(DEFAULT_RULES, caution=caution))), data)
        found[caution] = tally([judge(*pair) for pair in zip(cones, data["cones"], strict=True)])
    return found


def main() -> None:
    """Prints F1 by caution: of the members one by one, together, and of them together by layout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", help="folder with labels/, points/, metadata/; default: see docs/race-car-real.md")
    parser.add_argument("--pattern", choices=list(RECIPES), default="individual", help="how to train")
    parser.add_argument("--epochs", type=int, default=8, help="readings of the training sessions (default 8)")
    parser.add_argument("--members", type=int, default=3, help="trainings that answer together (default 3)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names, rows = session_names(options.path), dict[str, list[dict[float, Tally]]]()
    for pair in pairs_of(names):
        data = load([name for name in names if layout_of(name) not in pair], options.path)
        recipe = RECIPES[options.pattern]
        members = [train(data, recipe, epochs=options.epochs, seed=seed) for seed in range(options.members)]
        both = committee(members)
        for layout in pair:
            own = [name for name in names if layout_of(name) == layout]
            rows.setdefault("one by one", []).extend(sums(member, own, options.path) for member in members)
            together = sums(both, own, options.path)
            rows.setdefault(f"{options.members} together", []).append(together)
            rows.setdefault(f"{options.members} together, {layout}", []).append(together)
    table = Table("F1 at caution", *map(str, CAUTIONS), title=f"{options.pattern} training, pairs of layouts left out")
    for label, found in rows.items():
        totals = [np.sum([one[caution] for one in found], axis=0) for caution in CAUTIONS]
        table.add_row(label, *(f"{SCORES['F1'](total):.3f}" for total in totals))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
