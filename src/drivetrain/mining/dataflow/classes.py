"""Classes of the repository: how they are defined, and what making an instance of one gives."""

from __future__ import annotations

import ast
from itertools import islice

from drivetrain.mining.dataflow import binding, handover
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.contents import models
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import ClassInfo, ClassToken, Instance
from drivetrain.mining.dataflow.values import CONTENT, EMPTY, ModelToken, Token, Value
from drivetrain.mining.trees import walk

# Bases of what may train several models, whose methods are then worth following.
_CONTAINERS = frozenset({"lightning"})
_SURE = 0.5  # what is less sure to be a model may be its settings


def define(node: ast.ClassDef, frame: Frame) -> ClassInfo:
    """The class made here; its methods are kept unread until somebody calls them."""
    machine = frame.machine
    bases = [frame.evaluate(base) for base in node.bases]
    info = machine.classes.get(node)
    if info is None:
        closure = (frame.names, *frame.closure) if frame.names is not frame.module.fields else ()
        info = machine.classes[node] = ClassInfo(node, frame.module, bases, closure)
    else:
        info.bases = [old | new for old, new in zip(info.bases, bases)]
        info.forget()
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            function = machine.function(item, frame, info.closure, info)
            decorated = _decorated(item)
            if decorated != "setter":
                info.methods[item.name] = function
                if decorated:
                    info.properties[item.name] = decorated
            handover.decorated(function, item, frame)
        elif isinstance(item, ast.Assign | ast.AnnAssign) and item.value is not None:
            _class_attribute(info, item, frame)
        elif isinstance(item, ast.ClassDef):
            inner = define(item, frame)
            binding.widen(info.attributes, item.name, frozenset((machine.named(ClassToken, inner),)), frame)
    info.forget()
    return info


def _class_attribute(info: ClassInfo, item: ast.Assign | ast.AnnAssign, frame: Frame) -> None:
    assert item.value is not None
    value = frame.evaluate(item.value)
    for target in item.targets if isinstance(item, ast.Assign) else [item.target]:
        if isinstance(target, ast.Name):
            for token in value:
                if token.__class__ is ModelToken:
                    token.source_names.setdefault(target.id, frame.place(item))  # type: ignore[attr-defined]
            binding.widen(info.attributes, target.id, value, frame)


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    for decorator in node.decorator_list:
        name = decorator.id if isinstance(decorator, ast.Name) else getattr(decorator, "attr", "")
        if name in ("property", "cached_property", "lazy_property"):
            return "property"
        if name in ("staticmethod", "classmethod", "setter"):
            return name
    return ""


def instantiate(info: ClassInfo, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A new instance; if the class is one of models, a model, unless it is only put together from other models."""
    library = info.library()
    given = [one for one in models(frozenset().union(*arguments.everything()), 2) if one.certain >= _SURE]
    if library and not given and not (library in _CONTAINERS and _trains_several(info)):
        return _model(info, library, arguments, node, frame)
    if library == "sklearn" and not info.find("predict") and not info.find("score_samples"):
        return frozenset()
    return _instance(info, arguments, node, frame)


def _trains_several(info: ClassInfo) -> bool:
    """Whether a module of Lightning has optimisers for several of its parts, rather than being one network."""
    maker = info.find("configure_optimizers")
    node = maker[0].node if maker is not None else None
    if node is None:
        return False
    made = [call for call in walk(node) if isinstance(call, ast.Call) and call.args]
    given = {ast.unparse(call.args[0]) for call in made if ast.unparse(call.func).rsplit(".", 1)[-1] in _OPTIMISERS}
    return len(given) > 1


_OPTIMISERS = frozenset({"Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta", "RAdam", "Lion", "LBFGS"})


def _model(info: ClassInfo, library: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    if frame.owner is not None and frame.owner.library() not in ("", *_CONTAINERS):
        return EMPTY  # a layer inside a model
    if library == "sklearn" and not (info.find("predict") or info.find("predict_proba")):
        return EMPTY
    maker = ".".join((*info.module.parts, info.name))
    model = frame.machine.model(frame.place(node), maker, node, frame)
    model.library, model.class_name = library, info.name
    if _LAYER(info.name):
        model.certain = min(model.certain, 0.3)
    for text in arguments.words():
        model.weights = model.weights or text
    return frozenset((model,))


def _LAYER(name: str) -> bool:  # noqa: N802
    return name.endswith(("Loss", "Layer", "Block", "Criterion", "Metric", "Transform", "Augmentation", "Embedding"))


def _instance(info: ClassInfo, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    machine = frame.machine
    instance, _ = machine.instance(info, node, frame)
    me = frozenset((instance,))
    maker = info.find("__init__")
    if maker is not None:
        frame.call(maker[0], Arguments([me, *arguments.positional], arguments.keywords), node)
    elif info.outside() or _is_record(info):
        _fill_record(info, instance, arguments, frame)
    hook = info.find("__post_init__")
    if hook is not None:
        frame.call(hook[0], Arguments([me]), node)
    return me


def _is_record(info: ClassInfo) -> bool:
    return bool(info.node.decorator_list) or not info.methods


def _fill_record(info: ClassInfo, instance: Instance, arguments: Arguments, frame: Frame) -> None:
    names = [
        item.target.id
        for one in reversed(info.ancestors())
        for item in one.node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]
    for at, value in enumerate(arguments.positional):
        frame.machine.add(instance, names[at] if at < len(names) else CONTENT, value)
    for name, value in arguments.keywords.items():
        frame.machine.add(instance, name, value)


def of_annotation(annotation: ast.expr | None, function_frame: Frame) -> Value:
    """The instances that a parameter without a known argument may be, by what it is annotated with."""
    if annotation is None:
        return EMPTY
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except (SyntaxError, ValueError):
            return EMPTY
    if isinstance(annotation, ast.Subscript):
        return of_annotation(annotation.slice, function_frame)
    if isinstance(annotation, ast.BinOp):
        return of_annotation(annotation.left, function_frame) | of_annotation(annotation.right, function_frame)
    if not isinstance(annotation, ast.Name | ast.Attribute):
        return EMPTY
    found: set[Token] = set()
    for token in function_frame.evaluate(annotation):
        if token.__class__ is ClassToken:
            found.update(instances_of(token.info, function_frame))  # type: ignore[attr-defined]
    return frozenset(found)


def instances_of(info: ClassInfo, frame: Frame) -> list[Instance]:
    """The instances of a class or of those that derive from it, at most four."""
    known = frame.machine.instances
    return list(islice((one for kind in known if info in kind.ancestors() for one in known[kind]), 4))
