"""Run folders: one per request, taken up again, found by what a user types."""

import pytest

from rdagent.errors import UsageError
from rdagent.jobs.runs import find_run, list_runs, open_run
from rdagent.records.events import read_events
from rdagent.records.status import STATUS_FILE

REQUEST = {"kind": "evaluate", "told": {"tasks": ["gsm8k"]}}


def test_a_finished_run_is_returned_again(tmp_path):
    run = open_run(tmp_path, REQUEST)
    run.finish("ok")
    again = open_run(tmp_path, REQUEST)
    assert again.path == run.path
    assert again.status().status == "done"


def test_another_request_is_another_run(tmp_path):
    open_run(tmp_path, REQUEST).finish("ok")
    assert open_run(tmp_path, {**REQUEST, "limit": 3}).status() is None


def test_fresh_starts_anew(tmp_path):
    run = open_run(tmp_path, REQUEST)
    run.finish("ok")
    assert open_run(tmp_path, REQUEST, fresh=True).path != run.path


@pytest.mark.parametrize("reason", ["cancelled", "incomplete"])
def test_a_run_that_was_cut_short_goes_on(tmp_path, reason):
    run = open_run(tmp_path, REQUEST)
    run.finish(reason)
    again = open_run(tmp_path, REQUEST)
    assert again.path == run.path
    assert again.status() is None
    assert "resumed" in [event["event"] for event in read_events(run.path)]


def test_a_run_that_failed_is_left_as_it_is(tmp_path):
    run = open_run(tmp_path, REQUEST)
    run.finish("out_of_memory")
    assert open_run(tmp_path, REQUEST).path != run.path
    assert run.status().exit_code == 6


@pytest.mark.parametrize("reason", ["timeout", "out_of_memory", "refused"])
def test_a_run_that_failed_goes_on_where_it_holds_what_was_paid_for(tmp_path, reason):
    run = open_run(tmp_path, REQUEST)
    run.finish(reason)
    again = open_run(tmp_path, REQUEST, failed_too=True)
    assert (again.path, again.status()) == (run.path, None)


def test_a_damaged_status_does_not_count_as_finished(tmp_path):
    run = open_run(tmp_path, REQUEST)
    (run.path / STATUS_FILE).write_text('{"schema": "rdag')
    assert open_run(tmp_path, REQUEST).path != run.path


def test_a_run_is_found_by_its_name_a_part_of_it_its_folder_or_last(tmp_path):
    run = open_run(tmp_path, REQUEST)
    for name in (run.run_id, run.run_id[:15], run.run_id[-8:], str(run.path), "last"):
        assert find_run(tmp_path, name).path == run.path


def test_a_name_that_fits_no_run_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no run"):
        find_run(tmp_path, "2031")


def test_folders_that_are_no_run_are_passed_over(tmp_path):
    run = open_run(tmp_path, REQUEST)
    (tmp_path / "zzz").mkdir()
    assert [found.path for found in list_runs(tmp_path)] == [run.path]
