"""What the page on experiments says is what happens."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf8")


def test_every_block_runs_after_the_one_before_it():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(blocks) > 14
    names = {"__name__": "experiments"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/experiments.md, block {number}", "exec"), names)
    names["folder"].cleanup()


def test_its_commands_are_those_of_the_command_line():
    from drivetrain.cli.runs import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert set(re.findall(r"drivetrain runs (\w+)", PAGE)) <= known


def test_its_measuring_scripts_are_there():
    for script in re.findall(r"python -m (benchmarks\.\w+)", PAGE):
        assert (Path(__file__).parents[2] / f"{script.replace('.', '/')}.py").exists(), script
