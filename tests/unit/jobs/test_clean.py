"""Which runs may go: never one that is being run, never a folder that is none."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from rdagent.files.locks import file_lock
from rdagent.jobs.clean import Choice, removable, remove_run, size_of
from rdagent.jobs.runs import find_run, lock_of, open_run
from rdagent.records.status import RunStatus

FAILED = Choice(failed=True)
OLD = Choice(older_than=timedelta(days=7))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


def ended(root, what, reason, days_ago=0):
    run = open_run(root, {"kind": "test", "what": what})
    run.finish(reason)
    at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
    old = run.status()
    RunStatus(old.status, old.reason, old.hint, old.exit_code, at, at).write(run.path)
    return run


def ids(root, choice):
    return {run.run_id for run in removable(root, choice)}


def test_failed_means_all_that_did_not_end_well(root):
    ended(root, 1, "ok")
    wrong = {ended(root, i, r).run_id for i, r in enumerate(("timeout", "cancelled", "refused"), 2)}
    unfinished = open_run(root, {"kind": "test", "what": 9})
    assert ids(root, FAILED) == {*wrong, unfinished.run_id}


def test_age_counts_from_the_end_and_both_conditions_must_hold(root):
    old, young = ended(root, 1, "ok", 8), ended(root, 2, "timeout", 1)
    both = ended(root, 3, "timeout", 8)
    assert ids(root, OLD) == {old.run_id, both.run_id}
    assert ids(root, Choice(failed=True, older_than=timedelta(days=7))) == {both.run_id}
    assert young.run_id in ids(root, FAILED)


def test_without_a_condition_nothing_is_meant(root):
    ended(root, 1, "timeout", 100)
    assert ids(root, Choice()) == set()


def test_a_run_that_is_being_run_stays(root):
    run = open_run(root, {"kind": "test"})
    with file_lock(lock_of(root, run.identity())):
        assert ids(root, FAILED) == set()
    assert ids(root, FAILED) == {run.run_id}


def test_folders_that_are_no_runs_and_links_to_runs_stay(root, tmp_path):
    elsewhere = ended(tmp_path / "other", 1, "timeout")
    root.mkdir()
    (root / "mine").mkdir()
    (root / "mine" / "request.json").write_text('{"created": 3}')
    os.symlink(elsewhere.path, root / "linked")
    assert ids(root, FAILED) == set()


def test_a_run_with_a_damaged_status_did_not_end_well(root):
    run = ended(root, 1, "ok")
    (run.path / "status.json").write_text("{")
    assert ids(root, FAILED) == {run.run_id}


def test_what_links_of_a_run_point_to_stays_and_is_not_counted(root, tmp_path):
    keep = tmp_path / "keep"
    keep.write_bytes(b"x" * 1_000_000)
    run = ended(root, 1, "timeout")
    os.symlink(keep, run.path / "link")
    assert size_of(run) < 100_000
    remove_run(run)
    assert not run.path.exists()
    assert keep.stat().st_size == 1_000_000


def test_a_run_is_found_by_the_name_it_was_given_the_newest_of_several(root):
    open_run(root, {"what": 1}, label="before")
    newest = open_run(root, {"what": 2}, label="before", fresh=True)
    os.rename(newest.path, root / "99991231-000000-aaaaaaaa")
    assert find_run(root, "before").run_id == "99991231-000000-aaaaaaaa"
