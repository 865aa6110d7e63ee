"""Serves the pages on this machine alone, until it is interrupted."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable

from drivetrain.errors import DeclarationError
from drivetrain.experiments import Store
from drivetrain.ui.app import create_app

HOST = "127.0.0.1"


def serve(store: Store, *, port: int = 0, browser: bool = True, told: Callable[[str], object] = print) -> None:
    """Serve the pages of a store until the process is interrupted.

    Args:
        store: what is shown.
        port: 0 takes a free one.
        browser: open one.
        told: is called with the address once it listens.

    Raises:
        DeclarationError: the port is taken.
    """
    import uvicorn

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise DeclarationError(
            f"port {port} of {HOST} cannot be had ({error.strerror}); leave --port out to take a free one"
        ) from error
    address = f"http://{HOST}:{listening.getsockname()[1]}/"
    told(address)
    if browser:
        webbrowser.open(address)
    server = uvicorn.Server(uvicorn.Config(create_app(store), log_level="warning", lifespan="off"))
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
