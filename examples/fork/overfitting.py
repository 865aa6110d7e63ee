"""``python -m examples.fork.overfitting``: few pictures, and a trunk that learns in every turn of its branches."""

from examples.protocol.command import command

if __name__ == "__main__":
    command("examples.fork.case:scarce", "python -m examples.fork.overfitting", default_out="report/fork_scarce")
