"""``python -m examples.speech.comparison``: train the listener by every pattern, many times, and compare."""

from examples.protocol.command import command

if __name__ == "__main__":
    command("examples.speech.case:speech", "python -m examples.speech.comparison", default_out="report/speech")
