"""The top of the page: what was compared, the decision, and what a reader must know first."""

from __future__ import annotations

from collections.abc import Iterator

from rdagent.comparison.page import verdicts
from rdagent.comparison.page.markup import Markup, foreign, join, listed, prose, tag
from rdagent.comparison.report import CandidateReport, Report


def title(report: Report) -> str:
    """Return what the page is called in a tab."""
    return f"{_names(report)}: {report.overall.verdict}"


def header(report: Report) -> Markup:
    """Return the page's header."""
    many = len(report.candidates) > 1
    subject = (
        join([f"{len(report.candidates)} candidates against ", foreign(report.base.name)])
        if many
        else join(
            [foreign(report.candidates[0].side.name), " against ", foreign(report.base.name)]
            if report.candidates
            else [foreign(report.base.name)]
        )
    )
    return tag(
        "header",
        _banner(report),
        tag("p", "Model comparison", class_="eyebrow"),
        tag("h1", subject),
        tag("p", verdicts.headline(report.overall.verdict), class_="verdict"),
        tag("p", prose(sentence(report.overall.reason, report)), class_="reason"),
        tag("ul", *_marks(report), class_="marks"),
    )


def sentence(reason: str, report: Report) -> str:
    """Return a reason with a capital letter, unless it begins with a name."""
    names = [one.side.name for one in report.candidates]
    names += [task.task for one in report.candidates for task in one.tasks]
    if any(reason.startswith(name) for name in names):
        return reason
    return reason[:1].upper() + reason[1:]


def _names(report: Report) -> str:
    names = ", ".join(one.side.name for one in report.candidates[:3])
    return f"{names} against {report.base.name}"


def _banner(report: Report) -> Markup | None:
    fatal = [one.side.name for one in report.candidates if one.fatal]
    if report.forced:
        says = (
            "A fatal difference was overridden with --force: the models were not asked the same. "
            "Read no number on this page as a fair comparison. It concerns "
        )
        return _alert("Forced comparison", says, fatal)
    if fatal:
        says = (
            "The models were not asked the same, so there are no numbers for them. "
            "What differs is listed under Comparability. It concerns "
        )
        return _alert("Not comparable", says, fatal)
    return None


def _alert(word: str, says: str, names: list[str]) -> Markup:
    return tag(
        "div", tag("strong", f"{word}. "), says, listed(names), ".", class_="alert", role="note"
    )


def _marks(report: Report) -> Iterator[Markup]:
    """Yield what qualifies every number below."""
    for says, names in _limits(report).items():
        yield _mark("Limited run", join([prose(says, 300), " (", listed(names), ")"]))
    contaminated = list(dict.fromkeys(_contaminated(report)))
    if contaminated:
        says = "items of these tasks were among the training rows: "
        yield _mark("Contaminated", join([says, listed(contaminated)]))
    yield _mark("Looks", _looks(report))
    if report.settings.targets:
        yield _mark("Must improve", listed(report.settings.targets))
    if report.settings.guards:
        yield _mark("Must not fall", listed(report.settings.guards))
    for note in report.notes:
        yield _mark("Note", prose(note))


def _mark(word: str, says: str) -> Markup:
    return tag("li", tag("strong", word), " ", tag("span", says))


def _limits(report: Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for side in (report.base, *(one.side for one in report.candidates)):
        if side.limited:
            found.setdefault(side.limited, []).append(side.name)
    return found


def _contaminated(report: Report) -> Iterator[str]:
    for one in report.candidates:
        yield from (task.task for task in one.tasks if task.contaminated)


def _looks(report: Report) -> str:
    count, others = report.looks.count, report.looks.candidates
    if count <= 1:
        return "the first comparison with this base on these benchmarks in this run root"
    before = f"; {others} other candidate{'' if others == 1 else 's'} before" if others else ""
    return (
        f"this base was compared on these benchmarks {count} times in this run root, "
        f"this time included{before}; with every look, chance gets another try"
    )


def contents(report: Report, candidates: list[tuple[str, CandidateReport]]) -> Markup:
    """Return the list of links to the page's parts."""
    links = [("comparability", "Comparability")]
    if len(candidates) > 1:
        links += [("matrix", "Matrix")]
    else:
        links += [
            ("summary", "Summary"),
            ("tasks", "Tasks"),
            ("averages", "Averages"),
            ("breakdowns", "Breakdowns"),
            ("rates", "Failures"),
        ]
    items = [tag("li", tag("a", name, href=f"#{key}")) for key, name in links]
    if len(candidates) > 1:
        items += [
            tag("li", tag("a", foreign(one.side.name, 40), href=f"#{prefix}candidate"))
            for prefix, one in candidates
        ]
    items += [
        tag("li", tag("a", name, href=f"#{key}"))
        for key, name in (("flips", "Flips"), ("provenance", "Provenance"))
    ]
    return tag("nav", tag("ul", *items), aria_label="Contents")
