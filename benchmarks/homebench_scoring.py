"""How long scoring takes: a file as long as the released test split, and answers of a megabyte.

``python benchmarks/homebench_scoring.py [FOLDER]`` reads HomeBench's test split from FOLDER
(default ``$RDAGENT_TEST_DATA/homebench``; made-up records where there is none), with the gold in
braces as the answers, and prints processor seconds of one core.  Nothing is asserted but that
the gold is right.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from rdagent.suites.homebench.report import make_report
from rdagent.suites.homebench.scoring.judgement import Judged, judge, judge_all
from rdagent.suites.homebench.scoring.records import Record, read_homes, read_records

RECORDS = 17_366
MEGABYTE = 1_000_000
ADVERSE = {
    "opening braces": "{" * MEGABYTE,
    "calls that exist nowhere": "{" + "a.b.c(1)," * (MEGABYTE // 9) + "}",
    "empty groups": "{}" * (MEGABYTE // 2),
    "opening brackets": "{" + "(" * MEGABYTE + "}",
    "quotes": "{" + "'," * (MEGABYTE // 2) + "}",
    "thinking without an end": "<think>" * (MEGABYTE // 7),
    "code fences": "```\n" * (MEGABYTE // 4),
    "white space": "{" + "\t" * MEGABYTE + "}",
    "prose": "turn it on " * (MEGABYTE // 11),
}


def released(folder: Path) -> list[dict[str, object]]:
    """Return the test split, or as many made-up records of one to ten operations."""
    path = folder / "test_data.jsonl"
    if path.is_file():
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    made = []
    for number in range(RECORDS):
        calls = [f"room_{n}.light.set_brightness({number % 100})" for n in range(1 + number % 10)]
        kind = "normal" if len(calls) == 1 else f"multi{len(calls)}_normal"
        made.append({"id": str(number), "output": f"'''{','.join(calls)}'''", "type": kind})
    return made


def seconds() -> float:
    return time.process_time()


def main() -> None:
    """Time one file, and answers that are made to be slow."""
    default = Path(os.environ.get("RDAGENT_TEST_DATA", "")) / "homebench"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    with tempfile.TemporaryDirectory() as scratch:
        answers = Path(scratch) / "answers.jsonl"
        with answers.open("w") as sink:
            for fields in released(folder):
                gold = str(fields["output"]).strip("'")
                sink.write(json.dumps({**fields, "prediction": f"{{{gold}}}"}) + "\n")
        start = seconds()
        records = read_records(answers)
        path = folder / "home_status_method.jsonl"
        homes = read_homes(path) if path.is_file() else None
        read = seconds()
        judged = list(judge_all(records, homes))
        scored = seconds()
        report = make_report(judged, "answers")
        ended = seconds()
    assert report.strict["ALL"].em == 1
    print(
        f"{len(records)} records: read {read - start:.2f} s, score {scored - read:.2f} s,"
        f" report with intervals {ended - scored:.2f} s, together {ended - start:.2f} s"
    )
    for name, prediction in ADVERSE.items():
        record = Record(0, "line 1", None, "VS", None, "a.b.d(1)", prediction, None, prediction)
        start = seconds()
        assert isinstance(judge(record), Judged)
        print(f"one answer of a megabyte, {name}: {seconds() - start:.2f} s")


if __name__ == "__main__":
    main()
