"""What a scan finds in a repository: the plain values that every part of the scan writes or reads.

A *model* is a place where a model is built or loaded. An *edge* says that what one model put out reaches another. A
*merge* is ordinary code that makes one value or decision out of the outputs of several models. A *fitting* is a place
where weights change. *Integrations* and *training* are read off those.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

from drivetrain.mining.trees import Nodes

# What an edge carries from its source to its target.
FEEDS = "feeds"  # the output of the source is (part of) the input of the target
GATES = "gates"  # the output of the source decides whether the target runs
SELECTS = "selects"  # the output of the source decides which of several targets runs
FEEDBACK = "feedback"  # the output of the source reaches the target at the next step of a loop
TRAINS_ON = "trains_on"  # the output of the source is training data of the target
SUPERVISES = "supervises"  # the output of the source stands in the loss of the target
EDGE_KINDS = (FEEDS, GATES, SELECTS, FEEDBACK, TRAINS_ON, SUPERVISES)

WEIGHTED_SUM = "weighted sum"  # what a merge is that adds outputs, each multiplied by something

# How an edge gets from its source to its target.
MEMORY, FILE, QUEUE, TABLE, REGISTRY = "memory", "file", "queue", "table", "registry"
MEDIA = (MEMORY, FILE, QUEUE, TABLE, REGISTRY)


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file; in a notebook the line counts from the first line of the cell, and cells from 1.

    Attributes:
        file: the path from the root of the repository, with forward slashes.
        line: from 1.
        cell: the code cell of a notebook, from 1; None in a plain file.
    """

    file: str
    line: int
    cell: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.cell is None else f"{self.file}[{self.cell}]:{self.line}"


@dataclass(frozen=True, eq=False)
class Source:
    """One Python file or notebook, parsed.

    Attributes:
        path: from the root of the repository, with forward slashes.
        tree: what could be parsed of it; the line numbers of a notebook count through all its code cells.
        lines: how many lines of code the tree was made from.
        cells: of a notebook, the first line of every code cell in those line numbers; of a plain file, empty.
        damaged: the parser had to leave something out.
    """

    path: str
    tree: ast.Module
    lines: int
    cells: tuple[int, ...] = ()
    damaged: bool = False

    def place(self, line: int) -> Place:
        """Where a line of the tree stands for a reader."""
        if not self.cells:
            return Place(self.path, line)
        cell = max(1, bisect_right(self.cells, line))
        return Place(self.path, line - self.cells[cell - 1] + 1, cell)

    @cached_property
    def nodes(self) -> Nodes:
        """The nodes of the tree by their kind."""
        return Nodes(self.tree)


@dataclass(frozen=True)
class Model:
    """A place where a model is built or loaded, as seen from where the system uses it.

    Attributes:
        name: unique within one scan, made from the variable, class or weights it is known by: ``"plate_detector"``.
        place: where it is built or loaded.
        maker: the resolved name of what was called: ``"ultralytics.YOLO"``, ``"nets.camera.CameraNet"``.
        library: the ML library behind it (``"torch"``), or empty if only a class of the repository is known.
        task: what the library or the task's name says it does, ``"object detection"``; often empty.
        weights: the file, hub name or URL it was loaded from, if that stands in the code.
        also: other places of the same model: the helper that constructs it, the session inside a wrapper, the line
            of the caller that asked for it.
        uses: where it is run.
        slot: models with the same slot are alternatives of each other: one of them is chosen, they never run together.
        loaded: its weights are read from somewhere; otherwise it is built with new weights.
        main: it is used by the system itself, not only by tests, examples, or vendored code.
        confidence: from 0 to 1, that this is a model.
    """

    name: str
    place: Place
    maker: str
    library: str = ""
    task: str = ""
    weights: str = ""
    also: tuple[Place, ...] = ()
    uses: tuple[Place, ...] = ()
    slot: str = ""
    loaded: bool = False
    main: bool = True
    confidence: float = 1.0


@dataclass(frozen=True)
class Merge:
    """Ordinary code that makes one value or one decision out of the outputs of several models.

    Attributes:
        place: the call, expression or condition where they first come together.
        models: the names of the models whose outputs meet, each as what it last went through: two or more.
        into: the names of the models that process the merged value; empty where it leaves the system.
        what: the source text of the call or operator, shortened.
        confidence: from 0 to 1; an operator or a known function is surer than a call of unknown code.
    """

    place: Place
    models: tuple[str, ...]
    into: tuple[str, ...] = ()
    what: str = ""
    confidence: float = 1.0


@dataclass(frozen=True)
class Edge:
    """What one model puts out reaches another, with the evidence at both ends.

    Attributes:
        source: name of a model.
        target: name of a model.
        kind: one of ``EDGE_KINDS``.
        medium: one of ``MEDIA``.
        at_source: where the output is produced.
        at_target: where the other model takes it.
        through: what stands between, in order: names of functions, files, queues, tables.
        confidence: from 0 to 1.
    """

    source: str
    target: str
    kind: str = FEEDS
    medium: str = MEMORY
    at_source: Place | None = None
    at_target: Place | None = None
    through: tuple[str, ...] = ()
    confidence: float = 1.0


@dataclass(frozen=True)
class Fitting:
    """A place where weights change.

    Attributes:
        place: the call of ``fit``, the optimiser's ``step``, the trainer.
        how: ``"fit"`` (the model fits itself), ``"step"`` (backward and an optimiser), ``"trainer"`` (a class that owns
            the loop), ``"command"`` (a training script of a library is started).
        models: names of the models whose weights change.
        through: names of other models that the loss ran through, whose weights stay.
        data_from: names of models whose output is the training data.
        losses: how many separate losses or optimisers drive it.
    """

    place: Place
    how: str
    models: tuple[str, ...]
    through: tuple[str, ...] = ()
    data_from: tuple[str, ...] = ()
    losses: int = 1


@dataclass(frozen=True)
class Wiring:
    """The models of a repository and how they meet: what the analysis of the code hands on.

    Attributes:
        models: by name, in order of place.
        edges: between those.
        merges: outputs that ordinary code brings together.
        fittings: where weights change.
        lines: lines of code that were read.
        notices: what could not be followed, and why (a file that does not parse, time that ran out).
    """

    models: tuple[Model, ...] = ()
    edges: tuple[Edge, ...] = ()
    merges: tuple[Merge, ...] = ()
    fittings: tuple[Fitting, ...] = ()
    lines: int = 0
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Integration:
    """One integration pattern, with its members and the evidence for it.

    Attributes:
        pattern: ``"sequential"``, ``"joining parallel"``, ``"forking parallel"``, or one beyond the paper's.
        models: the chain in order; the parallel models of a join or a fork; the members of any other pattern.
        at: the model or the place of the merge where a join meets, the model where a fork starts; otherwise empty.
        evidence: the places that show it, both ends of every edge.
        confidence: of its weakest edge.
    """

    pattern: str
    models: tuple[str, ...]
    at: str = ""
    evidence: tuple[Place, ...] = ()
    confidence: float = 1.0


@dataclass(frozen=True)
class Training:
    """How the models of a repository are trained.

    Attributes:
        scope: ``"individual"``, ``"pipeline"`` (several models by one loss), ``"mixed"``, or ``"none"``.
        patterns: the paper's names: ``"individual"``, ``"partial end-loss"``, ``"simultaneous end-loss"``,
            ``"alternating end-loss"``.
        code: the repository has code that trains.
        staged: some models are trained before others on purpose.
        on_outputs: the output of one model is training data of another.
        evidence: the places of the training code.
    """

    scope: str = "none"
    patterns: tuple[str, ...] = ()
    code: bool = False
    staged: bool = False
    on_outputs: bool = False
    evidence: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Library:
    """An ML library and the files that import it."""

    name: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFile:
    """A file that holds a trained model: its path, its format (``"ONNX"``) and its size in bytes."""

    path: str
    format: str
    bytes: int = 0


@dataclass(frozen=True)
class Repository:
    """Everything that one scan found out about one repository.

    Attributes:
        name: the folder's name, or ``owner/name``.
        files: Python files and notebooks that were read.
        lines: lines of code in them.
        libraries: ML libraries and who uses them.
        ml_files: files that use any of them.
        model_files: stored models.
        wiring: models, edges, merges, fittings.
        integrations: patterns, the paper's and those beyond it.
        training: how it is trained.
        stages: stage of development -> number of files that hold it.
        tests: places of tests that run a model.
        seconds: how long the scan took.
        notices: what was left out, and why; empty after a complete scan.
    """

    name: str
    files: int = 0
    lines: int = 0
    libraries: tuple[Library, ...] = ()
    ml_files: tuple[str, ...] = ()
    model_files: tuple[ModelFile, ...] = ()
    wiring: Wiring = field(default_factory=Wiring)
    integrations: tuple[Integration, ...] = ()
    training: Training = field(default_factory=Training)
    stages: dict[str, int] = field(default_factory=dict)
    tests: tuple[Place, ...] = ()
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
