"""What a value looks like apart from its numbers and the number of its samples, and versions that answer otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.errors import ShapeError, listed
from drivetrain.experiments.versions.candidates import Candidates
from drivetrain.graph.parts import Parts


def form_of(value: Any) -> str:
    """The form of a value: ``[n, 4]`` for n samples of four numbers, ``a list`` for a ragged edge.

    Example:
        >>> import torch
        >>> form_of({"boxes": torch.ones(3, 4), "classes": torch.ones(3)})
        '{boxes: [n, 4], classes: [n]}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {form_of(part)}" for key, part in value.items()) + "}"
    if isinstance(value, Parts | tuple):
        return "(" + ", ".join(map(form_of, value)) + ")"
    if isinstance(value, list):
        return "a list"
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape):
        return "[" + ", ".join(["n", *(str(int(length)) for length in shape[1:])]) + "]"
    return type(value).__name__


def check_forms(candidates: Candidates, forms: Mapping[tuple[str, int], Mapping[str, str]]) -> None:
    """Refuse versions of one slot that answer in different forms.

    Raises:
        ShapeError: naming them, what each answers, and what can be done.
    """
    for slot in candidates.slots:
        labels = list(candidates.versions[slot])
        seen = {place: found for (name, place), found in sorted(forms.items()) if name == slot}
        for edge in sorted({edge for found in seen.values() for edge in found}):
            by_form: dict[str, list[str]] = {}
            for place, found in seen.items():
                if edge in found:
                    by_form.setdefault(found[edge], []).append(labels[place])
            if len(by_form) > 1:
                common = max(by_form, key=lambda form: len(by_form[form]))
                odd = [label for form, several in by_form.items() if form != common for label in several]
                said = "; ".join(f"version {listed(several)} answers {form}" for form, several in by_form.items())
                raise ShapeError(
                    f"the versions of '{slot}' do not answer alike on edge '{edge}': {said}. What reads "
                    f"'{edge}' cannot take both: leave out version {listed(odd)}, "
                    f"wrap it so that it answers {common}, or declare the "
                    f"edge as '{edge}[]' if its length differs from sample to sample"
                )
