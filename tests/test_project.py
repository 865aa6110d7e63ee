"""The project itself: the core needs no extras, its tools are told the truth, its files keep the house style."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = sorted((REPOSITORY / "src").rglob("*.py"))
PYTHON_FILES = [*SOURCES, *(f for d in ("examples", "benchmarks") for f in sorted((REPOSITORY / d).rglob("*.py")))]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())

TRAINERS = [
    "flax",
    "jax",
    "keras",
    "lightning",
    "lightning_fabric",
    "sklearn",
    "tensorflow",
    "torchvision",
    "ultralytics",
]
EXTRAS = [*TRAINERS, "beartype", "mlflow", "onnx", "onnxruntime", "parso", "pyarrow", "ray", "torchmetrics"]


def test_importing_drivetrain_imports_no_framework_that_the_user_has_not_brought() -> None:
    code = (
        "import sys, drivetrain\n"
        f"loaded = sorted({{name.partition('.')[0] for name in sys.modules}} & set({EXTRAS!r}))\n"
        "sys.exit('drivetrain imported: ' + ', '.join(loaded) if loaded else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY / "src")
    assert run.returncode == 0, run.stderr


def test_drivetrain_imports_when_the_extras_are_not_installed() -> None:
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({EXTRAS!r}))\n"  # None in sys.modules makes `import name` fail
        "import drivetrain"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY / "src")
    assert run.returncode == 0, run.stderr


def test_every_dependency_is_pinned_for_the_environments_it_is_tested_in() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    core = PROJECT["project"]["dependencies"]
    everything = [*core, *(line for name, extra in extras.items() if name != "bench" for line in extra)]
    assert _names(core) <= _pins("core")
    assert _names(everything) - {"drivetrain"} <= _pins("full")
    assert _names([*core, *extras["bench"]]) <= _pins("bench")


def test_no_file_of_the_project_names_a_package_index() -> None:
    tracked = [REPOSITORY / name for name in ("pyproject.toml", "Makefile", ".ci/run")]
    for path in [*tracked, *(REPOSITORY / "constraints").iterdir()]:
        assert not re.search(r"index-url|find-links|https?://", path.read_text()), f"{path} names a package index"


def test_every_word_of_the_makefile_is_explained_by_make_alone() -> None:
    text = (REPOSITORY / "Makefile").read_text()
    words = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()) - {"help"}  # type: ignore[index]
    help_text = subprocess.run(["make"], capture_output=True, text=True, cwd=REPOSITORY).stdout
    assert words == {line.split()[1] for line in help_text.splitlines() if line.startswith("  make ")}


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_file_begins_with_its_idea_and_stays_within_300_lines(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300, "a file likes to be 70-200 lines: split it"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "the first line of a file says its idea in a sentence"


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    from docs.build import broken_links, sources

    assert [problem for path in sources() for problem in broken_links(path)] == []


def test_the_package_says_that_it_is_typed_and_carries_its_licence() -> None:
    assert (REPOSITORY / "src/drivetrain/py.typed").exists()
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text()


def _names(requirements: list[str]) -> set[str]:
    return {_normal(re.match(r"[\w.-]+", line)[0]) for line in requirements}  # type: ignore[index]


def _pins(environment: str) -> set[str]:
    lines = (REPOSITORY / "constraints" / f"{environment}.txt").read_text().splitlines()
    return {_normal(line.partition("==")[0]) for line in lines if line and not line.startswith("#")}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_decision_has_a_number_of_its_own_which_its_title_begins_with() -> None:
    notes = sorted((REPOSITORY / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [note.name[:4] for note in notes]
    assert len(set(numbers)) == len(numbers) > 5
    assert [note.read_text().split(maxsplit=2)[1].rstrip(".") for note in notes[1:]] == numbers[1:]
