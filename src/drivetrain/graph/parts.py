"""Lists that are structure: parts of one value, unlike the list of a ragged edge, which has one value per sample."""

from __future__ import annotations

from typing import Any

from torch.utils._pytree import register_pytree_node


class Parts(list[Any]):
    """A list whose elements are parts of one value, such as the feature maps of a backbone; each has all samples."""


# torch's trees look at the exact type: without this, a list of a class of its own would be one leaf
register_pytree_node(Parts, lambda parts: (list(parts), None), lambda parts, _: Parts(parts))


def marked(value: Any) -> Any:
    """What an edge that is not ragged carries, with every list in it known for structure; all else as it is."""
    if type(value) is list:
        return Parts(map(marked, value))
    if type(value) is tuple:
        inside = tuple(map(marked, value))
        return inside if any(new is not old for new, old in zip(inside, value, strict=True)) else value
    if type(value) is dict:
        changed = {key: marked(part) for key, part in value.items()}
        return changed if any(changed[key] is not value[key] for key in value) else value
    return value
