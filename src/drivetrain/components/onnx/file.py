"""What an ONNX file says of itself: whether it can be read, and what it takes and answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from google.protobuf.message import DecodeError
from torch import Tensor

from drivetrain.errors import ComponentError, DataError, SignatureError, listed
from drivetrain.graph.execution import describe
from drivetrain.graph.signature import Signature

TYPES = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.DOUBLE: torch.float64,
    onnx.TensorProto.FLOAT16: torch.float16,
    onnx.TensorProto.INT8: torch.int8,
    onnx.TensorProto.INT16: torch.int16,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT64: torch.int64,
    onnx.TensorProto.UINT8: torch.uint8,
    onnx.TensorProto.BOOL: torch.bool,
}


@dataclass(frozen=True)
class Slot:
    """An input or output of the file.

    Attributes:
        shape: a number where the file fixes it, else the name it gives or ``"?"``; None where it gives no rank.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int | str, ...] | None

    def fitted(self, value: Any, file: str) -> Tensor:
        """The value in the type of this slot, the batch aside.

        Raises:
            DataError: it is no tensor, or has another rank, size or kind of number.
        """
        if not isinstance(value, Tensor):
            raise DataError(f"{file} takes {self}; found {describe(value)}")
        if value.is_floating_point() != self.dtype.is_floating_point or (self.dtype == torch.bool) != (
            value.dtype == torch.bool
        ):
            raise DataError(f"{file} takes {self}; found {describe(value)}: convert it, `.to({self.dtype})`")
        if self.shape is not None:
            if value.ndim != len(self.shape):
                raise DataError(
                    f"{file} takes {self}, of {len(self.shape)} dimensions; found {describe(value)}, of {value.ndim}"
                )
            for place, (size, own) in enumerate(zip(value.shape, self.shape, strict=True)):
                if place and isinstance(own, int) and own != size:
                    raise DataError(
                        f"{file} takes {self}; found {describe(value)}: dimension {place} is {own} in the file. Export "
                        f"it with a dynamic dimension if it may vary"
                    )
        return value.to(self.dtype)

    def __str__(self) -> str:
        shape = "of any shape" if self.shape is None else f"[{', '.join(map(str, self.shape))}]"
        return f"'{self.name}' {str(self.dtype).removeprefix('torch.')} {shape}"


@dataclass(frozen=True)
class Description:
    """What a file takes and answers, and what it is called in messages."""

    name: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]

    def check(self, component: str, signature: Signature, before: tuple[int, ...]) -> tuple[int, ...]:
        """The places of the outputs that a signature asks for: all in their order, or some by name.

        Args:
            component: for messages.
            signature: as declared.
            before: the places that an earlier declaration asked for; nothing if this is the first.

        Raises:
            SignatureError: the numbers of inputs differ, the outputs are not told apart, or are not those of before.
        """
        places = self._places(component, signature)
        if before and places != before:
            raise SignatureError(
                f"'{component}' asks {self.name} for {listed(self.outputs[i].name for i in places)}, but the same "
                f"object is declared for {listed(self.outputs[i].name for i in before)}; declare it once with all"
            )
        return places

    def _places(self, component: str, signature: Signature) -> tuple[int, ...]:
        if len(signature.inputs) != len(self.inputs):
            raise SignatureError(
                f"'{component}' is declared as '{signature}', which hands it {len(signature.inputs)} value(s), but "
                f"{self.name} takes {len(self.inputs)}: {listed(map(str, self.inputs))}"
            )
        wanted, own = [port.name for port in signature.outputs], [slot.name for slot in self.outputs]
        if set(wanted) <= set(own):
            return tuple(own.index(name) for name in wanted)
        if len(wanted) == len(own):
            return tuple(range(len(own)))
        raise SignatureError(
            f"'{component}' is declared as '{signature}' with {len(wanted)} output(s), but {self.name} answers "
            f"{len(own)}: {listed(map(str, self.outputs))}. Declare as many, or name those you want as the file does: "
            f"'{', '.join(port.name for port in signature.inputs)} -> {own[-1]}'"
        )


def read(source: Path | onnx.ModelProto, weights: bool = False) -> onnx.ModelProto:
    """The model in a file; the model itself where it is handed over.

    Raises:
        ComponentError: there is no such file, it is damaged, or it is no ONNX model.
    """
    if not isinstance(source, Path):
        return source
    if not source.exists():
        beside = sorted(path.name for path in source.parent.glob("*.onnx")) if source.parent.is_dir() else []
        raise ComponentError(
            f"no file {source}"
            + (f"; the folder holds: {listed(beside)}" if beside else f"; there is no .onnx file in {source.parent}")
        )
    if source.is_dir():
        raise ComponentError(f"{source} is a folder; name the .onnx file in it")
    try:
        model = onnx.load(source, load_external_data=weights)
    except (DecodeError, onnx.checker.ValidationError, OSError, ValueError) as error:
        raise damaged(source, error) from error
    if not model.graph.node:
        raise damaged(source, "it holds no operators")
    return model


def in_pieces(
    run: Callable[[Sequence[Tensor]], Sequence[Tensor]], arrays: Sequence[Tensor], description: Description
) -> Sequence[Tensor]:
    """Run a batch whole, or in pieces where the file fixes how many samples come at once.

    Raises:
        DataError: the batch is no multiple of that number.
    """
    fixed = {slot.shape[0] for slot in description.inputs if slot.shape and isinstance(slot.shape[0], int)}
    sizes = {len(array) for array, slot in zip(arrays, description.inputs, strict=True) if slot.shape != ()}
    if len(fixed) != 1 or len(sizes) != 1 or fixed == sizes:
        return run(arrays)
    piece, size = fixed.pop(), sizes.pop()
    if not isinstance(piece, int) or not piece or size % piece or not size:
        raise DataError(
            f"{description.name} takes {piece} samples at once ({describe(arrays[0])} was handed over); choose a batch "
            f"size that {piece} divides and drop the last smaller batch, or export it with a dynamic batch dimension"
        )
    parts = [run([array[start : start + piece] for array in arrays]) for start in range(0, size, piece)]
    for slot, answer in zip(description.outputs, parts[0], strict=True):
        if answer.ndim == 0 or len(answer) != piece:
            raise DataError(
                f"{description.name} takes {piece} samples at once and answers {slot}, which has no row for each, so "
                f"pieces of a batch cannot be joined; export it with a dynamic batch dimension"
            )
    return [torch.cat(answers) for answers in zip(*parts, strict=True)]


def damaged(source: Path | onnx.ModelProto, error: object) -> ComponentError:
    """What to raise where a file cannot be used."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ComponentError(f"{name_of(source)} is damaged or no ONNX model: {reason}")


def name_of(source: Path | onnx.ModelProto) -> str:
    """What to call a model in messages."""
    return source.name if isinstance(source, Path) else (source.graph.name or "the ModelProto")


def described(source: Path | onnx.ModelProto) -> Description:
    """What a model takes and answers.

    Raises:
        ComponentError: it cannot be read, or takes or answers something that is no tensor of numbers.
    """
    graph, name = read(source).graph, name_of(source)
    kept = {initializer.name for initializer in graph.initializer}  # old files list their weights as inputs, too
    inputs = [value for value in graph.input if value.name not in kept]
    return Description(name, _slots(inputs, name, "takes"), _slots(graph.output, name, "answers"))


def _slots(values: Sequence[onnx.ValueInfoProto], file: str, does: str) -> tuple[Slot, ...]:
    slots = []
    for value in values:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type" or value.type.tensor_type.elem_type not in TYPES:
            element = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
            found = f"a {kind}".removesuffix("_type") if kind != "tensor_type" else f"a tensor of {element}"
            raise ComponentError(
                f"{file} {does} '{value.name}', {found}; a component takes and answers tensors of numbers"
                + ("; export the classifier with zipmap=False" if kind in ("sequence_type", "map_type") else "")
            )
        tensor = value.type.tensor_type
        shape = tuple(_size(dim) for dim in tensor.shape.dim) if tensor.HasField("shape") else None
        slots.append(Slot(value.name, TYPES[tensor.elem_type], shape))
    return tuple(slots)


def _size(dim: Any) -> int | str:
    return dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or "?")
