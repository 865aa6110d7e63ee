"""Which stages of development a file belongs to, from acquiring data to prediction, read off the calls it makes."""

from __future__ import annotations

import ast
import csv
import os
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from drivetrain.errors import DataError
from drivetrain.mining.libraries import Names, libraries_of
from drivetrain.mining.notebooks import parse_notebook, script
from drivetrain.mining.outline import Outline, outline
from drivetrain.mining.parsing import parse, parsed
from drivetrain.mining.trees import walk

STAGES = ("Acquisition", "Preparation", "Modeling", "Training", "Evaluation", "Prediction")
DICTIONARY = "idowu_API-dictionary.csv"


class AbstractStageMapping(ABC):
    """Says from the bytes of one Python file or notebook which stages it belongs to."""

    name: str

    @abstractmethod
    def stages(self, data: bytes, path: str) -> frozenset[str]:
        """Some of ``STAGES``; none for a file that cannot be read."""


@dataclass(frozen=True)
class BareNames(AbstractStageMapping):
    """A call belongs to the stage that its bare last name is listed under, as Idowu et al. 2024 published it.

    A file that Python 3 does not parse has no stage. Where a name stands in two columns, the later one holds.

    Attributes:
        by_name: ``"fit" -> "Training"``.
    """

    by_name: Mapping[str, str]
    name: str = "idowu2024"

    def stages(self, data: bytes, path: str) -> frozenset[str]:
        text = script(data) if path.endswith(".ipynb") else data.decode("utf-8", "ignore")
        tree = None if text is None else parsed(text)
        found = set()
        for node in walk(tree) if tree is not None else ():
            if isinstance(node, ast.Call):
                function = node.func
                called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                found.add(self.by_name.get(called, ""))
        return frozenset(found) & frozenset(STAGES)


@dataclass(frozen=True)
class ResolvedNames(AbstractStageMapping):
    """A call belongs to a stage if what its imports resolve it to does; ``stages.toml`` lists those names.

    What is called on an object of unknown origin (``self.model.fit``) counts only in a file that uses an ML library.
    """

    by_stage: Mapping[str, Names]
    methods: Mapping[str, str]
    name: str = "resolved"

    def stages(self, data: bytes, path: str) -> frozenset[str]:
        source = parse_notebook(data, path) if path.endswith(".ipynb") else parse(data, path)
        return frozenset() if source is None else self.of(outline(source))

    def of(self, read: Outline) -> frozenset[str]:
        """The stages of a file whose calls are known already."""
        imported = {name.partition(".")[0] for name in read.imports if not name.startswith(".")}
        learns = bool(libraries_of(read))
        found = set()
        for call in read.calls:
            if call.name.partition(".")[0] in imported:
                found |= {stage for stage, names in self.by_stage.items() if names.match(call.name)}
            if learns and "." in call.name and call.last in self.methods:
                found.add(self.methods[call.last])
        return frozenset(found)


def stage_mapping(name: str, dictionary: str | Path | None = None) -> AbstractStageMapping:
    """A mapping by name: ``"resolved"`` is our own, ``"idowu2024"`` the published one.

    Args:
        name: of the mapping.
        dictionary: the file of the published one; looked for as ``dictionary_path`` says if not given.
    """
    if name == "resolved":
        return resolved_mapping()
    if name == "idowu2024":
        return published(dictionary_path() if dictionary is None else dictionary)
    raise DataError(f"no mapping of calls to stages {name!r}; there are: resolved, idowu2024")


def dictionary_path() -> Path:
    """Where the published dictionary is looked for: in $DRIVETRAIN_DATA, then in ``../shared/data``."""
    folder = os.environ.get("DRIVETRAIN_DATA")
    return Path(folder) / DICTIONARY if folder else Path("..", "shared", "data", DICTIONARY)


def published(path: str | Path) -> BareNames:
    """The dictionary of API calls of Idowu et al. 2024: a column a stage; the column ``Others`` takes names away."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise DataError(
            f"the published mapping of calls to stages is not at {path} ({error.strerror}); it is not part of "
            f"Drivetrain. Name the folder that holds {DICTIONARY}: DRIVETRAIN_DATA=FOLDER drivetrain scan ..."
        ) from None
    header = [title.strip() for title in rows[0]] if rows else []
    missing = [stage for stage in STAGES if stage not in header]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; its columns: {', '.join(header) or 'none'}")
    by_name: dict[str, str] = {}
    for column, stage in enumerate(header):
        for row in rows[1:]:
            called = row[column].strip() if column < len(row) else ""
            if called and stage:
                by_name[called] = stage
    return BareNames(by_name)


@cache
def resolved_mapping() -> ResolvedNames:
    """Our own mapping, ``stages.toml``."""
    data = tomllib.loads(files("drivetrain.mining").joinpath("stages.toml").read_text("utf-8"))
    by_stage = {stage: Names(data[stage]["calls"]) for stage in STAGES}
    return ResolvedNames(by_stage, {name: stage for stage in STAGES for name in data[stage].get("methods", ())})
