"""A system's diagram as plain data: for programs, and for pages that draw what they cannot import."""

from __future__ import annotations

from typing import Any

from drivetrain.graph.system import System


def described(system: System) -> dict[str, Any]:
    """A system's diagram as a dict that ``json`` can write."""
    return {
        "name": system.name,
        "inputs": list(system.inputs),
        "outputs": list(system.outputs),
        "ragged": sorted(system.ragged),
        "components": [
            {
                "name": node.name,
                "inputs": list(node.inputs),
                "outputs": [port.name for port in node.outputs],
                "learns": node.component.learns,
                "thing": type(node.component.thing).__name__,
            }
            for node in system.nodes
        ],
        "patterns": [
            {"pattern": found.pattern, "models": list(found.models), "at": found.at} for found in system.patterns
        ],
        "digest": system.digest,
    }
