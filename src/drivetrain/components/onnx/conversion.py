"""The conversion of an ONNX model to PyTorch, and where each of its weights stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import torch
from onnx import numpy_helper, version_converter
from onnx2torch import convert
from onnx2torch.node_converters import get_converter
from onnx2torch.onnx_graph import OnnxGraph
from torch import Tensor, nn

from drivetrain.components.onnx.operators import complete
from drivetrain.errors import ComponentError, listed

Places = dict[str, tuple[str, bool]]
"""By the name of an initializer: where it stands in the torch module, and whether it is transposed there."""

WEIGHTS = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Einsum": (0, 1),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "PRelu": (1,),
    "Gather": (0,),
    "Add": (0, 1),
    "Mul": (0, 1),
}
"""Which operands of an operator are weights if they are initializers with an axis; Sub and Div normalise inputs."""
STATISTICS = {"BatchNormalization": (3, 4)}
OLDER = (17, 15, 13)  # sets of operators that onnx2torch knows best


def learnable(model: onnx.ModelProto) -> tuple[str, ...]:
    """The names of the initializers that are weights by their place in an operator."""
    return _operands(_plain(model), WEIGHTS)


def converted(model: onnx.ModelProto, weights: Sequence[str], name: str) -> tuple[nn.Module, Places]:
    """A torch module that answers the model's outputs as a list; the named initializers are its parameters.

    Raises:
        ComponentError: an operator cannot be converted, or a name is no initializer of floating-point numbers.
    """
    complete()
    plain = _convertible(_plain(model), name)
    own = {tensor.name: tensor for tensor in plain.graph.initializer}
    for weight in weights:
        if weight not in own or own[weight].data_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
            floats = [tensor.name for tensor in own.values() if tensor.data_type == onnx.TensorProto.FLOAT]
            raise ComponentError(
                f"{name}: '{weight}' is no initializer of floating-point numbers; there are: {listed(floats)}"
            )
    statistics = _operands(plain, STATISTICS)
    network = _converted(plain, name)
    places = _places(plain, (*weights, *statistics), name)
    _set_free(network, {place for weight in weights for place in places.get(weight, ())})
    _tie(network, places, name)
    found = {weight: _one_of(all_of) for weight, all_of in places.items()}
    return _Answers(network, plain), found


class _Answers(nn.Module):
    """Runs a converted graph and picks the model's outputs, in their order."""

    def __init__(self, graph: nn.Module, model: onnx.ModelProto) -> None:
        super().__init__()
        self.graph = graph
        shape = OnnxGraph(model.graph)
        made = [shape.value_as_node_output(name) for name in shape.output_values]
        nodes = list(dict.fromkeys(node.unique_name for node, _ in made))
        self._picks = [(nodes.index(node.unique_name), i if len(node.output_values) > 1 else None) for node, i in made]
        self._is_alone = len(nodes) == 1

    def forward(self, *values: Tensor) -> list[Tensor]:
        answers = self.graph(*values)
        answers = [answers] if self._is_alone else answers
        return [answers[node] if place is None else answers[node][place] for node, place in self._picks]


def _plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which constants are initializers, and initializers handed on are what they are."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    graph = plain.graph
    same: dict[str, str] = {}
    known = {tensor.name for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    nodes = []
    for node in graph.node:
        for place, value in enumerate(node.input):
            node.input[place] = same.get(value, value)
        if node.op_type == "Constant" and node.attribute[0].name == "value" and node.output[0] not in outputs:
            tensor = graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            known.add(tensor.name)
        elif node.op_type == "Identity" and node.input[0] in known and node.output[0] not in outputs:
            same[node.output[0]] = node.input[0]
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(nodes)
    return plain


def _operands(model: onnx.ModelProto, table: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    own = {
        tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT and tensor.dims
    }
    found = [
        node.input[place]
        for node in model.graph.node
        for place in table.get(node.op_type, ())
        if place < len(node.input) and node.input[place] in own
    ]
    return tuple(dict.fromkeys(found))


def _convertible(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    missing = _missing(model)
    if not missing:
        return model
    current = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    for version in OLDER:
        if version < current:
            try:
                older = version_converter.convert_version(model, version)
            except Exception:  # it raises whatever its C++ threw
                continue
            if not _missing(older):
                return older
    raise ComponentError(
        f"{name} cannot be trained: onnx2torch converts no {listed(missing)}. Use it as it is, "
        f"component(name, {name!r}, signature), with differentiable(...) around it where its gradient is needed"
    )


def _missing(model: onnx.ModelProto) -> list[str]:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    missing: dict[str, None] = {}
    for node in model.graph.node:
        version = versions.get(node.domain, versions.get("ai.onnx", 1))
        try:
            get_converter(domain=node.domain, operation_type=node.op_type, version=version)
        except NotImplementedError:
            missing[f"{node.op_type} ({node.domain or 'ai.onnx'} {version})"] = None
    return list(missing)


def _converted(model: onnx.ModelProto, name: str) -> nn.Module:
    try:
        network: nn.Module = convert(model)
    except Exception as error:  # each of its converters raises what it likes
        raise ComponentError(
            f"{name} cannot be trained: onnx2torch says {error!r}. Use it as it is, "
            f"component(name, {name!r}, signature), with differentiable(...) around it where its gradient is needed"
        ) from error
    return network


def _places(model: onnx.ModelProto, names: Sequence[str], file: str) -> dict[str, list[tuple[str, bool]]]:
    """Where initializers went: found by a conversion in which no two of their numbers are the same."""
    marked = onnx.ModelProto()
    marked.CopyFrom(model)
    values, start = {}, 1.0
    for tensor in marked.graph.initializer:
        if tensor.name in names:
            old = numpy_helper.to_array(tensor)
            values[tensor.name] = torch.arange(start, start + old.size, dtype=torch.float64).reshape(old.shape)
            start += old.size
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name].numpy().astype(old.dtype), tensor.name))
    places: dict[str, list[tuple[str, bool]]] = {}
    for place, found in _converted(marked, file).state_dict().items():
        for name, value in values.items():
            if found.shape == value.shape and torch.equal(found.double(), value.to(found.dtype).double()):
                places.setdefault(name, []).append((place, False))
            elif (
                value.ndim == 2
                and found.shape == value.mT.shape
                and torch.equal(found.double(), value.mT.to(found.dtype).double())
            ):
                places.setdefault(name, []).append((place, True))
    return places


def _set_free(network: nn.Module, places: set[tuple[str, bool]]) -> None:
    """Make parameters of the weights that stand as buffers, and buffers of the parameters that are no weights."""
    free = {place for place, _ in places}
    for place, parameter in list(network.named_parameters()):
        parameter.requires_grad_(place in free)
    for place, buffer in list(network.named_buffers()):
        if place in free:
            owner, name = _owner(network, place)
            del owner._buffers[name]
            owner.register_parameter(name, nn.Parameter(buffer.clone()))


def _tie(network: nn.Module, places: Mapping[str, Sequence[tuple[str, bool]]], file: str) -> None:
    """Let an initializer that is used several times be one tensor."""
    for name, (first, *others) in places.items():
        owner, own = _owner(network, first[0])
        for place, turned in others:
            if turned != first[1]:
                raise ComponentError(
                    f"{file} uses '{name}' both as it is and transposed, which a conversion cannot keep in step; leave "
                    f"it out: trainable(path, weights=[...])"
                )
            other, its = _owner(network, place)
            setattr(other, its, getattr(owner, own))


def _owner(network: nn.Module, place: str) -> tuple[nn.Module, str]:
    path, _, name = place.rpartition(".")
    return network.get_submodule(path), name


def _one_of(places: Sequence[tuple[str, bool]]) -> tuple[str, bool]:
    return f"graph.{places[0][0]}", places[0][1]
