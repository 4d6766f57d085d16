"""What a job prints: much of it, not text, or words to a terminal."""

import os

import pytest

from rdagent.files.printable import printable
from rdagent.jobs.logfile import tail

pytestmark = pytest.mark.engine
GIBIBYTE = 1 << 30
#: ``RDAGENT_FAULTS_LOG_GIB`` makes it less, or more.
LOG_GIB = float(os.environ.get("RDAGENT_FAULTS_LOG_GIB", "5"))


def test_five_gigabytes_of_log_cost_neither_disk_nor_memory(orchestrator, engine):
    size = int(LOG_GIB * GIBIBYTE)
    line = "x" * 4000
    script = f"echo the beginning; yes {line} | head -c {size}; echo; echo the end"
    said = orchestrator.ended(orchestrator.begin(script, "--deadline", "500"), seconds=560)
    assert said["reason"] == "ok"
    assert said["log_bytes"] <= (64 << 20) + 200
    assert said["most_memory"] < 256 << 20
    (log,) = orchestrator.folder.glob("runs/*/attempts/001/log.txt")
    with log.open("rb") as stream:
        assert stream.readline() == b"the beginning\n"
    assert tail(log).rstrip().endswith("the end")
    kept = sum(p.stat().st_size for p in (engine.root / "data/containers").rglob("*"))
    assert kept < 1 << 20
    assert engine.containers() == []


HOSTILE = {
    "a title": "\\033]0;owned\\007",
    "the clipboard": "\\033]52;c;ZXZpbA==\\007",
    "a hyperlink": "\\033]8;;http://evil.example\\033\\\\click\\033]8;;\\033\\\\",
    "a cleared screen": "\\033[2J\\033[H",
    "a device query": "\\033[6n\\033P$q\\033\\\\",
    "an eight bit command": "\\302\\233" + "2J",
    "direction marks": "\\342\\200\\256txt.exe",
    "bytes that are no text": "\\377\\376\\300",
    "backspaces": "safe\\b\\b\\b\\bevil",
    "an open command": "\\033]0;never closed",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_words_to_a_terminal_stay_in_the_file(bench, what):
    end = bench.run(f"printf '{HOSTILE[what]}\\n'; echo after")
    shown = printable(tail(end.log))
    assert end.outcome.ok
    assert "after" in shown
    assert all(
        sign == "\n" or sign == "\t" or sign.isprintable() or sign == "\ufffd" for sign in shown
    )
    assert "\u202e" not in shown
