"""HTML made of elements: what is not markup is text, and text is escaped.

A part of the page never writes an angle bracket itself.  Attributes follow Python's rules
for names: ``class_`` is ``class``, ``aria_label`` is ``aria-label``.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rdagent.files.printable import one_line, printable

Attribute = str | int | float | bool | None
#: Names and values of a stranger's longer than this are cut.
NAME_LIMIT = 160
_VOID = frozenset({"br", "hr", "input"})


class Markup(str):
    """HTML that is written as it stands; any other string is text."""

    __slots__ = ()


def escaped(content: str) -> Markup:
    """Return markup as it is and text printable and escaped."""
    if isinstance(content, Markup):
        return content
    return Markup(html.escape(printable(content)))


def join(contents: Iterable[str | None]) -> Markup:
    """Return markup and texts as one piece of markup."""
    return Markup("".join(escaped(one) for one in contents if one is not None))


def tag(name: str, *contents: str | None, **attributes: Attribute) -> Markup:
    """Return an element; an attribute that is None or False is left out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(printable(str(value)))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(contents)}</{name}>")


def foreign(text: str, limit: int = NAME_LIMIT) -> Markup:
    """Return a stranger's short text on one line; its direction of writing stays inside."""
    return tag("bdi", one_line(text, limit))


def prose(text: str, limit: int = 1_000) -> Markup:
    """Return a stranger's sentence on one line, cut when it is very long."""
    return foreign(text, limit)


def listed(names: Sequence[str], most: int = 20) -> Markup:
    """Return names with commas between, the first of them when they are many."""
    shown: list[str] = []
    for name in names[:most]:
        shown += [", ", foreign(name, 80)] if shown else [foreign(name, 80)]
    if len(names) > most:
        shown.append(f" and {len(names) - most} more")
    return join(shown)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands: the level of its headings and what its ids begin with."""

    level: int = 2
    prefix: str = ""
    #: Whose part it is, where a page holds several of its kind.
    of: str | None = None


def section(place: Place, name: str, title: str, *contents: str | None) -> Markup:
    """Return a titled part of the page that can be linked to."""
    key = f"{place.prefix}{name}"
    whose = None if place.of is None else hidden(f" of {one_line(place.of, NAME_LIMIT)}")
    heading = tag(f"h{place.level}", title, whose, id=f"{key}-title")
    return tag("section", heading, *contents, id=key, aria_labelledby=f"{key}-title")


def hidden(text: str) -> Markup:
    """Return text for those who hear the page."""
    return tag("span", text, class_="hidden")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    kind: Literal["text", "number"] = "number"
    #: Set where the short title wants explaining.
    says: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell, with what it is sorted by; None comes last, whichever the direction."""

    content: str
    key: float | str | None = None


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    sortable: bool = False,
    wide: bool = False,
) -> Markup:
    """Return a table that scrolls in its own box; the first cell of a row is its heading."""
    caption = one_line(caption)
    head = tag("tr", *(_heading(column) for column in columns))
    body = [tag("tr", *map(_cell, columns, row, range(len(row)))) for row in rows]
    content = tag(
        "table",
        tag("caption", caption, class_="hidden"),
        tag("thead", head),
        tag("tbody", *body),
        class_="sortable" if sortable else None,
    )
    box = "scroll wide" if wide else "scroll"
    # It takes the focus, so that arrow keys scroll it.
    label = f"Table: {caption}"
    return tag("div", content, class_=box, role="region", aria_label=label, tabindex=0)


def _heading(column: Column) -> Markup:
    return tag(
        "th",
        column.title,
        scope="col",
        class_=column.kind,
        data_kind=column.kind,
        title=column.says,
    )


def _cell(column: Column, cell: Cell, place: int) -> Markup:
    key = None if cell.key is None else str(cell.key)
    if place == 0:
        return tag("th", cell.content, scope="row", class_=column.kind, data_key=key)
    return tag("td", cell.content, class_=column.kind, data_key=key)
