"""The report as one HTML file: works offline, runs one known script, asks nothing of a network.

The page's parts are in ``page/``; this puts them in order and writes the policy that a
browser holds the file to: no request, no style and no script but the two whose hashes it names.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from string import Template

from rdagent.comparison.page import flips as flip_browser
from rdagent.comparison.page import header, parts, provenance, tasks, verdicts
from rdagent.comparison.page.comparability import comparability
from rdagent.comparison.page.markup import Markup, Place, escaped, foreign, join, tag
from rdagent.comparison.page.matrix import matrix
from rdagent.comparison.page.payload import payload
from rdagent.comparison.page.plot import plot
from rdagent.comparison.report import CandidateReport, Report, Settings
from rdagent.files.printable import one_line

#: The page stays under this many bytes, as long as its tables alone do.
PAGE_LIMIT = 4_900_000
_FLIPS_AT_LEAST = 500_000


def render_html(report: Report) -> str:
    """Return the whole page; it is to be written as UTF-8."""
    main = _main(report)
    # What the page needs beside its tables: flips for reading without a script, the style.
    room = PAGE_LIMIT - len(main.encode()) - 250_000
    carried = payload(report, max(room, _FLIPS_AT_LEAST))
    flips = flip_browser.flips(report, carried)
    named = [(_prefix(place), one) for place, one in enumerate(report.candidates)]
    body = join(
        [
            tag("a", "Skip to the results", href="#comparability", class_="skip"),
            header.header(report),
            header.contents(report, named),
            tag("main", main, flips, provenance.provenance(report)),
            provenance.footer(report),
        ]
    )
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        policy=_policy(style, script),
        title=escaped(one_line(header.title(report))),
        state="forced" if report.forced else "plain",
        style=style,
        body=body,
        data=carried.content,
        script=script,
    )


def _main(report: Report) -> Markup:
    """Return everything up to the flips: what differs first, then numbers."""
    found = [comparability(report)]
    if len(report.candidates) == 1:
        found += _candidate(report.candidates[0], report.settings, Place())
        return join(found)
    found.append(matrix(report, [_prefix(place) for place in range(len(report.candidates))]))
    for number, one in enumerate(report.candidates):
        place = Place(level=3, prefix=_prefix(number), of=one.side.name)
        title = tag("h2", foreign(one.side.name))
        decision = tag("p", verdicts.headline(one.overall.verdict), class_="verdict")
        content = tag(
            "details",
            tag("summary", title, " ", verdicts.named(one.overall.verdict)),
            decision,
            tag("p", foreign(one.overall.reason, 1_000), class_="reason"),
            *_candidate(one, report.settings, place),
            open=number == 0,
        )
        found.append(tag("div", content, class_="candidate", id=f"{place.prefix}candidate"))
    return join(found)


def _candidate(one: CandidateReport, settings: Settings, place: Place) -> list[Markup]:
    if one.fatal and not one.tasks:
        return []
    every = [
        tasks.summary(one, place),
        tasks.tasks(one, place, plot(one, settings, place)),
        parts.averages(one, place),
        parts.breakdowns(one, place),
        parts.rates(one, place),
        tasks.others(one, place),
        parts.reported(one, place),
    ]
    return [part for part in every if part is not None]


def _prefix(place: int) -> str:
    return f"c{place + 1}-"


@cache
def _part(name: str) -> str:
    found = resources.files("rdagent.comparison.page") / name
    return found.read_text(encoding="utf-8").replace("\r\n", "\n")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
