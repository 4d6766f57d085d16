"""How far an evaluation is, from what a stranger appends to a file."""

import json

import pytest

from rdagent.evaluation.progress import EvaluationProgress, duration, read_progress, watcher
from rdagent.records.progress import ProgressLog

LINE = {"variant": "tuned", "done": 120, "total": 300, "known": 20, "seconds": 10.0}


def write(out, *lines, end="\n"):
    out.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (out / "progress.jsonl").write_text("\n".join(texts) + end)


def test_the_rate_counts_what_was_answered_now_and_not_what_was_known(tmp_path):
    write(tmp_path, LINE)
    found = read_progress(tmp_path)
    assert (found.done, found.total, found.rate, found.eta_seconds) == (120, 300, 10.0, 18.0)
    assert found.line() == "tuned: 120 of 300 answers, 10.0/s, 18 s left"


def test_the_last_whole_line_counts(tmp_path):
    write(tmp_path, LINE, {**LINE, "done": 130}, '{"variant": "tu', end="")
    assert read_progress(tmp_path).done == 130


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[1]",
        {**LINE, "done": 301},
        {**LINE, "done": -1},
        {**LINE, "done": "120"},
        {**LINE, "variant": 7},
        '{"variant": "a", "done": NaN, "total": 3}',
        {"variant": "a", "total": 3},
    ],
)
def test_a_line_that_is_not_sound_says_nothing(tmp_path, line):
    write(tmp_path, line)
    assert read_progress(tmp_path) is None


def test_nothing_yet_and_no_regular_file_say_nothing(tmp_path):
    assert read_progress(tmp_path) is None
    (tmp_path / "progress.jsonl").symlink_to("/etc/passwd")
    assert read_progress(tmp_path) is None


def test_a_name_with_escapes_is_made_printable(tmp_path):
    write(tmp_path, {**LINE, "variant": "a\x1b[31mb\nc"})
    assert read_progress(tmp_path).line().isprintable()


def test_a_rate_is_not_made_up_before_anything_was_answered():
    assert EvaluationProgress("a", 0, 5, None).line() == "a: 0 of 5 answers"
    assert EvaluationProgress("a", 0, 5, None).to_json()["eta_seconds"] is None


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (7260, "2 h 01 min")]
)
def test_times_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said


def test_a_watcher_tells_what_is_new_and_nothing_twice(tmp_path):
    said, seen = [], []
    look = watcher(said.append, seen.append)
    look(tmp_path)
    write(tmp_path / "out", LINE)
    look(tmp_path)
    look(tmp_path)
    write(tmp_path / "out", {**LINE, "done": 121})
    look(tmp_path)
    assert [one.done for one in seen] == [120, 121]
    assert len(said) == 2


def test_what_the_job_writes_is_what_is_read_and_resumes_where_it_was(tmp_path):
    times = iter(range(100))
    log = ProgressLog(tmp_path, "tuned", total=10, known=4, clock=lambda: float(next(times)))
    log.begin()
    assert read_progress(tmp_path).done == 4
    log.step()
    log.step()
    log.flush()
    found = read_progress(tmp_path)
    assert (found.variant, found.done, found.total) == ("tuned", 6, 10)
    assert found.rate > 0


def test_an_answer_that_is_counted_twice_does_not_pass_the_total(tmp_path):
    log = ProgressLog(tmp_path, "a", total=2)
    log.begin()
    for _ in range(5):
        log.step()
    log.flush()
    assert read_progress(tmp_path).done == 2
