"""Two hundred thousand rows: what is kept of them is small, whatever the rows say."""

import json
import subprocess
import sys

from rdagent.comparison.items import read_items
from tests.unit.comparison.builders import TaskSpec, rows_of

ROWS = 200_000
#: Reads the file named in its argument; prints by how many bytes that made the process grow.
CHILD = """
import sys
from pathlib import Path
from rdagent.comparison.items import read_items

def most():
    # What getrusage says would count the process that started this one.
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) * 1024

before = most()
found = read_items("t", Path(sys.argv[1]))
print(sum(len(kept.items) for kept in found.items.values()), most() - before)
"""


def write(path, count, padding):
    """Write ``count`` rows that differ in number and hash, each with ``padding`` of text."""
    row = rows_of("t", TaskSpec([1], answers=["x" * padding]))[0]
    template = json.dumps({**row, "doc_id": "@ID", "doc_hash": "@HASH", "prompt_hash": "@HASH"})
    with path.open("w") as sink:
        for number in range(count):
            text = template.replace('"@ID"', str(number)).replace("@HASH", f"{number:064x}")
            sink.write(text + "\n")


def test_two_hundred_thousand_rows_take_some_hundred_bytes_each(tmp_path):
    path = tmp_path / "samples_t.jsonl"
    write(path, ROWS, padding=100)
    told = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    count, grown = map(int, told.stdout.split())
    assert count == ROWS
    assert grown < 700 * ROWS < path.stat().st_size


def test_repeated_rows_do_not_need_a_reading_of_the_whole_file_each(tmp_path, monkeypatch):
    path = tmp_path / "samples_t.jsonl"
    write(path, 50, padding=10)
    path.write_bytes(path.read_bytes() * 2)
    opened = []
    from rdagent.comparison import items

    real = items.open_lines
    monkeypatch.setattr(items, "open_lines", lambda place: opened.append(place) or real(place))
    assert read_items("t", path).damage == ("50 rows stood there twice and counted once",)
    assert len(opened) == 1
