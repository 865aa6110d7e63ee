"""The families of systems by what makes them hard: nothing, pairs along links or elsewhere, more than two, deceit."""

from __future__ import annotations

from benchmarks.interactions.families import NO_STRUCTURE

CLASSES = {
    "each model for itself": ("additive", "additive, one dominant", "additive, measured with noise"),
    "pairs along links": (
        "weak pairs in a chain", "strong pairs in a chain", "strong pairs at a join", "strong pairs at a fork",
        "mixed sizes", "mixed sizes, noise", "trained in context",
    ),
    "pairs where no link is": ("pairs where no link is", "all pairs"),
    "better models, worse systems": ("better models make it worse", "better models make it worse, join", "poisoned"),
    "three or more at once": ("three-way, sparse", "four-way, sparse", "neighbourhoods of three", "weakest decides"),
    "traps": ("traps of two", "traps of two, no link", "traps of three"),
    "bent or stepped values": ("saturated", "plateaus"),
    "large": ("long chain", "large tree"),
    "the control": (NO_STRUCTURE,),
}  # fmt: skip
