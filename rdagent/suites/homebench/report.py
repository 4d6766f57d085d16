"""All that is said of one file of answers: scores, baselines, errors, intervals.

One frozen object, made once; ``report_text`` prints it, ``to_json`` writes it.  The strict
scorer is the headline everywhere; what is lenient says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from rdagent.files.printable import one_line
from rdagent.suites.homebench.intervals import (
    DRAWS,
    LEVEL,
    SEED,
    ScoreInterval,
    score_intervals,
)
from rdagent.suites.homebench.scoring.baselines import Question, score_baselines
from rdagent.suites.homebench.scoring.categories import CATEGORIES, kind_without_size
from rdagent.suites.homebench.scoring.clauses import ABSOLUTE, RELATIVE, UNDECIDED
from rdagent.suites.homebench.scoring.errors import (
    ATTENTION,
    KEY,
    KINDS,
    PAPER_TYPES,
    UNFAITHFULNESS,
    UNKNOWN,
)
from rdagent.suites.homebench.scoring.judgement import Judged, Unscored
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT
from rdagent.suites.homebench.scoring.paper import FINE_TUNED_BOUND, SOURCE, paper_rows
from rdagent.suites.homebench.scoring.score import (
    Balance,
    Counts,
    Macro,
    Total,
    add,
    balance,
    by_category,
    macro,
)

SCHEMA = "rdagent.homebench-score/1"
#: Under this share of answers with braces a score says more of form than of homes.
LEAST_PARSED = 0.95
#: How many records a list names.
_NAMED = 100
_Key = TypeVar("_Key", int, str)


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """How many missed records show each kind; a record may show several."""

    missed: int
    kinds: Mapping[str, int]
    #: The paper's error types, likewise.
    paper_types: Mapping[str, int]
    #: Operations with a wrong value, by how the value was asked for.
    value_changes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of one file of answers."""

    source: str
    strict: Mapping[str, Total]
    lenient: Mapping[str, Total]
    by_size: Mapping[int, Total]
    #: By the records' ``type``, of those that have one.
    by_type: Mapping[str, Total]
    macro: Macro
    balance: Balance
    #: Of the valid single requests, the share answered by a refusal; None without any.
    over_refusal: float | None
    parse_rate: float
    errors: Mapping[str, ErrorTable]
    intervals: Mapping[str, ScoreInterval]
    baselines: Mapping[str, Mapping[str, Total] | None] | None
    #: Records left out, as their gold is no text.
    unscored: tuple[str, ...]
    #: Records whose gold holds something else than operations; scored all the same.
    strange_gold: tuple[str, ...]
    #: Scored records whose home is not known.
    without_home: int
    #: Records whose gold is not what their category says.
    miscategorised: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as one document; shares are fractions."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "scorer": "strict",
            "records": _totals(self.strict),
            "lenient": _totals(self.lenient),
            "by_size": {str(size): total.to_json() for size, total in self.by_size.items()},
            "by_type": _totals(self.by_type),
            "macro": asdict(self.macro),
            "harmonic": {
                "em": self.balance.em,
                "acting": self.balance.acting.to_json(),
                "refusing": self.balance.refusing.to_json(),
            },
            "over_refusal": self.over_refusal,
            "parse_rate": self.parse_rate,
            "errors": {name: asdict(table) for name, table in self.errors.items()},
            "intervals": self._intervals(),
            "baselines": self.baselines
            and {name: totals and _totals(totals) for name, totals in self.baselines.items()},
            "paper": {
                "source": SOURCE,
                "rows": [asdict(row) for row in paper_rows()],
                "fine_tuned": FINE_TUNED_BOUND,
            },
            "gold": {
                "unscored": _named(self.unscored),
                "strange": _named(self.strange_gold),
                "miscategorised": _named(self.miscategorised),
            },
            "without_home": self.without_home,
        }

    def _intervals(self) -> dict[str, Any]:
        rows = {
            name: {"em": [each.em.low, each.em.high], "f1": [each.f1.low, each.f1.high]}
            for name, each in self.intervals.items()
        }
        return {"draws": DRAWS, "seed": SEED, "level": LEVEL, "records": rows}


def make_report(judged: Sequence[Judged | Unscored], source: str) -> Report:
    """Add up what was judged; ``source`` is the file's name."""
    scored = [each for each in judged if isinstance(each, Judged)]
    counts: dict[str, list[Counts]] = {category: [] for category in CATEGORIES}
    for each in scored:
        counts[each.record.category].append(each.strict)
    strict = by_category((each.record.category, each.strict) for each in scored)
    return Report(
        source=source,
        strict=strict,
        lenient=by_category((each.record.category, each.lenient) for each in scored),
        by_size=_grouped(scored, lambda each: each.size),
        by_type=_grouped(scored, lambda each: _type(each)),
        macro=macro(strict),
        balance=balance(strict),
        over_refusal=_over_refusal(scored),
        parse_rate=sum(each.parsed for each in scored) / len(scored) if scored else 0.0,
        errors=_error_tables(scored),
        intervals=score_intervals(counts),
        baselines=_baselines(scored),
        unscored=tuple(_name(each) for each in judged if isinstance(each, Unscored)),
        strange_gold=tuple(_name(each) for each in scored if each.strange),
        without_home=sum(not each.home_known for each in scored),
        miscategorised=tuple(_name(each) for each in scored if not _fits(each)),
    )


def _baselines(scored: Sequence[Judged]) -> dict[str, dict[str, Total] | None] | None:
    if not scored:
        return None
    return score_baselines(
        [Question(each.record.category, each.gold, each.record.request) for each in scored]
    )


def _grouped(scored: Sequence[Judged], key: Callable[[Judged], _Key | None]) -> dict[_Key, Total]:
    groups: dict[_Key, list[Counts]] = {}
    for each in scored:
        if (name := key(each)) is not None:
            groups.setdefault(name, []).append(each.strict)
    return {name: add(groups[name]) for name in sorted(groups)}


def _type(judged: Judged) -> str | None:
    kind = judged.record.kind
    return None if kind is None else kind_without_size(kind)


def _over_refusal(scored: Sequence[Judged]) -> float | None:
    valid = [each for each in scored if each.record.category == "VS"]
    refused = sum("refused_valid" in each.faults.kinds for each in valid)
    return refused / len(valid) if valid else None


def _error_tables(scored: Sequence[Judged]) -> dict[str, ErrorTable]:
    tables = {"ALL": _error_table(scored)}
    for category in CATEGORIES:
        tables[category] = _error_table([e for e in scored if e.record.category == category])
    return tables


def _error_table(judged: Sequence[Judged]) -> ErrorTable:
    missed = [each.faults for each in judged if not each.strict.em]
    kinds = Counter(kind for each in missed for kind in each.kinds)
    types = Counter(
        name for each in missed for name in {PAPER_TYPES.get(kind) for kind in each.kinds} if name
    )
    changes = Counter(change for each in missed for change in each.value_changes)
    return ErrorTable(
        missed=len(missed),
        kinds={kind: kinds[kind] for kind in (*KINDS, UNKNOWN)},
        paper_types={name: types[name] for name in (UNFAITHFULNESS, ATTENTION, KEY)},
        value_changes={name: changes[name] for name in (RELATIVE, ABSOLUTE, UNDECIDED)},
    )


def _fits(judged: Judged) -> bool:
    """Whether a gold is what its category says; a mix may be all refusals, as some released are."""
    refusals = judged.gold.count(ERROR_INPUT)
    several, valid = judged.size > 1, judged.size - refusals
    return {
        "VS": not several and refusals == 0,
        "IS": not several and valid == 0,
        "VM": several and refusals == 0,
        "IM": several and valid == 0,
        "MM": several,
    }[judged.record.category]


def _name(judged: Judged | Unscored) -> str:
    identity = judged.record.id
    place = judged.record.place
    return place if identity is None else f"{place}: {one_line(str(identity))}"


def _named(names: Sequence[str]) -> dict[str, Any]:
    return {"n": len(names), "first": list(names[:_NAMED])}


def _totals(totals: Mapping[str, Total]) -> dict[str, dict[str, float]]:
    return {name: total.to_json() for name, total in totals.items()}
