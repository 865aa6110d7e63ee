"""A declared system is its diagram: it runs, holds others, is copied, pickled and saved, and its parts are replaced."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from drivetrain import System, component, system
from drivetrain.errors import (
    CheckpointError,
    ComponentError,
    DataError,
    MissingEdgeError,
    SignatureError,
    UnknownNameError,
)
from drivetrain.graph.component import Component


def fuse(boxes: Tensor, hits: Tensor) -> Tensor:
    return boxes + 2 * hits


@component("cones -> count")
def counted(cones: Tensor) -> Tensor:
    return (cones > 0).sum(-1)


def join() -> System:
    camera = component("camera", nn.Linear(4, 2), "image -> boxes")
    lidar = component("lidar", nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), "scan -> hits")
    fusion = component("fusion", fuse, "boxes, hits -> cones")

    @system
    def perception(image: Tensor, scan: Tensor) -> tuple[Tensor, Tensor]:
        cones = fusion(camera(image), lidar(scan))
        return cones, counted(cones)

    return perception.eval()


def batch(size: int = 5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        "image": torch.randn(size, 4, generator=generator),
        "scan": torch.randn(size, 3, generator=generator),
    }


def answers(net: System) -> Tensor:
    with torch.no_grad():
        cones: Tensor = net(**batch())[0]
    return cones


# -- what it says of itself


def test_a_system_names_its_inputs_outputs_edges_and_models() -> None:
    net = join()
    assert net.name == "perception"
    assert net.inputs == ("image", "scan")
    assert net.outputs == ("cones", "count")
    assert net.edges == ("image", "scan", "boxes", "hits", "cones", "count")
    assert net.models == ("camera", "lidar")
    assert [node.name for node in net.nodes] == ["camera", "lidar", "fusion", "counted"]
    assert net.component("camera").learns
    assert not net.component("fusion").learns


def test_a_component_outside_a_body_just_runs() -> None:
    assert counted(torch.tensor([[1.0, -1.0, 2.0]])).tolist() == [2]


def test_every_edge_is_answered_by_name() -> None:
    net = join()
    values = net.trace(batch())
    assert set(values) == set(net.edges)
    assert torch.equal(values["cones"], fuse(values["boxes"], values["hits"]))
    assert torch.equal(values["cones"], answers(net))


def test_a_missing_input_is_named() -> None:
    with pytest.raises(
        MissingEdgeError, match=r"perception\.trace: the batch has no scan, which it reads; it has: image"
    ):
        join().trace({"image": batch()["image"]})
    with pytest.raises(MissingEdgeError, match=r"the batch has no image, scan, which it reads; it has: nothing"):
        join().trace({})


def test_what_is_no_batch_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(
        DataError, match=r"found Tensor\(5, 4\); write perception\.trace\(\{'image': image, 'scan': scan\}\)"
    ):
        join().trace(batch()["image"])


def test_a_call_without_an_input_names_the_system() -> None:
    with pytest.raises(TypeError, match=r"perception\(\) missing 1 required positional argument: 'scan'"):
        join()(batch()["image"])


def test_an_error_inside_a_component_says_which_one_was_running() -> None:
    net = join()
    wrong = {"image": torch.ones(5, 9), "scan": batch()["scan"]}
    for run in (lambda: net(**wrong), lambda: net.trace(wrong)):
        with pytest.raises(RuntimeError) as failure:
            run()
        (note,) = failure.value.__notes__
        assert "while running component 'camera' (image: Tensor(5, 9) -> boxes)" in note


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda image: image, r"'split' declares 2 outputs \(left, right\) and answered Tensor\(5, 4\)"),
        (lambda image: image[:2], r"'split' declares 2 outputs \(left, right\) and answered Tensor\(2, 4\)"),
        (lambda image: {"left": image, "right": image}, r"answered \{left: Tensor\(5, 4\), right"),
        (lambda image: (image, image, image), "declares 2 outputs .* and answered 3 values"),
    ],
)
def test_an_answer_of_the_wrong_length_is_named(answer: Callable[[Tensor], Any], words: str) -> None:
    split = component("split", answer, "image -> left, right")

    @system
    def halves(image: Tensor) -> Any:
        return split(image)

    with pytest.raises(ComponentError, match=words):
        halves.trace({"image": batch()["image"]})
    with pytest.raises(ComponentError, match=words):
        halves(batch()["image"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda image: image, "declares the ragged edge 'boxes\\[\\]', which is a list with one value per sample"),
        (lambda image: None, "answered NoneType"),
        (lambda image: [image[0]], "answered 1 value\\(s\\) on the ragged edge 'boxes\\[\\]' for a batch of 5"),
    ],
)
def test_a_ragged_edge_that_is_no_list_of_samples_is_named(answer: Callable[[Tensor], Any], words: str) -> None:
    detector = component("detector", answer, "image -> boxes[]")

    @system
    def detection(image: Tensor) -> Any:
        return detector(image)

    with pytest.raises(ComponentError, match=words):
        detection.trace({"image": batch()["image"]})
    with pytest.raises(ComponentError, match=words):
        detection(batch()["image"])


def test_a_ragged_edge_counts_its_samples_by_tensors_and_ragged_edges_alone() -> None:
    backbone = component("backbone", lambda image: [image, image[:, :2]], "image -> features")  # no ragged edge
    detector = component("detector", lambda features, image: list(image), "features, image -> boxes[]")
    tracker = component("tracker", lambda boxes: boxes, "boxes[] -> tracks[]")

    @system
    def detection(image: Tensor) -> Any:
        return tracker(detector(backbone(image), image))

    assert len(detection(batch()["image"])) == 5
    assert len(detection.trace({"image": batch()["image"]})["tracks"]) == 5


def test_a_ragged_place_is_not_taken_by_what_is_not_ragged() -> None:
    net = join()
    ragged = component("eye", lambda image: list(image), "image -> boxes[]")
    words = r"'eye' answers 'boxes\[\]' as a list with one value per sample; declare it as '-> boxes'"
    with pytest.raises(SignatureError, match=words):
        net.replace(camera=ragged)


def test_a_system_that_answers_several_edges_is_compiled_by_torch_in_one_graph() -> None:
    split = component("split", lambda image: (image[:, :2], image[:, 2:]), "image -> left, right")
    merge = component("merge", fuse, "left, right -> cones")

    @system
    def halves(image: Tensor) -> Any:
        return merge(*split(image))

    image = batch()["image"]
    compiled = torch.compile(halves, backend="eager", fullgraph=True)
    assert torch.equal(compiled(image), halves(image))


# -- systems in systems, weights in several places


def stereo() -> System:
    eye = component("eye", nn.Linear(4, 3), "picture -> look")
    gaze = component("gaze", nn.Linear(3, 2), "look -> direction")

    @system
    def left(image: Tensor) -> Tensor:
        return gaze(eye(image))

    right = component("right", left, "image -> second")
    merge = component("merge", fuse, "one, other -> depth")

    @system
    def vision(near: Tensor, far: Tensor) -> Tensor:
        return merge(left(near), right(far))

    return vision


def test_names_and_edges_of_a_subsystem_carry_its_name() -> None:
    net = stereo()
    assert net.models == ("left.eye", "left.gaze", "right.eye", "right.gaze")
    assert net.edges == ("near", "far", "left.look", "left.direction", "right.look", "second", "depth")
    assert net.component("left").name == "left"
    assert net.component("right.eye").thing is net.component("left.eye").thing


def test_a_subsystem_used_twice_shares_its_weights_which_are_counted_once() -> None:
    net = stereo()
    assert sum(weight.numel() for weight in net.parameters()) == 4 * 3 + 3 + 3 * 2 + 2
    near, far = torch.randn(2, 4), torch.randn(2, 4)
    eye, gaze = net.component("left.eye").thing, net.component("left.gaze").thing
    assert torch.equal(net(near, far), fuse(gaze(eye(near)), gaze(eye(far))))
    net(near, far).sum().backward()
    assert eye.weight.grad is not None


def test_a_component_inside_a_subsystem_is_replaced_there_alone() -> None:
    net = stereo()
    changed = net.replace(**{"left.eye": component("eye", nn.Linear(4, 3), "picture -> look")})
    near, far = torch.randn(2, 4), torch.randn(2, 4)
    assert changed.edges == net.edges
    assert not torch.equal(changed.trace({"near": near, "far": far})["left.direction"], net.component("left")(near))
    assert torch.equal(changed.trace({"near": near, "far": far})["second"], net.component("right")(far))


def test_a_shared_model_is_declared_twice_and_owned_once() -> None:
    eye = nn.Linear(4, 2)
    left, right = component("left_eye", eye, "image -> left"), component("right_eye", eye, "image -> right")
    merge = component("merge", fuse, "left, right -> depth")

    @system
    def vision(near: Tensor, far: Tensor) -> Tensor:
        return merge(left(near), right(far))

    assert len(list(vision.parameters())) == 2
    assert vision.models == ("left_eye", "right_eye")
    independent = copy.deepcopy(vision)
    assert independent.component("left_eye").thing is independent.component("right_eye").thing


# -- replacing


def test_a_replaced_component_really_runs_and_the_rest_is_shared() -> None:
    net = join()
    other = net.replace(fusion=component("other", lambda boxes, hits: boxes * 0, "boxes, hits -> nothing"))
    assert answers(other).abs().sum() == 0
    assert answers(net).abs().sum() > 0
    assert other.edges == net.edges
    assert other.component("camera") is net.component("camera")


@pytest.mark.parametrize(
    ("newcomer", "error", "words"),
    [
        ({"radar": counted}, UnknownNameError, "no component 'radar' in perception; it has: camera, lidar, fusion"),
        ({"camera.net": counted}, UnknownNameError, "no component 'camera.net' in perception"),
        ({"fusion": fuse}, SignatureError, r'write replace\(fusion=component\("fusion", thing, "boxes, hits'),
        ({"fusion": counted}, SignatureError, "'fusion' is declared as 'boxes, hits -> cones'; 'counted' with"),
    ],
)  # fmt: skip
def test_a_newcomer_that_does_not_fit_is_refused(newcomer: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        join().replace(**newcomer)


# -- copies and files


def test_a_deep_copy_is_independent() -> None:
    net = join()
    twin = copy.deepcopy(net)
    before = answers(net)
    assert torch.equal(answers(twin), before)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.add_(1.0)
    assert torch.equal(answers(net), before)
    assert not torch.equal(answers(twin), before)


def test_a_pickled_system_answers_the_same() -> None:
    net = join()
    assert torch.equal(answers(pickle.loads(pickle.dumps(net))), answers(net))


def test_functions_without_an_importable_name_are_pickled_by_value() -> None:
    shift = 2.0
    encoder = component("encoder", nn.Linear(2, 2), "x -> h", from_truth=lambda truth: truth + shift)

    @component("h -> y")
    def moved(h: Tensor) -> Tensor:
        return h + shift

    @system
    def net(x: Tensor) -> Tensor:
        return moved(encoder(x))

    twin = pickle.loads(pickle.dumps(net))
    assert torch.equal(twin(torch.ones(1, 2)), net(torch.ones(1, 2)))
    assert twin.component("encoder").from_truth["h"](1.0) == 3.0
    assert copy.deepcopy(net).component("moved").thing is moved.thing


def test_the_system_of_a_script_runs_in_a_process_that_does_not_know_the_script(tmp_path: Path) -> None:
    script = (
        "import cloudpickle, sys\n"
        "from drivetrain import component, system\n"
        "@component('x -> y')\n"
        "def doubled(x):\n"
        "    return 2 * x\n"
        "@system\n"
        "def net(x):\n"
        "    return doubled(x)\n"
        "open(sys.argv[1], 'wb').write(cloudpickle.dumps(net))\n"
    )
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, tmp_path / "script.py", tmp_path / "net"], check=True)
    assert pickle.loads((tmp_path / "net").read_bytes())(3) == 6


@pytest.mark.slow
def test_a_spawned_worker_runs_the_system(tmp_path: Path) -> None:
    net = join()
    (tmp_path / "system").write_bytes(pickle.dumps(net))
    program = (
        "import pickle, sys, torch, importlib.util\n"
        "sys.path[:0] = sys.argv[3:]\n"
        "spec = importlib.util.spec_from_file_location(sys.argv[2], sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec); sys.modules[sys.argv[2]] = module\n"
        "spec.loader.exec_module(module)\n"
        "net = pickle.load(sys.stdin.buffer)\n"
        "print(module.answers(net).tolist())\n"
    )
    with (tmp_path / "system").open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-c", program, __file__, __name__, *sys.path], stdin=stdin, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(answers(net).tolist())


def test_weights_survive_the_disk(tmp_path: Path) -> None:
    net, other = join(), join()
    assert not torch.equal(answers(net), answers(other))
    net.save(tmp_path / "deep" / "weights.safetensors")
    assert other.load(tmp_path / "deep" / "weights.safetensors") is other
    assert torch.equal(answers(net), answers(other))


def test_shared_weights_survive_the_disk(tmp_path: Path) -> None:
    net, other = stereo(), stereo()
    net.save(tmp_path / "weights")
    other.load(tmp_path / "weights")
    near, far = torch.randn(2, 4), torch.randn(2, 4)
    assert torch.equal(net(near, far), other(near, far))
    assert other.component("left.eye").thing is other.component("right.eye").thing


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\xff" * 16 + b[16:]])
def test_a_damaged_file_is_refused_and_nothing_changes(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    net = join()
    net.save(tmp_path / "weights")
    (tmp_path / "weights").write_bytes(damage((tmp_path / "weights").read_bytes()))
    before = answers(net)
    with pytest.raises(CheckpointError, match="weights is damaged or not a file of weights"):
        net.load(tmp_path / "weights")
    assert torch.equal(answers(net), before)


def test_a_missing_file_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder; name the file of weights in it"):
        join().load(tmp_path)
    safetensors.torch.save_file({"weight": torch.ones(2)}, tmp_path / "foreign")
    with pytest.raises(
        CheckpointError, match=r"foreign holds weights, but no system\.save wrote it; its names: weight"
    ):
        join().load(tmp_path / "foreign")
    with pytest.raises(CheckpointError, match=r"no file .*absent; system.save\("):
        join().load(tmp_path / "absent")


def test_the_weights_of_another_system_are_refused(tmp_path: Path) -> None:
    stereo().save(tmp_path / "weights")
    with pytest.raises(CheckpointError, match=r"holds the weights of another system .*only one of them has: left\.eye"):
        join().load(tmp_path / "weights")


def test_weights_that_cannot_be_written_leave_the_older_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    with pytest.raises(CheckpointError, match="cannot write"):
        join().save(tmp_path / "file" / "weights")
    assert (tmp_path / "file").read_text() == "here first"


# -- a torch module like any other


def test_a_system_is_a_module_that_torch_tools_understand() -> None:
    net = join()
    assert isinstance(net, nn.Module)
    assert {name.split(".")[0] for name in net.state_dict()} == {"camera", "lidar"}
    assert net.double().component("camera").thing.weight.dtype is torch.float64
    other = join()
    other.load_state_dict(net.state_dict())
    assert torch.equal(answers(other), answers(net.float()))


def random_system(links: list[tuple[int, int]], inputs: int) -> tuple[System, Callable[..., Tensor]]:
    """A system whose boxes read two earlier edges each, and the same written by hand."""
    layers = [nn.Linear(3, 3) for _ in links]
    boxes = [
        component(f"box_{n}", Pair(layer) if n % 2 else pair_of(layer), f"a, b -> edge_{n}")
        for n, layer in enumerate(layers)
    ]
    names = ", ".join(f"input_{n}" for n in range(inputs))
    scope: dict[str, Any] = {"body": lambda *known: body(list(known), boxes)}

    def body(known: list[Any], steps: list[Any]) -> Any:
        for (first, second), step in zip(links, steps):
            known.append(step(known[first % len(known)], known[second % len(known)]))
        return known[-1]

    exec(f"def dag({names}): return body({names})", scope)
    by_hand = [lambda a, b, layer=layer: torch.tanh(layer(a) - b) for layer in layers]
    return system(scope["dag"]), lambda *known: body(list(known), by_hand)


class Pair(nn.Module):
    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.tanh(self.layer(a) - b)


def pair_of(layer: nn.Linear) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: torch.tanh(layer(a) - b)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=9), st.integers(1, 4))
def test_any_diagram_answers_what_a_forward_written_by_hand_answers(links: list[tuple[int, int]], inputs: int) -> None:
    net, by_hand = random_system(links, inputs)
    values = [torch.randn(2, 3) for _ in range(inputs)]
    assert torch.equal(net(*values), by_hand(*values))
    assert torch.equal(net.trace(dict(zip(net.inputs, values)))[net.outputs[0]], by_hand(*values))
    assert torch.equal(copy.deepcopy(net)(*values), by_hand(*values))


def test_a_part_is_shown_with_its_signature() -> None:
    part: Component = join().component("camera")
    assert repr(part) == "camera: image -> boxes  [Linear]"
