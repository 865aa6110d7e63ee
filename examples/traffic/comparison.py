"""``python -m examples.traffic.comparison``: train the fork by every pattern, many times, and compare."""

from examples.protocol.command import command

from .pictures import DATA, HELD_OUT

if __name__ == "__main__":
    command(
        "examples.traffic.case:fork", "python -m examples.traffic.comparison", default_out="report/traffic",
        folders={"data": DATA, "held_out": HELD_OUT},
    )  # fmt: skip
