"""What a combination costs besides its quality, version by version, and which combinations nothing beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan

from drivetrain.errors import DeclarationError, listed
from drivetrain.experiments.selecting.passes import Account
from drivetrain.experiments.versions.candidates import Candidates, Combination

SIZE, LATENCY = "size", "latency"
UNITS = {SIZE: "bytes of weights", LATENCY: "seconds for 1000 samples"}


def check_objectives(candidates: Candidates, objectives: Sequence[str]) -> tuple[str, ...]:
    """The objectives, if each is known.

    Raises:
        DeclarationError: one is neither measured by us nor a fact of the candidates.
    """
    if isinstance(objectives, str):
        objectives = (objectives,)
    for name in objectives:
        if name not in UNITS and name not in candidates.facts:
            raise DeclarationError(
                f"objectives: nothing is known of '{name}'; known: {listed([*UNITS, *candidates.facts])}. State it by "
                f'version: Candidates(..., facts={{"{name}": {{"{candidates.slots[0]}": {{"1": 5.0, ...}}}}}})'
            )
    return tuple(objectives)


def costs(candidates: Candidates, name: str, account: Account) -> dict[str, list[float]]:
    """The cost of each version by slot; NaN where it was never run. A combination costs their sum."""
    if name == SIZE:
        return {slot: [_bytes(candidates, slot, i) for i in range(n)] for slot, n in _sized(candidates)}
    if name == LATENCY:
        return {slot: [_latency(account, slot, i) for i in range(n)] for slot, n in _sized(candidates)}
    facts = candidates.facts[name]
    return {
        slot: [float(facts[slot][label]) if slot in facts else 0.0 for label in candidates.versions[slot]]
        for slot in candidates.slots
    }


def cost_of(candidates: Candidates, combination: Combination, by_version: Mapping[str, Sequence[float]]) -> float:
    """The cost of a combination."""
    return sum(by_version[slot][place] for slot, place in zip(candidates.slots, combination, strict=True))


def pareto(points: Mapping[Combination, Sequence[float]]) -> list[Combination]:
    """The combinations that no other is as good as in everything and better than in something; lower is better."""
    ordered = sorted((one for one in points if not any(map(isnan, points[one]))), key=lambda one: tuple(points[one]))
    front: list[Combination] = []
    for one in ordered:  # whoever beats it comes earlier in this order
        mine = points[one]
        if not any(all(a <= b for a, b in zip(points[other], mine, strict=True)) for other in front):
            front.append(one)
    return front


def _sized(candidates: Candidates) -> list[tuple[str, int]]:
    return list(zip(candidates.slots, candidates.sizes, strict=True))


def _bytes(candidates: Candidates, slot: str, place: int) -> float:
    weights = {value.data_ptr(): value.nbytes for value in candidates.component(slot, place).state_dict().values()}
    return float(sum(weights.values()))


def _latency(account: Account, slot: str, place: int) -> float:
    samples = account.samples.get((slot, place), 0)
    return 1000 * account.seconds[slot, place] / samples if samples else nan
