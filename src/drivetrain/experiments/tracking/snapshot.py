"""A live system as versions, and back: its models' weights as data, its code as digests."""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from drivetrain.errors import DeclarationError, MisfitError, StoreError, listed
from drivetrain.experiments.store import Store
from drivetrain.experiments.versions.fingerprint import component_fingerprint, fingerprint
from drivetrain.experiments.versions.version import ComponentVersion, SystemVersion, digest_of
from drivetrain.graph import Component, System
from drivetrain.graph.describing import described

SMALL = 16 * 2**20
"""Bytes of weights up to which what a training started from is kept, too."""


def weights_of(component: Component) -> bytes:
    """What a component has learned as safetensors; each shared tensor once, an estimator's skops file as one tensor.

    Raises:
        StoreError: some state of it is no tensor.
    """
    return to_bytes({name: value.detach().cpu().contiguous().clone() for name, value in _each_once(component).items()})


def load_weights(component: Component, content: bytes, version: ComponentVersion) -> None:
    """Put weights where ``weights_of`` took them.

    Raises:
        MisfitError: they are another model's; the message names what differs.
        StoreError: they are damaged.
    """
    try:
        stored = from_bytes(content)
    except SafetensorError as error:
        raise StoreError(f"the weights of {version} are damaged: {error}") from error
    own = component.state_dict()
    extra = {name for name in own if name.endswith("_extra_state")}
    strange = sorted(set(stored) - set(own))
    missing = sorted(set(_each_once(component)) - set(stored) - extra)
    misfits = [name for name in stored if name in own and name not in extra and own[name].shape != stored[name].shape]
    if strange or missing or misfits:
        shapes = [f"{n} is {tuple(stored[n].shape)} there and {tuple(own[n].shape)} here" for n in misfits[:3]]
        absent = [*(f"no {name} here" for name in strange[:3]), *(f"no {name} there" for name in missing[:3])]
        raise MisfitError(
            f"{version} does not fit the model in slot '{component.name}': {listed([*absent, *shapes])}; "
            f"restore it into the code that it was made by, or hand over a system with that model"
        )
    with torch.no_grad():
        component.load_state_dict(stored, strict=False)


def _each_once(component: Component) -> dict[str, Tensor]:
    """Its state by name, of tensors that are shared the first."""
    state, seen = {}, set()
    for name, value in component.state_dict().items():
        if not isinstance(value, Tensor):
            raise StoreError(
                f"the state '{name}' of {component.name} is a {type(value).__name__}, which cannot be stored as data; "
                f"let get_extra_state answer a tensor"
            )
        place = (value.untyped_storage().data_ptr(), value.storage_offset(), tuple(value.shape))
        if not value.numel() or place not in seen:
            seen.add(place)
            state[name] = value
    return state


def store_component(
    store: Store, component: Component, *, keep: bool = True, run: str | None = None
) -> ComponentVersion:
    """The version that a component is now, stored with its weights; without ``keep`` its fingerprint alone."""
    state = component.state_dict()
    facts = {"class": type(component.thing).__name__, "signature": str(component.signature)}
    return store.components.add(
        component.name,
        weights_of(component) if keep else None,
        digest=component_fingerprint(component),
        kind=type(component).__name__.removesuffix("Component").lower() or "torch",
        code=code_of(component),
        parameters=sum(value.numel() for value in state.values() if isinstance(value, Tensor)),
        facts=facts,
        run=run,
    )


def size_of(component: Component) -> int:
    """The bytes of what a component has learned."""
    return sum(value.nbytes for value in component.state_dict().values() if isinstance(value, Tensor))


def code_of(component: Component) -> str:
    """The digest of a component's code without its weights; of its class where its state cannot be read."""
    kinds = [type(component.thing)]
    if isinstance(component.thing, torch.nn.Module):
        kinds = [type(module) for module in component.thing.modules()]
    return fingerprint(kinds)


def glue_of(system: System) -> dict[str, str]:
    """The digests of everything that is no model: the code between the models by component, and the diagram."""
    learning = set(system.models)
    parts = {}
    for node in system.nodes:
        if node.name not in learning:
            try:
                parts[node.name] = component_fingerprint(node.component)
            except DeclarationError:  # it holds something that cannot be read: its name has to do
                parts[node.name] = f"unread {type(node.component.thing).__name__}"
    wiring = [(node.name, list(node.inputs), list(node.makes)) for node in system.nodes]
    return parts | {"the diagram": digest_of([wiring, list(system.inputs), list(system.outputs)])}


def store_system(
    store: Store, system: System, name: str, *, only_named: tuple[str, ...] = (), run: str | None = None,
    place: str | None = None,
) -> SystemVersion:  # fmt: skip
    """The version that a system is now: its models stored, its combination pinned.

    Args:
        store: where.
        system: what.
        name: under which name.
        only_named: the models that training will change: their weights are kept where they are small (``SMALL``).
        run: the key of the run that made it.
        place: where its diagram is declared, MODULE:NAME.
    """
    nodes = {node.name: node for node in system.nodes if node.name in system.models}
    signatures = {slot: str(node.component.signature) for slot, node in nodes.items()}
    store.systems.declare(name, signatures, place=place, diagram=described(system))
    pinned = {
        slot: store_component(
            store, node.component, keep=slot not in only_named or size_of(node.component) <= SMALL, run=run
        ).digest
        for slot, node in nodes.items()
    }
    parts = glue_of(system)
    return store.systems.pin(name, pinned, glue=digest_of(sorted(parts.items())), parts=parts, run=run)


def restored(store: Store, version: SystemVersion, system: System) -> tuple[System, list[str]]:
    """Put the weights of a version into a system, in place; answers also which code is another one than it was.

    Raises:
        StoreError: the system has other models than the version; nothing is changed then.
    """
    learning = set(system.models)
    if learning != set(version.pins):
        raise StoreError(
            f"{version} pins {listed(version.pins)}, but the models of {system.name} are {listed(system.models)}; "
            f"hand over the system that it is a version of"
        )
    versions = {slot: store.components.get(digest) for slot, digest in version.pins.items()}
    contents = {slot: store.components.weights(each) for slot, each in versions.items()}
    nodes: dict[str, Any] = {node.name: node for node in system.nodes}
    before = {slot: weights_of(nodes[slot].component) for slot in versions}
    try:
        for slot, each in versions.items():
            load_weights(nodes[slot].component, contents[slot], each)
    except StoreError:
        for slot, each in versions.items():
            load_weights(nodes[slot].component, before[slot], each)
        raise
    then, now = store.systems.glue(version.glue), glue_of(system)
    changed = sorted(name for name in then.keys() | now.keys() if then and then.get(name) != now.get(name))
    changed += [slot for slot, each in versions.items() if each.code != code_of(nodes[slot].component)]
    return system, changed
