"""Many calls of MLflow's client as one transaction, where a database stands behind it: all of them, or nothing.

Alone, each call opens a session, asks for what the call before it wrote, and commits: half of what showing a run costs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def one_transaction(client: Any) -> Iterator[None]:
    """What this thread tells the client meanwhile; other threads' calls, and those to a server, are as ever.

    Args:
        client: an ``MlflowClient``.
    """
    store: Any = getattr(getattr(client, "_tracking_client", None), "store", None)
    sessions = getattr(store, "ManagedSessionMaker", None)
    if sessions is None:  # a server, or an MLflow that keeps its sessions elsewhere: slower, and right
        yield
        return
    here = threading.get_ident()
    with _ONE_AT_A_TIME, _writing(sessions) as session:
        commit, session.commit = session.commit, session.flush  # MLflow commits in between, too

        def shared(*values: Any, **named: Any) -> AbstractContextManager[Any]:
            return nullcontext(session) if threading.get_ident() == here else sessions(*values, **named)

        store.ManagedSessionMaker = shared
        try:
            yield
        finally:
            store.ManagedSessionMaker, session.commit = sessions, commit


def _writing(sessions: Callable[..., AbstractContextManager[Any]]) -> AbstractContextManager[Any]:
    try:
        return sessions(read_only=False)
    except TypeError:  # MLflow before 3.12 does not ask what a session is for
        return sessions()
