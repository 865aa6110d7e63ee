"""A page made of sections, which are values: ``Page("Race car").add(text("..."), table([...], [...])).write(path)``."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import jinja2
from markupsafe import Markup, escape

if TYPE_CHECKING:
    import matplotlib.figure


@dataclass(frozen=True)
class Text:
    """Paragraphs; a little of Markdown is understood: headings, lists, **bold**, ``code``."""

    words: str


@dataclass(frozen=True)
class Picture:
    """An SVG element that this package has drawn, such as a system's."""

    element: str
    caption: str = ""


@dataclass(frozen=True)
class Toned:
    """A cell with a colour that says how it went; the note is shown to who points at it."""

    words: str
    tone: Literal["good", "bad", "even", "open", "none", "plain"] = "plain"
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headers; cells that begin like a number are aligned to the right."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str | Toned, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Figure:
    """A PNG picture, carried by the page itself."""

    png: bytes
    caption: str = ""


Section = Text | Picture | Table | Figure


@dataclass(frozen=True)
class Page:
    """A title and sections in order.

    Example:
        >>> page = Page("Race car").add(text("Two *sensors*."), table(["pattern", "F1"], [["partial", 0.81]]))
        >>> "<h1>Race car</h1>" in page.html()
        True
    """

    title: str
    sections: tuple[Section, ...] = ()

    def add(self, *sections: Section) -> Page:
        """The page with more sections at its end."""
        return Page(self.title, (*self.sections, *sections))

    def html(self) -> str:
        """The whole page; it loads nothing, runs nothing, and follows the reader's light or dark mode."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("drivetrain.page", "."), autoescape=True, undefined=jinja2.StrictUndefined
        )
        parts = [_markup(section) for section in self.sections]
        written = f"{datetime.now():%d %B %Y, %H:%M}"
        return environment.get_template("page.html").render(title=self.title, sections=parts, written=written)

    def write(self, path: str | Path) -> Path:
        """Write the page, with the folder that it lies in, and answer its path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html(), encoding="utf-8")
        return path


def text(words: str) -> Text:
    """Paragraphs separated by empty lines; ``#`` begins a heading, ``-`` a list, ``**bold**``, `` `code` ``."""
    return Text(words)


def svg(element: str, caption: str = "") -> Picture:
    """A picture such as ``system.svg()``; it becomes part of the page as it is, so it must be your own.

    Raises:
        ValueError: this is not one SVG element.
    """
    if not re.fullmatch(r"\s*<svg\b.*</svg>\s*", element, re.DOTALL):
        raise ValueError(f"svg() takes one <svg> element, such as system.svg(), found: {element[:40]!r}")
    return Picture(element, caption)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> Table:
    """A table of whatever can be turned into text; floats are shown with three digits.

    Raises:
        ValueError: a row has more or fewer cells than there are headers.
    """
    cells = tuple(tuple(_cell(value) for value in row) for row in rows)
    for row in cells:
        if len(row) != len(headers):
            raise ValueError(f"a row has {len(row)} cells for {len(headers)} headers ({', '.join(headers)}): {row}")
    return Table(tuple(headers), cells, caption)


def figure(drawn: matplotlib.figure.Figure, caption: str = "", dots_per_inch: int = 130) -> Figure:
    """A matplotlib figure; it is drawn on white, which the page keeps in dark mode."""
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=dots_per_inch, bbox_inches="tight", facecolor="white")
    return Figure(file.getvalue(), caption)


@singledispatch
def _markup(section: Section) -> Markup:
    raise TypeError(f"a page holds text(), svg(), table() and figure(), found {type(section).__name__}")


@_markup.register
def _(section: Text) -> Markup:
    blocks = [block for block in re.split(r"\n\s*\n", section.words.strip()) if block]
    return Markup("\n").join(_block(block) for block in blocks)


@_markup.register
def _(section: Picture) -> Markup:
    return _with_caption(Markup(section.element), section.caption, "drawing")


@_markup.register
def _(section: Table) -> Markup:
    head = Markup("").join(Markup("<th>{}</th>").format(header) for header in section.headers)
    rows = Markup("").join(Markup("<tr>{}</tr>").format(_row(row)) for row in section.rows)
    body = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, rows)
    return _with_caption(body, section.caption, "table")


@_markup.register
def _(section: Figure) -> Markup:
    data = base64.b64encode(section.png).decode()
    image = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, section.caption or "figure")
    return _with_caption(image, section.caption, "plot")


def _with_caption(content: Markup, caption: str, look: str) -> Markup:
    words = Markup("<figcaption>{}</figcaption>").format(_inline(caption)) if caption else Markup("")
    return Markup('<figure class="{}"><div class="wide">{}</div>{}</figure>').format(look, content, words)


def _row(cells: tuple[str | Toned, ...]) -> Markup:
    number = re.compile(r"^[-+−]?[\d.]")
    parts = []
    for cell in cells:
        if isinstance(cell, Toned):
            parts.append(Markup('<td class="tone {}" title="{}">{}</td>').format(cell.tone, cell.note, cell.words))
        else:
            parts.append(Markup('<td class="number">{}</td>' if number.match(cell) else "<td>{}</td>").format(cell))
    return Markup("").join(parts)


def _block(block: str) -> Markup:
    if heading := re.match(r"(#{1,3}) +(.*)", block):
        level, rest = len(heading[1]) + 1, block[heading.end() :].strip()
        title = Markup("<h{0}>{1}</h{0}>").format(level, _inline(heading[2]))
        return title + (_block(rest) if rest else "")
    lines = block.splitlines()
    if all(line.startswith(("- ", "* ", "  ")) for line in lines):
        items = re.split(r"^[-*] ", block, flags=re.MULTILINE)[1:]
        entries = Markup("").join(Markup("<li>{}</li>").format(_inline(item.strip())) for item in items)
        return Markup("<ul>{}</ul>").format(entries)
    return Markup("<p>{}</p>").format(_inline(block))


def _inline(words: str) -> Markup:
    safe = str(escape(words))
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe)
    return Markup(re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"<em>\1</em>", safe))


def _cell(value: object) -> str | Toned:
    if isinstance(value, Toned):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else str(value)
