"""``python -m examples.fork.comparison``: train the fork by every pattern for forks, many times, and compare."""

from examples.protocol.command import command

if __name__ == "__main__":
    command("examples.fork.case:fork", "python -m examples.fork.comparison", default_out="report/fork")
