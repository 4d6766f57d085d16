"""How often our statistics are wrong, on made-up pairs of models whose truth is known.

``python benchmarks/paired_statistics.py [--only NAME ...] [--replicates N] [--json FILE]``
prints the tables of ``docs/statistics.md``.  Coverage for right and wrong is added up over
all tables, the rest is drawn with fixed seeds.  Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from paired_statistics_parts import (
    CLUSTERS,
    GRADED,
    TASKS,
    Setting,
    binary_coverage,
    clustered_items,
    product,
    settings,
    truth,
    wald,
)

from rdagent.statistics import detectable
from rdagent.statistics.clusters import clustered
from rdagent.statistics.combined import Part, Table, weighted
from rdagent.statistics.graded import mean_interval, sign_flip_p
from rdagent.statistics.interval import Interval
from rdagent.statistics.mcnemar import exact_p
from rdagent.statistics.multiplicity import holm
from rdagent.statistics.sequential import Sequential

Row = dict[str, Any]
ALPHA = 0.05
#: The largest benchmark of a sequential test here: all of GSM8K.
ITEMS = 1319


def binary(replicates: int) -> list[Row]:
    """Coverage of the interval for right and wrong, exact."""
    del replicates
    rows = []
    for n in (20, 30, 50, 100, 164, 300, 500, 1000):
        product.cache_clear()
        found = {each: binary_coverage(n, each, product) for each in settings()}
        usual = {e: v for e, v in found.items() if n * e.disagreement >= 10}
        worst = min(found, key=lambda each: found[each])
        rows.append(
            {
                "n": n,
                "least": found[worst],
                "at": f"{worst.disagreement:.2f}, {worst.effect:+.2f}",
                "mean": float(np.mean(list(found.values()))),
                "most": max(found.values()),
                "most, 10 or more disagreements": max(usual.values(), default=math.nan),
                "Wald, least": min(binary_coverage(n, each, wald) for each in found),
            }
        )
    return rows


def every(replicates: int) -> list[Row]:
    """The least coverage for every n up to 300, in bands; exact."""
    del replicates
    rows = []
    for first, last in ((20, 39), (40, 79), (80, 149), (150, 300)):
        least, where = 1.0, ""
        for n in range(first, last + 1):
            product.cache_clear()
            for each in settings():
                if (value := binary_coverage(n, each, product)) < least:
                    least, where = value, f"{n}: {each.disagreement:.2f}, {each.effect:+.2f}"
        rows.append({"n": f"{first} to {last}", "least": least, "at": where})
    return rows


def few(replicates: int) -> list[Row]:
    """Coverage where hardly an item differs, exact."""
    del replicates
    rows = []
    for n in (100, 300, 1000, 3000):
        row: Row = {"n": n}
        for disagreements in (0.5, 2, 5, 10):
            share = disagreements / n
            found = [binary_coverage(n, Setting(share, part * share), product) for part in (0, 0.5)]
            row[f"{disagreements} expected"] = f"{found[0]:.4f} and {found[1]:.4f}"
        rows.append(row)
    return rows


def graded(replicates: int) -> list[Row]:
    """Coverage of the interval for graded scores."""
    rows = []
    for name, draw in GRADED.items():
        true = truth(draw)
        row: Row = {"scores": name}
        for n in (20, 30, 50, 100, 300, 1000):
            random = np.random.default_rng(n)
            times = replicates if n < 1000 else replicates // 2
            found = [mean_interval(draw(random, n).tolist(), seed) for seed in range(times)]
            row[f"n = {n}"] = _coverage(found, true)
        rows.append(row)
    return rows


def in_clusters(replicates: int) -> list[Row]:
    """Coverage and false claims where items hang together."""
    rows = []
    for name, sizes in CLUSTERS.items():
        for right_wrong in (True, False):
            for count in (8, 12, 20, 30, 60, 100, 300):
                random = np.random.default_rng(count)
                found, claims, plain = [], 0, 0
                for seed in range(replicates):
                    values, of = clustered_items(random, count, sizes, binary=right_wrong)
                    one = clustered(values.tolist(), of.tolist(), seed)
                    found.append(one.interval or Interval(-1, 1))
                    claims += one.p is not None and one.p <= ALPHA
                    error = values.std(ddof=1) / math.sqrt(values.size)
                    plain += abs(values.mean()) > 1.96 * error
                rows.append(
                    {
                        "size": name,
                        "scores": "right or wrong" if right_wrong else "graded",
                        "clusters": count,
                        "coverage": _coverage(found, 0.0),
                        "false claims": claims / replicates,
                        "clusters ignored": plain / replicates,
                    }
                )
    return rows


def _coverage(found: list[Interval], true: float) -> float:
    return sum(each.low <= true <= each.high for each in found) / len(found)


def eighteen(replicates: int) -> list[Row]:
    """Reports on 18 tasks without any true difference: how many claim one."""
    rows = []
    for disagreement in (0.1, 0.2, 0.3):
        random = np.random.default_rng(18)
        any_change = unadjusted = adjusted = 0
        listed = []
        for seed in range(replicates):
            ps, deltas = [], []
            for n in TASKS[:-1]:
                half = disagreement / 2
                b, c, _ = random.multinomial(n, (half, half, 1 - disagreement))
                ps.append(exact_p(int(b), int(c)))
                deltas.append(c - b)
            values = GRADED["f1"](random, TASKS[-1]) * random.choice((-1, 1), TASKS[-1])
            ps.append(sign_flip_p(values.tolist(), seed))
            deltas.append(values.sum())
            listed.append(np.count_nonzero(deltas))
            any_change += bool(np.any(deltas))
            unadjusted += min(ps) <= ALPHA
            adjusted += min(holm(ps)) <= ALPHA
        rows.append(
            {
                "disagreement": disagreement,
                "any difference": any_change / replicates,
                "tasks listed so": float(np.mean(listed)),
                "p at most 0.05": unadjusted / replicates,
                "Holm": adjusted / replicates,
            }
        )
    return rows


def sequential(replicates: int) -> list[Row]:
    """The test that may be stopped at any time, looked at after every item."""
    rows = []
    cases = [Setting(d, 0.0) for d in (0.05, 0.12, 0.2, 0.4)]
    cases += [Setting(0.26, 0.14), Setting(0.22, 0.06), Setting(0.20, 0.03)]
    for each in cases:
        random = np.random.default_rng(ITEMS)
        runs = [_run(random, each) for _ in range(replicates)]
        stopped = [run["e"] for run in runs if run["e"]]
        rows.append(
            {
                "disagreement": each.disagreement,
                "difference": each.effect,
                "stopped": len(stopped) / replicates,
                "median items, of all runs": float(np.median([r["e"] or ITEMS for r in runs])),
                "wrong way": sum(run["wrong"] for run in runs) / replicates,
                "peeking at p": sum(run["peeked"] for run in runs) / replicates,
                "one look at the end": sum(run["fixed"] for run in runs) / replicates,
                "interval left the truth": sum(run["left"] for run in runs) / replicates,
            }
        )
    return rows


def _run(random: np.random.Generator, setting: Setting) -> Row:
    """Answer all items in turn; returns when it was decided, and what peeking would have said."""
    kind = random.random(ITEMS)
    test, stopped, left = Sequential(ALPHA), 0, False
    for item, value in enumerate(kind, 1):
        loses, wins = value < setting.loses, value > 1 - setting.wins
        test.add(bool(loses), bool(wins))
        if test.decided and not stopped:
            stopped = item
    losses, wins_ = np.cumsum(kind < setting.loses), np.cumsum(kind > 1 - setting.wins)
    fewer, together = np.minimum(losses, wins_), losses + wins_
    rejected = fewer <= detectable.most_losses(together, ALPHA)
    # The confidence sequence, at every tenth item only: it is slow.
    share = setting.wins / setting.disagreement
    for b, c in zip(losses[9::10], wins_[9::10], strict=True):
        left = left or not _kept(int(b), int(c), share)
    wrong = test.decided == "regressed"
    return {
        "e": stopped,
        "wrong": wrong and setting.effect > 0,
        "peeked": bool(rejected.any()),
        "fixed": bool(rejected[-1]),
        "left": left,
    }


def _kept(b: int, c: int, share: float) -> bool:
    test = Sequential(ALPHA)
    test.b, test.c = b, c
    found = test.interval()
    return found.low <= share <= found.high


def power(replicates: int) -> list[Row]:
    """The difference called detectable with 80 % power: how often it is found."""
    rows = []
    for n in (20, 50, 100, 264, 1319, 14042):
        for disagreement in (0.1, 0.2):
            effect = detectable.planned(n, disagreement)
            z = 1.959964 + 0.841621
            textbook = min(z * math.sqrt(disagreement / n), 1.0)
            rows.append(
                {
                    "n": n,
                    "disagreement": disagreement,
                    "detectable": effect,
                    "found": _found(n, disagreement, effect, 10 * replicates),
                    "textbook": textbook,
                    "found ": _found(n, disagreement, textbook, 10 * replicates),
                }
            )
    return rows


def _found(n: int, disagreement: float, effect: float, times: int) -> float:
    each = Setting(max(disagreement, effect), effect)
    random = np.random.default_rng(n)
    tables = random.multinomial(n, (each.loses, each.wins, 1 - each.disagreement), size=times)
    most = detectable.most_losses(tables[:, 0] + tables[:, 1], ALPHA)
    return float(np.mean(tables[:, 0] <= most))


def graded_power(replicates: int) -> list[Row]:
    """The same for graded scores, by the sign-flip test."""
    rows = []
    for name in ("f1", "rouge", "averaged"):
        big = GRADED[name](np.random.default_rng(0), 1_000_000)
        for n in (20, 50, 200):
            effect = detectable.achieved_graded(float(big.std()), n) or 1.0
            random = np.random.default_rng(n)
            found = 0
            for seed in range(replicates // 2):
                values = GRADED[name](random, n) - big.mean() + effect
                found += sign_flip_p(values.tolist(), seed, draws=2_000) <= ALPHA
            row = {"scores": name, "n": n, "detectable": effect}
            rows.append({**row, "found": found / (replicates // 2)})
    return rows


def averages(replicates: int) -> list[Row]:
    """The interval of the mean over 18 tasks, each with another difference."""
    effects = np.random.default_rng(5).normal(0.03, 0.05, len(TASKS)).clip(-0.15, 0.15)
    rows = []
    for name, weights in (("each task once", [1] * len(TASKS)), ("each item once", TASKS)):
        true = float(np.average(effects, weights=weights))
        for known in (True, False):
            random = np.random.default_rng(6)
            found = []
            for _ in range(replicates):
                parts = []
                for n, effect in zip(TASKS, effects, strict=True):
                    each = Setting(0.2, float(effect))
                    b, c, _ = map(int, random.multinomial(n, (each.loses, each.wins, 0.8)))
                    table = Table(b, c, n) if known else None
                    parts.append(Part((c - b) / n, product(b, c, n), table))
                found.append(weighted(parts, weights))
            width = float(np.mean([each.high - each.low for each in found]))
            row = {"mean": name, "known": "tables" if known else "intervals"}
            rows.append({**row, "coverage": _coverage(found, true), "width": width})
    return rows


PARTS: dict[str, Callable[[int], list[Row]]] = {
    "binary": binary,
    "every": every,
    "few": few,
    "graded": graded,
    "clusters": in_clusters,
    "averages": averages,
    "eighteen": eighteen,
    "sequential": sequential,
    "power": power,
    "graded-power": graded_power,
}


def show(name: str, rows: list[Row]) -> None:
    """Print one table."""
    print(f"\n{name}\n\n| {' | '.join(rows[0])} |\n| {' | '.join('---' for _ in rows[0])} |")
    for row in rows:
        print(f"| {' | '.join(map(_cell, row.values()))} |")


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:.1f}"


def main() -> None:
    """Run what is asked for and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for name in arguments.only:
        found[name] = PARTS[name](arguments.replicates)
        show(name, found[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
