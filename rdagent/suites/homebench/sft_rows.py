"""Which training records a model is tuned on: none of test, none twice, in the wanted shares.

``asking`` selects and renders as for an evaluation, so a row's prompt is the very text that
the tuned model will be asked; ``sft`` writes the rows for LLaMA-Factory.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from rdagent.errors import RefusedError, UsageError
from rdagent.suites.homebench.asking import Asked, Asking, lines, select, sound_training
from rdagent.suites.homebench.data.files import SPLITS, read_data
from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Record, count_categories
from rdagent.suites.homebench.prompts import Shot, render_answer, render_request
from rdagent.suites.homebench.shots import draw_shots
from rdagent.suites.homebench.suite import retrieved

SPLIT = "train"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """What is trained on, and what was left out."""

    asked: Asked
    asking: Asking
    duplicates: int
    #: Records that ask what test or validation records ask.
    leaks: int
    #: Records that ask what another one asks, with another answer.
    contradictions: int
    #: A row asks a home so many times, in turns: the home is read once for all of them.
    turns: int = 1

    @property
    def categories(self) -> Mapping[str, int]:
        """How many rows each category has."""
        return count_categories(self.asked.records)

    @property
    def names(self) -> list[str]:
        """What each row is called: by its records."""
        return [" ".join(record.id for record in group) for group in self._groups()]

    def lines(self) -> Iterator[str]:
        """Yield each row as a line: the prompt that an evaluation asks, and the gold.

        Turns after the first one ask without showing the home again.
        """
        for group in self._groups():
            first = json.loads(next(lines(replace(self.asked, records=group[:1]), self.asking)))
            pairs = [(first["prompt"], first["answer"])]
            pairs += [(render_request(each), render_answer(each)) for each in group[1:]]
            *history, (asked, answer) = pairs
            row: dict[str, Any] = {"instruction": asked, "output": answer}
            if self.turns > 1:
                row["history"] = history
            yield json.dumps(row, ensure_ascii=False) + "\n"

    def _groups(self) -> Iterator[tuple[Record, ...]]:
        """Yield the records of each row; those of a home are mixed before they are grouped."""
        for home_id, found in groupby(self.asked.records, key=lambda record: record.home_id):
            group = list(found)
            if self.turns > 1:
                random.Random(f"turns {self.asking.seed} {home_id}").shuffle(group)
            for start in range(0, len(group), self.turns):
                yield tuple(group[start : start + self.turns])

    def notes(self) -> tuple[str, ...]:
        """Say what was left out, and what may hurt."""
        said = (
            (self.duplicates, "records stand there twice and are left out"),
            (self.leaks, "records ask what test or validation records ask and are left out"),
            (self.contradictions, "records contradict another one (--exclude-audited)"),
        )
        return tuple(f"{count} {what}" for count, what in said if count)


def select_rows(
    asking: Asking, *, turns: int = 1, balance: bool = False, exclude_leaks: bool = False
) -> Rows:
    """Return the rows that ``asking`` leads to; ``asking.limit`` draws so many records.

    Raises RefusedError when records of test or validation are among them, by their id or by
    home and instruction, unless ``exclude_leaks`` leaves those out.
    """
    _check(asking, turns)
    asking = replace(asking, split=SPLIT)
    whole = select(replace(asking, mode="zero-shot", limit=None))
    splits = read_data(asking.data, SPLITS).splits
    leaks = leaking(whole.records, {name: splits[name] for name in splits if name != SPLIT})
    if leaks and not exclude_leaks:
        raise _refusal(leaks)
    lost = {record.id for record in leaks}
    records, duplicates, contradictions = distinct([r for r in whole.records if r.id not in lost])
    shots = _shots(splits, whole.homes, asking)
    shown = {shot.record.id for shot in shots}
    drawn = draw([r for r in records if r.id not in shown], asking, balance=balance)
    asked, asking = retrieved(Asked(tuple(drawn), whole.homes, shots), asking)
    return Rows(asked, asking, duplicates, len(leaks), contradictions, turns)


def _check(asking: Asking, turns: int) -> None:
    if turns < 1 or (turns > 1 and asking.mode == "rag"):
        raise UsageError(
            f"--turns {turns} in mode {asking.mode}",
            hint="A number from 1 is expected; with retrieved rooms 1, since every request has"
            " rooms of its own.",
        )
    if asking.limit is not None and asking.limit < 1:
        raise UsageError(f"--limit {asking.limit}: a number from 1 is expected")


def _question(record: Record) -> tuple[int, str]:
    """What a record asks, whatever its spelling: of which home, which instruction."""
    return record.home_id, " ".join(record.input.split()).casefold()


def leaking(
    records: Sequence[Record], held_out: Mapping[str, Sequence[Record]]
) -> tuple[Record, ...]:
    """Return the records that are held out, by their id or by home and instruction."""
    kept = [record for split in held_out.values() for record in split]
    ids, questions = {record.id for record in kept}, {_question(record) for record in kept}
    return tuple(r for r in records if r.id in ids or _question(r) in questions)


def _refusal(leaks: Sequence[Record]) -> RefusedError:
    named = ", ".join(record.id for record in leaks[:_SHOWN])
    more = f" and {len(leaks) - _SHOWN} more" if len(leaks) > _SHOWN else ""
    return RefusedError(
        f"{len(leaks)} training records are records of test or validation, by their id or by"
        f" home and instruction: {named}{more}",
        hint="Give --exclude-leaks to leave them out: what is measured on them would be memory.",
    )


def distinct(records: Sequence[Record]) -> tuple[list[Record], int, int]:
    """Return each question once with each of its answers.

    The numbers are how many were left out, and how many that stay contradict one before them.
    """
    answers: dict[tuple[int, str], set[tuple[str, ...]]] = defaultdict(set)
    kept, duplicates, contradictions = [], 0, 0
    for record in records:
        known, gold = answers[_question(record)], tuple(sorted(record.gold))
        if gold in known:
            duplicates += 1
            continue
        contradictions += bool(known)
        known.add(gold)
        kept.append(record)
    return kept, duplicates, contradictions


def _shots(
    splits: Mapping[str, Sequence[Record]], homes: Mapping[int, Home], asking: Asking
) -> tuple[Shot, ...]:
    """Draw the examples that an evaluation of test with the same seed shows."""
    if asking.mode != "few-shot":
        return ()
    asked = splits.get("test", ())
    train = sound_training(splits[SPLIT], homes, others=asked)
    return draw_shots(train, homes, count=asking.shots, seed=asking.seed, excluded=asked)


def draw(records: Sequence[Record], asking: Asking, *, balance: bool) -> list[Record]:
    """Draw ``asking.limit`` of the records, the same for a seed, in their order.

    With ``balance`` every category has as many as the others, as far as it has so many;
    without a limit, as many as the rarest.
    """
    by_category: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_category[record.category if balance else ""].append(record)
    sizes = {name: len(found) for name, found in by_category.items()}
    limit = asking.limit
    if limit is None:
        limit = min(sizes.values(), default=0) * len(sizes)
    chosen: set[str] = set()
    for name, count in even_shares(sizes, limit).items():
        rng = random.Random(f"training rows {asking.seed} {name}")
        chosen.update(record.id for record in rng.sample(by_category[name], count))
    return [record for record in records if record.id in chosen]


def even_shares(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share out ``limit`` evenly; what one has too few for goes to the others."""
    shares: dict[str, int] = {}
    left = min(limit, sum(sizes.values()))
    for place, name in enumerate(sorted(sizes, key=lambda each: (sizes[each], each))):
        shares[name] = min(sizes[name], left // (len(sizes) - place))
        left -= shares[name]
    return shares
