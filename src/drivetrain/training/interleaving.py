"""Tracks that take turns within an epoch: some updates of one, then some of the next, until all data is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivetrain.training.base import State
from drivetrain.training.lane import Lane

Position = dict[str, Any]
"""Where to go on: ``lane`` and ``batch``; of those that take turns how far each is and what of the turn is done; of
those that learn in processes which are ``done``, and how many ``updates`` the last one made."""


def one_after_the_other(lanes: Sequence[Lane], state: State, start: Mapping[str, Any] | None) -> Iterator[Position]:
    """An epoch of each lane; yields after every update where to go on from."""
    over = set(start.get("done", range(start["lane"]))) if start else set()
    batch = start["batch"] if start else 0
    for lane in lanes:
        if lane.number in over:
            continue
        for done in lane.epoch(state, batch):
            yield {"lane": lane.number, "batch": done}
        batch = 0


def taking_turns(
    lanes: Sequence[Lane], every: int, state: State, start: Mapping[str, Any] | None
) -> Iterator[Position]:
    """The same epoch, ``every`` updates of a lane at a time; one that has read its data lets the others go on."""
    batches: list[int] = list(start["batches"]) if start and "batches" in start else [0] * len(lanes)
    first, taken = (start["lane"], start["taken"]) if start and "batches" in start else (0, 0)
    streams = {
        number: lane.epoch(state, batches[number]) for number, lane in enumerate(lanes) if batches[number] != _READ
    }
    number = first
    while streams:
        if number in streams:
            while taken < every:
                done = next(streams[number], None)
                if done is None:
                    batches[number] = _READ
                    del streams[number]
                    break
                taken, batches[number] = taken + 1, done
                yield {"lane": number, "batch": done, "batches": list(batches), "taken": taken}
        number, taken = (number + 1) % len(lanes), 0


_READ = -1
