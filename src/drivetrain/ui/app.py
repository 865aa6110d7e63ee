"""The pages of a store as one ASGI application: every page is also JSON with ``?as=json``."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from drivetrain.errors import DrivetrainError, StoreError, UnknownVersionError
from drivetrain.experiments import Store
from drivetrain.report import plain
from drivetrain.ui import wording
from drivetrain.ui.pages.combinations import combinations_page
from drivetrain.ui.pages.comparison import comparison_page, promotions_page
from drivetrain.ui.pages.lineage import lineage_page
from drivetrain.ui.pages.overview import system_page
from drivetrain.ui.pages.patterns import patterns_page
from drivetrain.ui.pages.runs import run_page, runs_page

HERE = Path(__file__).parent
LOCAL = ("127.0.0.1", "localhost", "[::1]", "testserver")  # other names would be pages of other people asking
ONLY_OURS = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'"
)

View = Callable[[Store, Any, Request], dict[str, Any]]


def create_app(store: Store, *, hosts: tuple[str, ...] = LOCAL) -> Starlette:
    """The pages of a store.

    Args:
        store: what they show; promotion is all that they change.
        hosts: the names under which they answer.
    """
    pages = {
        "home": ("/", "home.html", lambda store, links, ask: {"systems": store.systems.overview()}),
        "run": ("/runs/{key}", "run.html", lambda store, links, ask: run_page(store, ask.path_params["key"])),
        "matrix": (_under("matrix"), "combinations.html",
                   lambda store, links, ask: combinations_page(store, _system(store, ask), ask.query_params)),
        "patterns": (_under("patterns"), "patterns.html", lambda store, links, ask: patterns_page(
            store, _system(store, ask), *(ask.query_params.get(word, "") for word in ("metric", "cost", "measure")))),
        "runs": (_under("runs"), "runs.html", lambda store, links, ask: runs_page(store, _system(store, ask))),
        "lineage": (_under("lineage"), "lineage.html", lambda store, links, ask: lineage_page(
            store, links, _system(store, ask), *(ask.query_params.get(word, "") for word in ("of", "direction")))),
        "compare": (_under("compare"), "comparison.html", lambda store, links, ask: comparison_page(
            store, _system(store, ask), *(ask.query_params.get(word, "") for word in ("first", "second")))),
        "promotions": (_under("promotions"), "promotions.html", lambda store, links, ask: promotions_page(
            store, _system(store, ask), ask.query_params.get("said", ""))),
        "system": ("/systems/{system:path}", "system.html", lambda store, links, ask: system_page(
            store, links, _system(store, ask), ask.query_params.get("version", ""))),
    }  # fmt: skip
    shown = _Pages(store)
    routes: list[Any] = [
        Route("/static/plotly.js", _plotly, name="plotly"),
        Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        Route(_under("promote"), shown.promote, methods=["POST"], name="promote"),
    ]
    for name, (path, template, view) in pages.items():
        routes.append(Route(path, partial(shown.page, template, view), name=name))
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={404: shown.missing, DrivetrainError: shown.wrong, Exception: shown.broken},  # type: ignore[dict-item]
    )


class _Pages:
    """Turns what a page shows into HTML or JSON, and what goes wrong into a page, too."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.templates.filters.update(
            moment=wording.moment, number=wording.number, count=wording.count, duration=wording.duration,
            json=lambda value: json.dumps(plain(value), indent=1),
        )  # fmt: skip

    async def page(self, template: str, view: View, request: Request) -> Response:
        """What a view tells, in its template."""
        told = await run_in_threadpool(view, self.store, _links(request), request)
        if request.query_params.get("as") == "json":
            return JSONResponse(plain({name: value for name, value in told.items() if name not in ("graph", "tab")}))
        return self._written(request, template, told)

    async def promote(self, request: Request) -> Response:
        """Let an alias name another version, if one of our own pages asks for it."""
        origin = request.headers.get("origin", "")
        if origin and urlsplit(origin).netloc != request.headers.get("host"):
            return JSONResponse({"error": f"a page of {origin} may not promote"}, 403)
        system = await run_in_threadpool(_system, self.store, request)
        body = (await request.body()).decode()
        form = dict(parse_qsl(body))

        def done() -> str:
            version = self.store.systems.get(system, form.get("version", ""))
            made = self.store.promotions.promote(version, form.get("alias", "production"), form.get("why", ""))
            return f"{version} is {made.alias} now."

        try:
            said = await run_in_threadpool(done)
        except StoreError as error:
            told = await run_in_threadpool(promotions_page, self.store, system, "", str(error))
            return self._written(request, "promotions.html", told, 409)
        return RedirectResponse(f"{_links(request)('promotions', system=system)}?said={quote(said)}", 303)

    def missing(self, request: Request, error: Exception) -> Response:
        """No such page."""
        return self._message(request, "No such page", f"There is nothing at {request.url.path}.", 404)

    def wrong(self, request: Request, error: Exception) -> Response:
        """Something was named that is not there, or the store cannot be read."""
        unknown = isinstance(error, UnknownVersionError)
        title = "Not found" if unknown else "The store cannot be read"
        return self._message(request, title, str(error), 404 if unknown else 503)

    def broken(self, request: Request, error: Exception) -> Response:
        """Anything else."""
        words = f"{type(error).__name__}: {error}. The terminal in which the pages run shows where."
        return self._message(request, "This page is broken", words, 500)

    def _message(self, request: Request, title: str, words: str, status: int) -> Response:
        if request.query_params.get("as") == "json":
            return JSONResponse({"error": words}, status)
        return self._written(request, "message.html", {"title": title, "words": words, "lines": []}, status)

    def _written(self, request: Request, template: str, told: dict[str, Any], status: int = 200) -> Response:
        place = self.store.database.place.removeprefix("sqlite:///")
        text = self.templates.get_template(template).render(**told, url=_links(request), place=place)
        return HTMLResponse(text, status, headers={"Content-Security-Policy": ONLY_OURS, "X-Frame-Options": "DENY"})


def _under(page: str) -> str:
    return f"/systems/{{system:path}}/{page}"


def _system(store: Store, request: Request) -> str:
    """The system of a page.

    Raises:
        UnknownVersionError: there is none of that name.
    """
    name = str(request.path_params["system"])
    known = store.systems.names()
    if name not in known:
        raise UnknownVersionError(
            f"no system '{name}' in {store.database.place}; it has: {', '.join(known) or 'none yet'}"
        )
    return name


def _links(request: Request) -> Callable[..., str]:
    router, root = request.app.router, request.scope.get("root_path", "")

    def link(name: str, **parts: Any) -> str:
        return f"{root}{router.url_path_for(name, **parts)}"

    return link


def _plotly(request: Request) -> Response:
    """The charts' script as the package ``plotly`` brings it."""
    script = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return FileResponse(str(script), media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})
