"""A made-up report that holds every case a renderer must show; ``sample_report`` makes it.

Its tables agree with themselves: means with n and the disagreements, p-values with the counts,
corrections with the p-values.  Nothing in it is random: equal arguments, equal reports.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from rdagent.comparison.report import (
    Average,
    Breakdown,
    CandidateReport,
    DiffPart,
    FailureRates,
    Finding,
    Flip,
    FlipCount,
    Interval,
    Looks,
    Overall,
    Report,
    Settings,
    SideInfo,
    Stratum,
    TaskComparison,
    TaskVerdict,
)

#: Text that would run, break out or mislead if a renderer let it; every kind of field carries some.
NASTY = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "</script><script>window.pwned=1</script>",
    "<!--<script>",
    "]]><svg/onload=window.pwned=1>",
    "javascript:window.pwned=1",
    "<a href='javascript:window.pwned=1'>click</a>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<link rel=stylesheet href=https://example.invalid/x.css>",
    "<style>@import 'https://example.invalid/x.css';</style>",
    "<base href='https://example.invalid/'>",
    "<form action='https://example.invalid'><button>go</button></form>",
    "<textarea></title></style></details></table>",
    "&lt;b&gt; &amp;lt; &#x3c;script&#x3e;",
    "${window.pwned=1} {{constructor.constructor('window.pwned=1')()}} $script $$",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x00 \x08 \x7f \x9b31m",
    "right to left \u202eetirw\u202c, isolates \u2066x\u2069, marks \u200f\u200e, \ufeff, \u200b",
    "line \u2028 and paragraph \u2029 separators, \r\n a\rb \x85 \x0b \x0c",
    "half a pair \ud83d, the other \ude00",
    "`code` | pipe | **bold** [link](https://example.invalid) <!-- c --> ```",
    '=HYPERLINK("https://example.invalid")\t+1-2 @SUM(A1) ,\';"',
)


@dataclass(frozen=True, slots=True)
class _Paired:
    """What a right-or-wrong task is made from: the four counts of its items."""

    task: str
    metric: str
    filter: str | None
    both: int
    b: int
    c: int
    neither: int
    verdict: TaskVerdict


_PAIRED = (
    _Paired("gsm8k", "exact_match", "flexible-extract", 20, 8, 50, 186, "improved"),
    _Paired("minerva_math_algebra", "math_verify", None, 31, 6, 26, 175, "improved"),
    _Paired("winogrande", "acc", None, 119, 11, 21, 103, "no evidence"),
    _Paired("hellaswag", "acc_norm", None, 1180, 12, 15, 802, "equivalent"),
    _Paired("mmlu_college_chemistry", "acc", None, 4, 2, 1, 13, "underpowered"),
    _Paired("mmlu_machine_learning", "acc", None, 30, 9, 14, 59, "underpowered"),
    _Paired("boolq", "acc", None, 1720, 211, 140, 1199, "regressed"),
)
_REASONS = {
    "improved": "the interval lies above zero and p stays under 0.05 after Holm's correction",
    "regressed": "the interval lies below zero and p stays under 0.05 after Holm's correction",
    "equivalent": "the interval lies inside the margin of 2.00 points",
    "no evidence": "p is 0.05 or more after Holm's correction",
    "underpowered": "with so few items only a much larger difference would show",
    "untested": "the file holds scores and no items",
}
_TEXT = (
    "the a of to and in is each has have sells buys gives takes brings finds every day week month "
    "apples pencils tickets dollars cents hours minutes kilometres books students boxes shelves "
    "twice half third remaining total altogether before after then first next finally therefore so "
    "we need multiply divide add subtract by from with into over between equals answer number if"
)
_WORDS = tuple(_TEXT.split())


def sample_report(
    candidates: int = 1, flips: int = 6, nasty: bool = False, forced: bool = False
) -> Report:
    """Return a report with ``candidates`` sections that hold ``flips`` flips altogether.

    ``nasty`` puts hostile text into every field that a file can fill; ``forced`` adds a fatal
    finding that was overridden.
    """
    shares = [flips // candidates + (one < flips % candidates) for one in range(candidates)]
    sections = [_candidate(place, share, forced) for place, share in enumerate(shares)]
    first = sections[0].overall
    overall = (
        first
        if candidates == 1
        else replace(first, reason=f"{first.reason}; {candidates} candidates, corrected together")
    )
    report = Report(
        base=_side("base", None),
        candidates=tuple(sections),
        settings=Settings(targets=("gsm8k",), guards=("boolq", "winogrande")),
        overall=overall,
        looks=Looks(count=3 + candidates - 1, candidates=2),
        created="2026-01-02T03:04:05+00:00",
        command="rdagent compare 20260102T030405Z-0a1b2c3d --target gsm8k --guard boolq,winogrande",
        forced=forced,
        notes=("20260102T030405Z-0a1b2c3d: the newest of 3 results was taken",),
    )
    return _nasty(report) if nasty else report


def _candidate(place: int, flips: int, forced: bool) -> CandidateReport:
    name = "adapter" if place == 0 else f"adapter-{place + 1}"
    tasks = _corrected([*_paired_rows(name, place), *_other_rows(name)])
    return CandidateReport(
        side=_side(name, f"runs/adapters/{name}"),
        overall=Overall(
            "mixed", "the target gsm8k improved; the guarded task boolq fell by 2.17 points"
        ),
        findings=tuple(_findings(forced)),
        tasks=tuple(tasks),
        others=(_strict(name),),
        groups=(
            Stratum("mmlu_stem", 132, 0.2955, 0.3258, 0.0303, Interval(-0.0402, 0.1008)),
            Stratum("mmlu_humanities", 90, 0.4111, 0.4111, 0.0, None),
        ),
        averages=(
            Average(
                "macro",
                0.4164,
                0.4484,
                0.0320,
                Interval(0.0102, 0.0538),
                8,
                8_029,
                {"wikitext": "not a share of one", "triviaqa": "no items"},
            ),
            Average("item-weighted", 0.5493, 0.5508, 0.0015, Interval(-0.0061, 0.0091), 8, 8_029),
        ),
        breakdowns=tuple(_breakdowns()),
        flip_counts=(
            FlipCount("gsm8k", 50, 8, flips - flips // 3),
            FlipCount("boolq", 140, 211, flips // 3),
        ),
        flips=tuple(_flips(flips, place)),
        only_base=("truthfulqa_mc2",),
        only_candidate=("ifeval", "arc_easy"),
    )


def _side(name: str, adapter: str | None) -> SideInfo:
    digest = f"{Random(name).getrandbits(256):064x}"
    return SideInfo(
        name=name,
        source=f"20260102T030405Z-0a1b2c3d:{name}",
        model="Qwen/Qwen2.5-Coder-0.5B",
        adapter=adapter,
        engine="vllm 0.32.0",
        lm_eval_version="0.4.13",
        limited="limit 0.2: the first 20% of each task",
        files={
            f"variants/{name}/results.json": digest,
            f"variants/{name}/samples_gsm8k.jsonl": digest[::-1],
        },
        facts={
            "date": "2026-01-02",
            "dtype": "bfloat16",
            "model digest": digest[:16],
            "seeds": "random 0, numpy 1234, torch 1234, few-shot 1234",
            "time": "25 min 13 s",
            "tokens": "1,204,331",
        },
        notes=("samples_drop.jsonl: 2 rows are there twice",) if adapter else (),
    )


def _findings(forced: bool) -> Iterator[Finding]:
    if forced:
        yield Finding(
            "FATAL",
            "task version",
            "3.0",
            "4.0",
            "gsm8k",
            "two versions of a task ask different questions",
        )
    yield Finding(
        "WARN",
        "chat template",
        None,
        "sha256 77be…",
        None,
        "this compares systems, a model with its prompt, and not models alone",
    )
    yield Finding("WARN", "prompt hash", "0 of 264", "264 of 264", "gsm8k", "prompts differ")
    yield Finding("INFO", "batch size", "auto:4", "16", None, "answers may differ in last digits")
    yield Finding("INFO", "lm_eval version", "0.4.12", "0.4.13", None, "")


def _paired_rows(name: str, place: int) -> Iterator[TaskComparison]:
    """Yield the right-or-wrong tasks; a later candidate gains a little less on the first."""
    for plan in _PAIRED:
        less = 4 * place if plan.task == "gsm8k" else 0
        b, c = plan.b, plan.c - less
        n = plan.both + plan.b + plan.c + plan.neither
        delta = (c - b) / n
        # Wald with one more disagreement of each kind: near enough for something to show.
        half = 1.96 * math.sqrt((b + c + 2) - (c - b) ** 2 / n) / n
        base = (plan.both + b) / n
        yield TaskComparison(
            task=plan.task,
            candidate_name=name,
            metric=plan.metric,
            filter=plan.filter,
            higher_is_better=True,
            ratio=True,
            n=n,
            base=base,
            candidate=base + delta,
            delta=delta,
            ci_low=max(-1.0, delta - half),
            ci_high=min(1.0, delta + half),
            b=b,
            c=c,
            test="mcnemar exact",
            p=_mcnemar(b, c),
            p_holm=None,
            q_bh=None,
            mde=2.8 * math.sqrt((b + c) / n / n),
            mde_planned=2.8 * math.sqrt(0.2 / n),
            verdict=plan.verdict,
            reason=_REASONS[plan.verdict],
            base_reported=base,
            candidate_reported=base + delta,
            base_stderr=math.sqrt(base * (1 - base) / n),
            candidate_stderr=0.01,
            relative=delta / base if base > 0.05 else None,
            only_base=3 if plan.task == "winogrande" else 0,
            only_candidate=1 if plan.task == "winogrande" else 0,
            unpaired_ids=("17", "31", "44", "90") if plan.task == "winogrande" else (),
            base_rates=FailureRates(0.041, 0.004, 0.322, 612.4),
            candidate_rates=FailureRates(0.011, 0.0, 0.019, 398.0),
            format_only=plan.task == "minerva_math_algebra",
            contaminated=plan.task == "mmlu_machine_learning",
            is_target=plan.task == "gsm8k",
            is_guard=plan.task in ("boolq", "winogrande"),
        )


def _other_rows(name: str) -> Iterator[TaskComparison]:
    """Yield a graded task, one that is no share of one, and one without items."""
    graded = TaskComparison(
        task="drop", candidate_name=name, metric="f1", filter=None, higher_is_better=True,
        ratio=True, n=1908, base=0.3141, candidate=0.2875, delta=-0.0266, ci_low=-0.0391,
        ci_high=-0.0142, b=None, c=None, test="sign-flip permutation", p=0.0002, p_holm=None,
        q_bh=None, mde=0.0179, mde_planned=0.0287, verdict="regressed",
        reason=_REASONS["regressed"], relative=-0.0847, clusters=321, samples_per_item=2,
    )  # fmt: skip
    yield graded
    yield replace(
        graded, task="wikitext", metric="word_perplexity", higher_is_better=False, ratio=False,
        n=62, base=21.4012, candidate=20.0931, delta=-1.3081, ci_low=-1.9017, ci_high=-0.7122,
        p=0.0004, mde=0.8511, mde_planned=None, verdict="improved",
        reason="lower is better; the interval lies below zero", relative=-0.0611, clusters=None,
        samples_per_item=1,
    )  # fmt: skip
    yield replace(
        graded, task="triviaqa", metric="exact_match", filter="remove_whitespace", n=0,
        base=0.21, candidate=0.23, delta=0.02, ci_low=None, ci_high=None, test=None, p=None,
        mde=None, mde_planned=None, verdict="untested", reason=_REASONS["untested"],
        relative=None, clusters=None, samples_per_item=1,
    )  # fmt: skip


def _strict(name: str) -> TaskComparison:
    return replace(
        next(_paired_rows(name, 0)), filter="strict-match", base=0.0152, candidate=0.2576,
        delta=0.2424, ci_low=0.1894, ci_high=0.2955, b=1, c=65, p=_mcnemar(1, 65),
        relative=None, format_only=False, is_target=False,
    )  # fmt: skip


def _mcnemar(b: int, c: int) -> float:
    m = b + c
    tail = sum(math.comb(m, k) for k in range(min(b, c) + 1))
    return min(1.0, 2 * tail / 2**m)


def _corrected(rows: Sequence[TaskComparison]) -> list[TaskComparison]:
    """Fill in Holm's p and Benjamini and Hochberg's q."""
    tested = sorted((row.p, place) for place, row in enumerate(rows) if row.p is not None)
    m, running, holm, q = len(tested), 0.0, {}, {}
    for rank, (p, place) in enumerate(tested):
        running = max(running, min(1.0, (m - rank) * p))
        holm[place] = running
    running = 1.0
    for rank, (p, place) in reversed(list(enumerate(tested))):
        running = min(running, p * m / (rank + 1))
        q[place] = running
    return [
        replace(row, p_holm=holm.get(place), q_bh=q.get(place)) for place, row in enumerate(rows)
    ]


def _breakdowns() -> Iterator[Breakdown]:
    yield Breakdown(
        of="boolq",
        cut="length",
        by="question length in characters",
        strata=(
            Stratum("up to 400", 1204, 0.612, 0.618, 0.006, Interval(-0.011, 0.023)),
            Stratum("401 to 900", 1466, 0.581, 0.588, 0.007, Interval(-0.009, 0.022)),
            Stratum("over 900", 600, 0.55, 0.56, 0.01, None),
        ),
        simpson=True,
    )
    yield Breakdown(
        of="minerva_math_algebra",
        cut="subject",
        by="level",
        strata=tuple(
            Stratum(f"Level {level}", 47 + level, 0.25 - level / 50, 0.33 - level / 50, 0.08,
                    Interval(-0.01, 0.17))
            for level in range(1, 6)
        ),
    )  # fmt: skip


def _flips(count: int, place: int) -> Iterator[Flip]:
    """Yield flips of ordinary length, two of three of the first task."""
    random = Random(place)
    for number in range(count):
        gained = number % 3 != 1
        target = str(random.randrange(2, 9_999))
        wrong = str(random.randrange(2, 9_999))
        shared = _sentence(random, 18)
        base, candidate = (wrong, target) if gained else (target, wrong)
        rest, end = _sentence(random, 12), _sentence(random, 6)
        diff = (
            DiffPart("same", f"{shared} "),
            DiffPart("base", f"{rest} {base}"),
            DiffPart("candidate", f"{end} {candidate}"),
            DiffPart("same", " is the result."),
        )
        yield Flip(
            task="boolq" if number % 3 == 2 else "gsm8k",
            item=str(number),
            direction="gained" if gained else "lost",
            question=f"{_sentence(random, 40)}?",
            target=target,
            base_answer=f"{shared} {rest} {base} is the result.",
            candidate_answer=f"{shared} {end} {candidate} is the result.",
            base_extracted=base,
            candidate_extracted=candidate,
            diff=diff,
        )


def _sentence(random: Random, words: int) -> str:
    """Return words with numbers and names between them, so that it packs like real text."""
    some = [
        random.choice(_WORDS) if random.random() < 0.8 else f"{random.getrandbits(20):x}"
        for _ in range(words)
    ]
    return " ".join(some).capitalize()


def _nasty(report: Report) -> Report:
    """Put hostile text into everything that a file or an argument can fill."""
    text = " ".join(NASTY)

    def side(info: SideInfo) -> SideInfo:
        return replace(
            info, name=f"{info.name} {NASTY[0]}", source=text, model=text, engine=text,
            lm_eval_version=text, limited=text, adapter=None if info.adapter is None else text,
            files={**info.files, text: text}, facts={**info.facts, text: text}, notes=NASTY,
        )  # fmt: skip

    def row(task: TaskComparison) -> TaskComparison:
        return replace(
            task, task=f"{task.task} {text}", candidate_name=f"{task.candidate_name} {NASTY[0]}",
            metric=f"{task.metric} {NASTY[1]}", filter=NASTY[2], test=NASTY[3], reason=text,
            unpaired_ids=NASTY,
        )  # fmt: skip

    def flip(place: int, one: Flip) -> Flip:
        bad = NASTY[place % len(NASTY)]
        return replace(
            one, task=f"{one.task} {text}", item=bad, question=text, target=bad,
            base_answer=f"{text} {bad} {text}", candidate_answer=f"{text} fine {text}",
            base_extracted=bad, candidate_extracted=text,
            diff=(DiffPart("same", f"{text} "), DiffPart("base", bad),
                  DiffPart("candidate", "fine"), DiffPart("same", f" {text}")),
        )  # fmt: skip

    def section(one: CandidateReport) -> CandidateReport:
        return replace(
            one,
            side=side(one.side),
            overall=replace(one.overall, reason=f"{one.overall.reason} {text}"),
            findings=tuple(
                replace(f, field=text, base=text, candidate=text, task=text, says=text)
                for f in one.findings
            ),
            tasks=tuple(row(task) for task in one.tasks),
            others=tuple(row(task) for task in one.others),
            groups=tuple(replace(group, name=text) for group in one.groups),
            averages=tuple(replace(a, excluded={text: text}) for a in one.averages),
            breakdowns=tuple(
                replace(cut, of=text, by=text,
                        strata=tuple(replace(part, name=text) for part in cut.strata))
                for cut in one.breakdowns
            ),
            flip_counts=tuple(
                replace(count, task=f"{count.task} {text}") for count in one.flip_counts
            ),
            flips=tuple(flip(place, one) for place, one in enumerate(one.flips)),
            only_base=NASTY,
            only_candidate=NASTY,
        )  # fmt: skip

    settings = replace(report.settings, targets=(text,), guards=(text,))
    return replace(
        report,
        base=side(report.base),
        candidates=tuple(section(one) for one in report.candidates),
        settings=settings,
        overall=replace(report.overall, reason=f"{report.overall.reason} {text}"),
        command=text,
        notes=NASTY,
    )
