"""A worker process: learns a function, then answers tasks, until whoever hired it is gone."""

from __future__ import annotations

import os
import pickle
import sys
import traceback

import cloudpickle

from drivetrain.processes.engine import receive, send


def main() -> None:
    """Serve on standard input and output; what user code prints goes to standard error."""
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    function = None
    while True:
        try:
            content = cloudpickle.loads(receive(incoming))
            if not isinstance(content, tuple):
                function = content
                continue
            assert function is not None
            answer = ("answer", function(content[0]))
        except EOFError:
            return
        except BaseException as error:
            answer = ("error", _sendable(error))
        send(outgoing, cloudpickle.dumps(answer))


def _sendable(error: BaseException) -> object:
    """The error with the worker's traceback as a note; as text if it cannot be sent."""
    error.add_note("in a worker process:\n" + "".join(traceback.format_tb(error.__traceback__)[-3:]))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return error


if __name__ == "__main__":
    main()
