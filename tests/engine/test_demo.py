"""The demo: from nothing to a table, and the numbers that it promises."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.images]

LAST_LINE = re.compile(r"demo: base=(\d\.\d+) tuned=(\d\.\d+) n=(\d+) env=docker")


def test_the_demo_lifts_its_model_from_below_a_fifth_to_above_four_fifths(images, place):
    done = subprocess.run(
        [sys.executable, "-m", "rdagent.cli.main", "demo"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    base, tuned, items = LAST_LINE.fullmatch(done.stdout.splitlines()[-1]).groups()
    assert float(base) < 0.20
    assert float(tuned) > 0.80
    assert int(items) >= 200
    assert "VERDICT: IMPROVED" in done.stdout
    page = next(line for line in done.stdout.splitlines() if line.startswith("report "))
    assert "</html>" in Path(page.split(maxsplit=1)[1]).read_text(encoding="utf-8")
