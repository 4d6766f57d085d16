"""Where every number comes from: files and their sums, versions, seeds, the command."""

from __future__ import annotations

from collections.abc import Iterator

from rdagent.comparison.page.markup import (
    Cell,
    Column,
    Markup,
    Place,
    foreign,
    join,
    listed,
    prose,
    section,
    table,
    tag,
)
from rdagent.comparison.report import SCHEMA, Report, SideInfo
from rdagent.comparison.wording import points
from rdagent.files.printable import printable


def provenance(report: Report) -> Markup:
    """Return the section on inputs and settings."""
    sides = (report.base, *(one.side for one in report.candidates))
    files = [
        [Cell(foreign(side.name)), Cell(foreign(name)), Cell(tag("code", foreign(digest)))]
        for side in sides
        for name, digest in side.files.items()
    ]
    columns = (Column("Model", "text"), Column("File", "text"), Column("SHA-256", "text"))
    return section(
        Place(),
        "provenance",
        "Provenance",
        tag("div", *map(_side, sides), class_="sides"),
        tag("h3", "Settings"),
        tag("dl", *_settings(report), class_="facts"),
        tag("h3", "Command"),
        _command(report.command),
        tag("h3", "Files"),
        table("Files that were read", columns, files)
        if files
        else tag("p", "No file is named.", class_="muted"),
    )


def _command(command: str) -> Markup:
    if not command:
        return tag("p", "Not made by a command.", class_="muted")
    code = tag("code", printable(command)[:4_000], dir="ltr")
    return tag("pre", code, tabindex=0, role="region", aria_label="Command")


def _side(side: SideInfo) -> Markup:
    return tag("div", tag("h3", foreign(side.name)), tag("dl", *_facts(side), class_="facts"))


def _facts(side: SideInfo) -> Iterator[Markup]:
    facts = {
        "read from": side.source,
        "model": side.model,
        "adapter": side.adapter,
        "engine": side.engine,
        "lm_eval": side.lm_eval_version,
        "limited": side.limited,
        **side.facts,
    }
    for name, value in facts.items():
        if value is not None:
            yield _fact(foreign(name, 60), prose(value, 300))


def _fact(name: str, value: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value))


def _settings(report: Report) -> Iterator[Markup]:
    settings = report.settings
    yield _fact("alpha", f"{settings.alpha:g}")
    yield _fact("power", f"{settings.power:g}")
    yield _fact("margin", f"{points(settings.margin)} points")
    yield _fact("smallest effect", f"{points(settings.effect)} points")
    yield _fact("seed", f"{settings.seed}")
    yield _fact("targets", listed(settings.targets) if settings.targets else "none")
    yield _fact("guards", listed(settings.guards) if settings.guards else "none")
    yield _fact("made", foreign(report.created))
    yield _fact("schema", SCHEMA)


def footer(report: Report) -> Markup:
    """Return the last line of the page."""
    says = join(["Made by rdagent compare, ", foreign(report.created), ". One file, no network."])
    return tag("footer", tag("p", says))
