"""A body that is a diagram becomes a system; anything else is refused at once, in words that say what to write."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drivetrain import System, component, system
from drivetrain.errors import (
    DeclarationError,
    DrivetrainError,
    NameTakenError,
    SignatureError,
    TracingError,
    UnknownNameError,
)
from drivetrain.graph.component import Component


def camera() -> Component:
    return component("camera", nn.Linear(4, 2), "image -> boxes")


def lidar(output: str = "hits") -> Component:
    return component("lidar", nn.Linear(3, 2), f"scan -> {output}")


def fusion() -> Component:
    return component("fusion", lambda boxes, hits: boxes + hits, "boxes, hits -> cones")


def scaled(value: Tensor, factor: float = 1.0) -> Tensor:
    return value * factor


def declare(body: Callable[[Any], Any]) -> System:
    """A system of one input whose body is the function."""

    def perception(image: Any) -> Any:
        return body(image)

    return system(perception)


# -- names and signatures


@pytest.mark.parametrize(
    ("signature", "error", "words"),
    [
        ("image boxes", SignatureError, "'image boxes': a signature has one arrow, as in 'image -> boxes'"),
        ("a -> b -> c", SignatureError, "a signature has one arrow"),
        ("-> boxes", SignatureError, "a name is missing left of the arrow"),
        ("image ->", SignatureError, "a name is missing right of the arrow"),
        ("image, -> boxes", SignatureError, "a name is missing left of the arrow"),
        ("image -> 2boxes", SignatureError, "'2boxes' is not a name; names are Python identifiers"),
        ("image -> class", SignatureError, "'class' is not a name"),
        ("image -> boxes[3]", SignatureError, "'boxes[3]' is not a name; .*'image -> boxes[]'"),
        ("image, image -> boxes", NameTakenError, "'image' stands twice left of the arrow"),
        ("image -> boxes, boxes", NameTakenError, "'boxes' stands twice right of the arrow"),
        ("image -> key", NameTakenError, "'key' is the field that relates samples of data sets"),
    ],
)
def test_a_signature_that_cannot_be_read_is_refused(signature: str, error: type[Exception], words: str) -> None:
    pattern = re.escape(words).replace(r"\.\*", ".*")
    with pytest.raises(error, match=pattern):
        component("camera", nn.Linear(4, 2), signature)


@pytest.mark.parametrize("name", ["two words", "2nd", "", "class", "front.camera"])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(SignatureError, match="cannot name a component: names are Python identifiers, such as 'camera'"):
        component(name, nn.Linear(4, 2), "image -> boxes")


@pytest.mark.parametrize("name", ["forward", "training", "parameters", "train", "inputs", "replace", "trace", "nodes"])
def test_a_name_that_a_system_needs_itself_is_refused(name: str) -> None:
    with pytest.raises(NameTakenError, match=f"'{name}' cannot name a component: .*call it '{name}_model', say"):
        component(name, nn.Linear(4, 2), "image -> boxes")


def test_an_input_called_key_is_refused() -> None:
    with pytest.raises(NameTakenError, match="system 'perception': 'key' is the field that relates samples"):

        @system
        def perception(key: Tensor) -> Tensor:
            return camera()(key)


def test_a_system_may_not_be_called_like_an_attribute_of_its_own() -> None:
    with pytest.raises(NameTakenError, match="'forward' cannot name a component"):

        @system
        def forward(image: Tensor) -> Tensor:
            return camera()(image)


# -- what a component is made of


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: component("camera", nn.ReLU, "image -> boxes"), "'camera' is given the class ReLU; hand over"),
        (lambda: component(nn.ReLU(), "camera", "image -> boxes"), "and its signature, in this order; found ReLU, str"),
        (lambda: component("camera", "image -> boxes", nn.ReLU()), "in this order; found str, str, ReLU: write"),
        (lambda: component("camera", nn.ReLU()), "needs a signature: component('camera', thing, \"image -> boxes\")"),
        (lambda: component("camera", 3, "image -> boxes"), "'camera' cannot be a component: found int; what fits"),
        (lambda: component("camera"), "has neither a thing nor a signature"),
        (lambda: component("camera", nn.Linear(4, 2), "image, scan -> boxes"), "hands it 2 value(s), but it takes"),
        (lambda: component("add", lambda a, b: a + b, "a -> c"), "hands it 1 value(s), but it takes (a, b)"),
        (
            lambda: component("camera", nn.ReLU(), "x -> y", from_truth={"z": abs}),
            "'camera': from_truth names 'z', but its outputs are: y",
        ),
        (
            lambda: component("camera", nn.ReLU(), "x -> y, z", from_truth=abs),
            "'camera' has several outputs (y, z); say which one from_truth encodes: from_truth={'y': encode}",
        ),
    ],
)  # fmt: skip
def test_what_is_no_component_is_refused(make: Callable[[], Any], words: str) -> None:
    # called through an untyped door, as a user without a type checker would
    with pytest.raises(DeclarationError, match=re.escape(words)):
        make()


def test_the_decorator_without_a_signature_says_what_to_write() -> None:
    with pytest.raises(SignatureError, match=r'write @component\("a, b -> c"\) above fuse'):

        @component  # type: ignore[call-overload]
        def fuse(boxes: Tensor) -> Tensor:
            return boxes


def test_a_lambda_above_which_no_name_stands_is_refused() -> None:
    with pytest.raises(SignatureError, match="'<lambda>' cannot name a component"):
        component("a -> b")(lambda a: a)
    with pytest.raises(SignatureError, match="'<lambda>' cannot name a component"):
        system(lambda image: camera()(image))


# -- the body of a system

REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "arithmetic": (lambda image: camera()(image) + 1, "arithmetic on edge 'boxes'"),
    "arithmetic from the right": (lambda image: 1 - camera()(image), "arithmetic on edge 'boxes'"),
    "negation": (lambda image: -camera()(image), "arithmetic on edge 'boxes'"),
    "indexing": (lambda image: camera()(image)[0], "indexing on edge 'boxes'"),
    "a comparison": (lambda image: camera()(image) > 0, "a comparison on edge 'boxes'"),
    "equality": (lambda image: camera()(image) == image, "a comparison on edge 'boxes'"),
    "a condition": (lambda image: camera()(image) if image else None, "a condition on edge 'image'"),
    "len": (lambda image: len(image), r"len\(\) on edge 'image'"),
    "a loop": (lambda image: list(camera()(image)), "iteration or unpacking.*'x -> a, b'.* on edge 'boxes'"),
    "a conversion": (lambda image: float(image), "a conversion on edge 'image'"),
    "a text": (lambda image: f"{image}", "a conversion on edge 'image'"),
    "numpy": (lambda image: np.asarray(image), "a conversion on edge 'image'"),
    "an attribute": (lambda image: image.shape, r"\.shape on edge 'image'"),
    "a method": (lambda image: camera()(image).mean(), r"\.mean on edge 'boxes'"),
    "a torch function": (lambda image: torch.relu(camera()(image)), r"torch\.relu\(\.\.\.\) on edge 'boxes'"),
    "torch on a list": (lambda image: torch.cat([image, image]), r"torch\.cat\(\.\.\.\) on edge 'image'"),
    "a bare module": (lambda image: nn.Linear(4, 2)(image), r"torch\.linear\(\.\.\.\) on edge 'image'"),
    "a call": (lambda image: image(3), "a call on edge 'image'"),
    "a copy": (lambda image: copy.deepcopy(image), "copying on edge 'image'"),
    "a shallow copy": (lambda image: copy.copy(image), "copying on edge 'image'"),
    "setting an attribute": (lambda image: setattr(image, "size", 3), "setting an attribute on edge 'image'"),
}


@pytest.mark.parametrize("operation", REFUSED)
def test_anything_done_to_a_symbol_is_refused_and_the_cure_is_named(operation: str) -> None:
    body, words = REFUSED[operation]
    with pytest.raises(TracingError, match=f"in perception: {words}") as refusal:
        declare(body)
    assert 'Wrap it with @component("' in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (lambda image: None, TracingError, "system 'perception' returns None; it returns what components answered"),
        (lambda image: 3, TracingError, "system 'perception' returns 3"),
        (lambda image: (camera()(image), 3), TracingError, "system 'perception' returns 3"),
        (lambda image: {}, TracingError, "system 'perception' returns {}"),
        (lambda image: camera()(image, image), TracingError, "is called with 2; name a further edge in its signature"),
        (lambda image: fusion()(image), TracingError, "takes 2 value(s), boxes, hits; it is called with 1, hits"),
        (lambda image: camera()(picture=image), TracingError, "'image -> boxes', which has no input 'picture'"),
        (lambda image: camera()(image, image=image), TracingError, "is given 'image' twice"),
        (lambda image: camera()(image, gain=2), TracingError, "it does not take the keyword 'gain'"),
        (lambda image: fusion()([image, image], image), TracingError, "a list of edges is handed to 'boxes'"),
        (lambda image: fusion()(image, {"a": image}), TracingError, "a dict of edges is handed to 'hits'"),
        (
            lambda image: fusion()(camera()(image), camera()(image)),
            NameTakenError,
            "'camera' is called twice, but a box stands once in a diagram; declare the second one under its own name",
        ),
        (
            lambda image: fusion()(camera()(image), lidar("boxes")(image)),
            NameTakenError,
            "edge 'boxes' is produced by 'lidar' and already is produced by 'camera'; name the outputs apart",
        ),
        (lambda image: lidar("image")(image), NameTakenError, "edge 'image' is produced by 'lidar' and already is"),
        (
            lambda image: component("tracker", len, "boxes[] -> count")(camera()(image)),
            SignatureError,
            "'tracker' takes a ragged 'boxes[]', but edge 'boxes' is not ragged; declare it so where it is produced",
        ),
    ],
)  # fmt: skip
def test_a_body_that_is_no_diagram_is_refused(body: Callable[[Any], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        declare(body)


def test_unpacking_into_too_many_names_says_what_was_answered() -> None:
    split = component("split", lambda image: (image, image), "image -> left, right")

    def halves(image: Any) -> Any:
        left, middle, right = split(image)
        return left, middle, right

    with pytest.raises(TracingError, match=r"in halves: not enough values to unpack .* answers: split -> left, right"):
        system(halves)


def test_a_constant_may_stand_behind_the_declared_inputs() -> None:
    def scale(image: Tensor, factor: float = 1.0, *, shift: float = 0.0) -> Tensor:
        return image * factor + shift

    brighter = component("brighter", scale, "image -> bright")
    net = declare(lambda image: brighter(image, 2.0, shift=3.0))
    assert net(torch.ones(2)).tolist() == [5, 5]
    assert "factor=2.0, shift=3.0" in str(net)
    with pytest.raises(TracingError, match="is given 'factor' twice"):
        declare(lambda image: brighter(image, 2.0, factor=3.0))
    with pytest.raises(TracingError, match="takes 1 value\\(s\\), image; it is called with 3"):
        declare(lambda image: brighter(image, 2.0, 3.0))


def test_every_public_name_of_a_system_is_refused_as_the_name_of_a_component() -> None:
    for name in (name for name in dir(declare(camera())) if not name.startswith("_") and name != "camera"):
        with pytest.raises(NameTakenError, match=f"'{name}' cannot name a component"):
            component(name, nn.Linear(4, 2), "image -> boxes")


def test_a_system_without_inputs_is_refused() -> None:
    with pytest.raises(
        TracingError, match=r"system 'empty' has no inputs; its parameters are its input edges: def empty"
    ):

        @system
        def empty() -> None:
            return None


@pytest.mark.parametrize("parameters", ["*images", "**images"])
def test_a_system_without_fixed_inputs_is_refused(parameters: str) -> None:
    names: dict[str, Any] = {}
    exec(f"def perception({parameters}): return None", names)
    with pytest.raises(TracingError, match=rf"{re.escape(parameters)}' has no fixed inputs; name each input"):
        system(names["perception"])


def test_edges_of_two_systems_do_not_mix() -> None:
    leaked: list[Any] = []

    @system
    def first(image: Tensor) -> Tensor:
        leaked.append(image)
        return camera()(image)

    with pytest.raises(TracingError, match="'fusion' is called with edges of several systems: "):

        @system
        def second(scan: Tensor) -> Tensor:
            return fusion()(leaked[0], scan)


def test_only_a_function_can_be_a_system() -> None:
    with pytest.raises(DrivetrainError, match="@system stands above the function that runs the system"):
        system(nn.Linear(4, 2))


def test_an_unknown_component_is_refused_with_a_list_of_those_there_are() -> None:
    net = declare(camera())
    with pytest.raises(UnknownNameError, match="no component 'radar' in perception; it has: camera"):
        net.component("radar")
    with pytest.raises(UnknownNameError, match="no component 'radar' in perception; it has: camera"):
        net.replace(radar=camera())
    outer = declare(lambda image: component("front", net, "image -> seen")(image))
    with pytest.raises(UnknownNameError, match=r"no component 'camera' in perception; it has: front, front\.camera"):
        outer.replace(camera=camera())


# -- what is recorded


def test_constants_and_keywords_are_recorded_and_used() -> None:
    scale = component("scale", scaled, "value -> large")
    shift = component("shift", lambda value, by: value + by, "value, by -> moved")
    net = declare(lambda image: shift(scale(image, factor=3.0), 0.5))
    image = torch.ones(2, 1)
    assert torch.equal(net(image), torch.full((2, 1), 3.5))
    assert [node.inputs for node in net.nodes] == [("image",), ("large",)]
    assert net.nodes[0].keywords == {"factor": 3.0}
    assert net.nodes[1].arguments[1].value == 0.5


def test_a_default_of_the_body_is_a_constant_and_no_input() -> None:
    scale = component("scale", scaled, "value -> large")

    @system
    def perception(image: Tensor, factor: float = 4.0) -> Tensor:
        return scale(image, factor=factor)

    assert perception.inputs == ("image",)
    assert torch.equal(perception(torch.ones(2)), torch.full((2,), 4.0))


def test_inputs_may_be_bound_by_the_names_of_the_signature() -> None:
    net = declare(lambda image: fusion()(hits=image, boxes=camera()(image)))
    assert net.nodes[-1].inputs == ("boxes", "image")


@pytest.mark.parametrize(
    ("shape", "check"),
    [
        (lambda a, b: (a, b), lambda answer: isinstance(answer, tuple) and len(answer) == 2),
        (lambda a, b: [a, b], lambda answer: isinstance(answer, list) and len(answer) == 2),
        (lambda a, b: {"left": a, "right": b}, lambda answer: list(answer) == ["left", "right"]),
        (lambda a, b: {"both": (a, b)}, lambda answer: len(answer["both"]) == 2),
        (lambda a, b: (a,), lambda answer: isinstance(answer, tuple) and len(answer) == 1),
        (lambda a, b: (a, a, b), lambda answer: answer[0] is answer[1]),
    ],
)
def test_outputs_come_back_as_the_body_returned_them(shape: Callable[..., Any], check: Callable[..., bool]) -> None:
    net = declare(lambda image: shape(camera()(image), component("other", nn.Linear(4, 1), "image -> depth")(image)))
    assert check(net(torch.ones(2, 4)))


def test_several_outputs_of_a_component_are_unpacked() -> None:
    split = component("split", lambda value: (value + 1, value - 1), "value -> more, less")
    join = component("join", lambda more, less: more * less, "more, less -> product")

    @system
    def products(value: Tensor) -> Tensor:
        more, less = split(value)
        return join(more, less)

    assert torch.equal(products(torch.tensor([3.0])), torch.tensor([8.0]))


def test_ragged_inputs_are_known_from_those_who_take_them() -> None:
    count = component("count", lambda boxes: torch.tensor([len(each) for each in boxes]), "boxes[] -> number")
    net = declare(count)
    assert net.ragged == frozenset({"image"})
