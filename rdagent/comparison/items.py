"""The items of one task out of its samples file: numbers and hashes, never the words.

A file of 200,000 rows leaves some hundred bytes an item; the words stay where they are,
``texts`` finds them by offset.  Rows that are there twice count once, rows that
contradict each other leave the item out, drawn answers are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from rdagent.comparison import rows
from rdagent.comparison.lines import Line, SampleLines, open_lines, row_at
from rdagent.comparison.report import FailureRates
from rdagent.comparison.rows import Row
from rdagent.comparison.sides import Item, TaskItems
from rdagent.files.printable import one_line

FILTERS_LIMIT = 100
#: A task of choices has few targets; of so many the hashes are kept once.
_SHARED = 1000
#: Of what is damaged so many lines or items are named.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class TaskSamples:
    """What one samples file holds."""

    #: By filter.
    items: Mapping[str, TaskItems]
    #: By filter; empty where nothing was generated.
    rates: Mapping[str, FailureRates]
    damage: tuple[str, ...]
    sha256: str


def read_items(task: str, path: Path, repeats: int = 1) -> TaskSamples:
    """Read a samples file; raises ResultError only when it cannot be opened.

    ``repeats`` is how many answers the task's settings ask for each document.
    """
    return _Reader(task, path, repeats).read()


@dataclass(slots=True)
class _Failures:
    """Counts of one filter's rows."""

    rows: int = 0
    answers: int = 0
    empty: int = 0
    characters: int = 0
    nothing: int = 0

    def add(self, row: Row) -> None:
        """Count one row whose answers were generated."""
        answers = rows.answers_of(row)
        self.rows += 1
        self.answers += len(answers)
        self.empty += sum(not answer.strip() for answer in answers)
        self.characters += sum(map(len, answers))
        self.nothing += rows.found_nothing(row)

    def rates(self, *, filtered: bool) -> FailureRates:
        """Return the shares; without a filter nothing is extracted."""
        if not self.answers:
            return FailureRates()
        return FailureRates(
            empty=self.empty / self.answers,
            not_extracted=self.nothing / self.rows if filtered else None,
            mean_length=self.characters / self.answers,
        )


@dataclass(slots=True)
class _Collector:
    """What was read of one filter."""

    columns: dict[str, int] = field(default_factory=dict)
    found: dict[int, Item] = field(default_factory=dict)
    contradicting: set[int] = field(default_factory=set)
    failures: _Failures = field(default_factory=_Failures)

    def values(self, row: Row) -> tuple[float | None, ...]:
        """Return the row's values in the order of the columns, which grow by its metrics."""
        told = rows.values_of(row)
        for name in told:
            if name not in self.columns and len(self.columns) < rows.METRICS_LIMIT:
                self.columns[name] = len(self.columns)
        return tuple(told.get(name) for name in self.columns)


class _Reader:
    """Walks once through a file."""

    def __init__(self, task: str, path: Path, repeats: int) -> None:
        self._task = task
        self._path = path
        self._repeats = repeats
        self._collectors: dict[str, _Collector] = {}
        self._problems: dict[str, list[int]] = {}
        self._duplicates = 0
        self._targets: dict[str, str] = {}

    def read(self) -> TaskSamples:
        """Return everything that the file holds."""
        lines = SampleLines(self._path)
        with open_lines(self._path) as again:
            for line in lines:
                if line.row is None:
                    self._problem(line.problem, line.number)
                else:
                    self._add(line, line.row, again)
        found = {name: self._items(name) for name in self._collectors}
        rates = {
            name: collector.failures.rates(filtered=name != "none")
            for name, collector in self._collectors.items()
            if collector.failures.answers
        }
        return TaskSamples(found, rates, self._damage(), lines.sha256)

    def _problem(self, what: str, number: int) -> None:
        self._problems.setdefault(what, []).append(number)

    def _add(self, line: Line, row: Row, again: IO[bytes]) -> None:
        doc_id, filter_name = rows.doc_id_of(row), rows.filter_of(row)
        if doc_id is None:
            self._problem("has no doc_id", line.number)
            return
        if filter_name not in self._collectors and len(self._collectors) >= FILTERS_LIMIT:
            self._problem(f"is of more than {FILTERS_LIMIT} filters", line.number)
            return
        collector = self._collectors.setdefault(filter_name, _Collector())
        earlier = collector.found.get(doc_id)
        item = self._item(doc_id, line.offset, row, collector)
        if earlier is None:
            collector.found[doc_id] = item
            if rows.is_generated(row):
                collector.failures.add(row)
        elif doc_id not in collector.contradicting:
            self._again(collector, earlier, item, row, row_at(again, earlier.offset))

    def _item(self, doc_id: int, offset: int, row: Row, collector: _Collector) -> Item:
        # Rows of several filters repeat the hashes of their document: equal texts are kept once.
        first = next(iter(self._collectors.values())).found.get(doc_id)
        target = rows.target_hash_of(row)
        return Item(
            doc_id=doc_id,
            doc_hash=_same(first.doc_hash if first else None, rows.doc_hash_of(row)),
            prompt_hash=_same(first.prompt_hash if first else None, rows.prompt_hash_of(row)),
            target_hash=self._shared_target(target) if target else None,
            values=collector.values(row),
            drawn=rows.drawn_of(row),
            offset=offset,
        )

    def _shared_target(self, target: str) -> str:
        if len(self._targets) < _SHARED:
            return self._targets.setdefault(target, target)
        return self._targets.get(target, target)

    def _again(
        self, collector: _Collector, earlier: Item, item: Item, row: Row, first: Row | None
    ) -> None:
        """Take a further row of an item that is there: a copy, another draw, a contradiction."""
        one_answer_a_row = self._repeats > 1 and len(rows.answers_of(row)) <= 1
        if first == row and not one_answer_a_row:
            self._duplicates += 1
            return
        drawn = self._repeats > 1 or len(rows.answers_of(row)) > 1
        same = (earlier.doc_hash, earlier.target_hash) == (item.doc_hash, item.target_hash)
        if not drawn or not same:
            collector.contradicting.add(item.doc_id)
            return
        collector.found[item.doc_id] = _averaged(earlier, item)
        if rows.is_generated(row):
            collector.failures.add(row)

    def _items(self, name: str) -> TaskItems:
        collector = self._collectors[name]
        width = len(collector.columns)
        items = tuple(
            item
            if len(item.values) == width
            else replace(item, values=item.values + (None,) * (width - len(item.values)))
            for doc_id, item in sorted(collector.found.items())
            if doc_id not in collector.contradicting
        )
        return TaskItems(self._task, name, tuple(collector.columns), items, self._path)

    def _damage(self) -> tuple[str, ...]:
        found = [_lines_said(what, numbers) for what, numbers in self._problems.items()]
        if self._duplicates:
            found.append(f"{_count(self._duplicates, 'row')} stood there twice and counted once")
        for name, collector in self._collectors.items():
            if collector.contradicting:
                ids = sorted(collector.contradicting)
                found.append(
                    f"{_count(len(ids), 'item')} after filter {one_line(name, 60)} had rows that"
                    f" contradict each other and were left out: {_some(ids)}"
                )
        return tuple(found)


def _same(kept: str | None, text: str | None) -> str | None:
    """Return the text that is kept already where it is equal."""
    return kept if kept == text else text


def _averaged(earlier: Item, item: Item) -> Item:
    """Return both as one: each value is the mean over all draws."""
    total = earlier.drawn + item.drawn
    width = max(len(earlier.values), len(item.values))
    values: list[float | None] = []
    for one, other in zip(_padded(earlier, width), _padded(item, width), strict=True):
        known = one is not None and other is not None
        values.append((one * earlier.drawn + other * item.drawn) / total if known else None)  # type: ignore[operator]
    return replace(earlier, values=tuple(values), drawn=total)


def _padded(item: Item, width: int) -> tuple[float | None, ...]:
    return item.values + (None,) * (width - len(item.values))


def _lines_said(what: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"line {numbers[0]} {what} and was left out"
    return f"{len(numbers)} lines were left out ({_some(numbers)}): each {what}"


def _some(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return ", ".join(map(str, numbers[:_NAMED])) + more


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
