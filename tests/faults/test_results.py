"""What a job leaves in place of results: each is read as a stranger's upload."""

import os
import time

import pytest

from rdagent.jobs import attempt, output
from tests.faults.conftest import WRITE_STATUS

pytestmark = pytest.mark.engine
WANTED = {"results": ("status.json", "results.json")}

#: What stands for ``results.json``, and how the job is judged.
LEFT = {
    "a symbolic link": ("ln -s /etc/passwd results.json", "results_missing"),
    "a link that leads nowhere": ("ln -s /nowhere results.json", "results_missing"),
    "a pipe": ("mkfifo results.json", "results_invalid"),
    "a folder": ("mkdir results.json", "results_invalid"),
    "two names of one file": ("echo '{}' > a; ln a results.json", "results_invalid"),
    "two gigabytes": ("truncate -s 2G results.json", "results_invalid"),
    "nothing": ("true", "results_missing"),
    "NaN": ("echo '{\"a\": NaN}' > results.json", "results_invalid"),
    "a file that nobody may read": ("echo '{}' > results.json; chmod 0 results.json", None),
}


@pytest.mark.parametrize("left", LEFT)
def test_what_stands_for_the_results_is_judged_and_never_followed(bench, left):
    script, reason = LEFT[left]
    end = bench.run(f"{script}; {WRITE_STATUS}", **WANTED)
    expected = reason or ("ok" if os.geteuid() == 0 else "results_invalid")
    assert (end.outcome.reason, end.exit_code) == (expected, 0), end.message
    assert end.outcome.ok or end.outcome.hint


def test_results_of_an_earlier_attempt_are_not_taken_for_this_one(bench):
    first = bench.run(f"echo '{{}}' > results.json; {WRITE_STATUS}", **WANTED)
    second = bench.run("true", **WANTED)
    assert (first.outcome.reason, second.outcome.reason) == ("ok", "results_missing")
    assert first.attempt != second.attempt
    assert (first.out / "results.json").exists()


def test_a_status_of_ok_does_not_hide_an_exit_code(bench):
    assert bench.run(f"{WRITE_STATUS}; exit 3").outcome.reason == "command_failed"


def test_a_job_that_deletes_its_own_folder_has_no_results(bench):
    end = bench.run("rm -rf /job/out/* /job/out; true", results=("status.json",))
    assert end.outcome.reason == "results_missing"


def test_names_with_newlines_and_control_characters_do_no_harm(bench):
    end = bench.run(
        f"touch \"$(printf 'a\\nb\\033[2Jc')\"; {WRITE_STATUS}", results=("status.json",)
    )
    assert end.outcome.reason == "ok"


def test_a_child_that_stays_behind_ends_with_the_job(bench):
    script = f"(while :; do echo x >> alive; sleep 0.1; done) & {WRITE_STATUS}"
    end = bench.run(script, results=("status.json",))
    size = (end.out / "alive").stat().st_size if (end.out / "alive").exists() else 0
    assert end.outcome.reason == "ok"
    time.sleep(0.5)
    assert size == ((end.out / "alive").stat().st_size if size else 0)


def test_a_fork_bomb_ends_at_its_limit(bench):
    script = "f() { f | f & }; f 2>/dev/null; sleep 1; echo still there"
    end = bench.run(script, pids=24, deadline_seconds=8)
    assert end.outcome.reason in ("ok", "command_failed", "timeout")


def test_too_many_files_are_stopped(bench, monkeypatch):
    monkeypatch.setattr(attempt, "DISK_CHECK_SECONDS", 0.2)
    monkeypatch.setattr(output, "FILES_LIMIT", 500)
    end = bench.run("for i in $(seq 100000); do : > $i; done; sleep 60")
    assert end.outcome.reason == "disk_full"
