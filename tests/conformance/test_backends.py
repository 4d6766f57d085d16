"""What holds for every backend: the fake may not lie about what a real engine does."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rdagent.errors import ImageUnavailable, RefusedError
from rdagent.jobs.access import give_to
from rdagent.jobs.backends.base import JobState, PreparedJob, attempt_mounts
from rdagent.jobs.logfile import RING_BYTES, tail
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.jobs.supervisor import run_job
from tests.conformance.programs import MISSING

RESULTS = {"results": ("status.json",)}


@pytest.fixture(autouse=True)
def _nothing_is_left(bench):
    yield
    assert [job for job in bench.backend.found() if "conformance" in job.name] == []


def test_a_job_that_writes_its_results_is_ok(bench):
    end = bench.run("succeeds", **RESULTS)
    assert (end.outcome.reason, end.exit_code, end.tries) == ("ok", 0, 1), end.message


def test_an_exit_code_is_reported(bench):
    end = bench.run("fails")
    assert (end.outcome.reason, end.exit_code) == ("command_failed", 3)


def test_both_streams_are_in_the_log(bench):
    log = bench.run("prints").log.read_bytes()
    assert b"to stdout\n" in log
    assert b"to stderr\n" in log


def test_output_that_is_not_text_is_kept_as_it_is(bench):
    assert bench.run("prints_bytes").log.read_bytes() == b"\xff\xfeok\n"


def test_a_log_past_its_cap_keeps_its_beginning_and_its_end(bench):
    spec = bench.limited("prints_much", log_bytes=RING_BYTES * 3)
    end = run_job(bench.backend, spec, bench.folder, "conformance")
    assert end.log.stat().st_size < RING_BYTES * 3 + 100
    assert "bytes left out" in end.log.read_text()
    assert tail(end.log).rstrip().endswith("the-end")  # engines may drop the last newline


def test_a_silent_job_that_ignores_term_ends_at_its_deadline(bench):
    spec = bench.limited("is_silent_and_deaf", deadline_seconds=1)
    end = run_job(bench.backend, spec, bench.folder, "conformance")
    assert (end.outcome.reason, end.outcome.exit_code) == ("timeout", 124)


def test_a_cancelled_job_ends_and_says_so(bench, cancel_soon):
    end = bench.run("sleeps", watch=cancel_soon)
    assert (end.outcome.reason, end.outcome.exit_code) == ("cancelled", 130)


def test_what_a_cancelled_job_wrote_is_kept(bench, cancel_soon):
    end = bench.run("writes_then_sleeps", watch=cancel_soon)
    assert "ready" in tail(end.log)


def test_exit_zero_without_results_is_no_success(bench):
    assert bench.run("writes_nothing", **RESULTS).outcome.reason == "results_missing"


def test_results_that_are_cut_short_are_invalid(bench):
    assert bench.run("writes_half", **RESULTS).outcome.reason == "results_invalid"


def test_a_link_in_place_of_results_counts_as_missing(bench):
    assert bench.run("writes_a_link", **RESULTS).outcome.reason == "results_missing"


def test_a_program_that_is_not_there_is_named(bench):
    end = bench.run(MISSING)
    assert (end.outcome.reason, end.outcome.exit_code) == ("entry_not_found", 5)


def test_an_image_that_is_not_there_is_no_reason_to_pull(bench):
    with pytest.raises(ImageUnavailable, match="rdagent-nowhere"):
        bench.run("succeeds", image="rdagent-nowhere:latest")


def test_references_to_mounts_are_filled_in_everywhere(bench, tmp_path):
    source = tmp_path / "data 数据"
    source.mkdir(mode=0o755)
    mount = Mount("data", str(source), "/workspace/data")
    end = bench.run(
        "writes_words",
        mounts=(mount,),
        environment={"PLACE": "{mount:data}/x", "TOLD": "{mount:in}/told.txt"},
        files={"told.txt": "look in {mount:data}"},
        results=("words.txt",),
    )
    place, told = (end.out / "words.txt").read_text().splitlines()
    assert place == f"{bench.backend.place(mount)}/x"
    assert told == f"look in {bench.backend.place(mount)}"


def test_a_mount_whose_source_is_missing_is_refused_before_anything_starts(bench, tmp_path):
    missing = Mount("data", str(tmp_path / "nowhere"), "/workspace/data")
    with pytest.raises(RefusedError, match="nowhere"):
        bench.run("succeeds", mounts=(missing,))
    assert not (tmp_path / "nowhere").exists()


def test_every_try_has_a_folder_of_its_own(bench):
    first, second = bench.run("fails"), bench.run("fails")
    assert (first.attempt.name, second.attempt.name) == ("001", "002")


def test_the_job_is_written_down_with_its_secrets_masked(bench):
    end = bench.run("fails", environment={"HF_TOKEN": "hf_secret", "PLACE": "x"})
    written = (end.attempt / "job.json").read_text()
    assert "hf_secret" not in written
    assert "HF_TOKEN" in written


def test_scratch_is_gone_when_the_job_has_ended(bench):
    assert not (bench.run("fails").attempt / "scratch").exists()


def test_polling_sees_the_attempt_while_the_job_runs(bench, cancel_soon):
    seen = []
    cancel_soon.on_poll = seen.append
    end = bench.run("sleeps", watch=cancel_soon)
    assert set(seen) == {end.attempt}


def test_stop_kill_and_remove_are_safe_on_a_job_that_nobody_knows(bench):
    bench.backend.stop("conformance-unknown", 1)
    bench.backend.kill("conformance-unknown")
    bench.backend.remove("conformance-unknown")
    assert bench.backend.state("conformance-unknown").phase == "gone"


def test_a_job_survives_being_written_down_and_read_again(bench):
    spec = replace(bench.spec("succeeds"), mounts=(Mount("a", "/b", "/c"),), files={"x": "y"})
    assert JobSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_exit_codes_that_look_like_signals_are_told_apart_from_them(bench):
    end = bench.run("ends_with_255")
    assert (end.outcome.reason, end.exit_code) == ("command_failed", 255)


def test_a_job_that_a_signal_ended_is_named(bench):
    end = bench.run("ends_itself")
    assert (end.outcome.reason, end.exit_code) == ("killed_externally", 137)


def test_a_job_that_takes_too_much_memory_is_named(bench):
    end = bench.run("takes_too_much_memory")
    assert (end.outcome.reason, end.outcome.exit_code) == ("out_of_memory", 6)


def test_a_child_that_takes_too_much_memory_is_named_though_its_parent_ends_well(bench):
    end = bench.run("has_a_child_that_takes_too_much_memory")
    assert (end.outcome.reason, end.exit_code) == ("out_of_memory", 0)


def test_what_a_job_says_of_its_own_end_is_believed_when_it_failed(bench):
    assert bench.run("says_refused", **RESULTS).outcome.reason == "refused"


def test_a_job_that_listens_to_term_ends_within_its_grace(bench):
    spec = bench.limited("listens_to_term", deadline_seconds=1, grace_seconds=25)
    end = run_job(bench.backend, spec, bench.folder, "conformance")
    assert end.outcome.reason == "timeout"
    assert end.seconds < 20
    if bench.backend.name != "fake":
        assert "goodbye" in tail(end.log)


def test_a_child_in_a_session_of_its_own_ends_with_the_job(bench):
    end = bench.run("leaves_a_child_in_a_session_of_its_own")
    assert end.outcome.reason == "ok"
    assert_still(end.out / "beat.txt")


def test_a_grandchild_that_ignores_term_ends_at_the_deadline(bench):
    spec = bench.limited("is_deaf_and_so_is_its_child", deadline_seconds=1)
    end = run_job(bench.backend, spec, bench.folder, "conformance")
    assert end.outcome.reason == "timeout"
    if bench.backend.name != "fake":
        assert_still(end.out / "beat.txt")


def assert_still(path):
    """Nothing writes to a file any more that was written to five times a second."""
    before = path.read_bytes()
    time.sleep(0.6)
    assert path.read_bytes() == before


def test_a_job_finds_its_generated_files_and_no_others(bench):
    end = bench.run(
        "lists_its_inputs", environment={"IN": "{mount:in}"}, files={"a.json": "{}", "名.txt": "x"}
    )
    assert (end.out / "seen.txt").read_text() == "a.json\n名.txt\n"


def test_a_job_starts_in_its_output_folder(bench):
    end = bench.run("says_where_it_is")
    assert (end.out / "where.txt").read_text() == "here\n"


def test_a_job_sees_nothing_of_its_callers_environment(bench, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    end = bench.run("lists_its_environment", environment={"GIVEN": "1", "名": "值"})
    seen = set((end.out / "environment.txt").read_text().split())
    assert {"GIVEN", "PATH"} <= seen
    assert seen <= {
        "GIVEN",
        "名",
        "PATH",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
        "CUDA_VISIBLE_DEVICES",
        "HOSTNAME",
        "HOME",
    }


def test_a_job_has_a_folder_for_temporary_files(bench):
    end = bench.run("writes_a_file_in_tmp", environment={"TMPDIR": "{mount:tmp}"})
    assert (end.outcome.reason, tail(end.log).strip()) == ("ok", "x")


def test_a_gpu_that_is_not_there_is_named_before_the_job_starts(bench):
    end = bench.run("succeeds", gpus=("GPU-none",))
    assert (end.outcome.reason, end.outcome.exit_code) == ("gpu_unavailable", 5)


def test_a_job_is_found_from_its_creation_to_its_removal(bench, tmp_path):
    job = prepared(bench, "sleeps")
    backend, identifier = bench.backend, bench.backend.create(job)
    try:
        assert backend.state(identifier).phase == "created"
        assert names(backend) == [job.name]
        backend.start(identifier)
        assert backend.state(identifier).phase == "running"
        assert names(backend) == [job.name]
        (found,) = [one for one in backend.found() if one.name == job.name]
        assert (found.identifier, found.labels["io.rdagent.owner"]) == (identifier, "someone")
        backend.kill(identifier)
        assert backend.state(identifier) == JobState("exited", 137)
        assert names(backend) == [job.name]
    finally:
        backend.remove(identifier)
    assert names(backend) == []
    assert backend.state(identifier).phase == "gone"


def test_nothing_runs_before_it_is_started(bench):
    job = prepared(bench, "succeeds")
    identifier = bench.backend.create(job)
    try:
        time.sleep(0.5)
        assert bench.backend.state(identifier).phase == "created"
        assert list((bench.folder / "by hand" / "out").iterdir()) == []
    finally:
        bench.backend.remove(identifier)


def test_stopping_killing_and_removing_twice_is_safe(bench):
    job = prepared(bench, "is_silent_and_deaf")
    identifier = bench.backend.create(job)
    bench.backend.start(identifier)
    for _ in range(2):
        bench.backend.stop(identifier, 1)
        assert bench.backend.state(identifier).phase == "exited"
    for _ in range(2):
        bench.backend.kill(identifier)
    for _ in range(2):
        bench.backend.remove(identifier)
    assert bench.backend.state(identifier).phase == "gone"


def test_a_job_that_is_removed_while_it_runs_ends(bench):
    job = prepared(bench, "is_deaf_and_so_is_its_child")
    identifier = bench.backend.create(job)
    bench.backend.start(identifier)
    time.sleep(0.8)
    bench.backend.remove(identifier)
    assert bench.backend.state(identifier).phase == "gone"
    beat = bench.folder / "by hand" / "out" / "beat.txt"
    if beat.exists():
        assert_still(beat)


def test_a_second_job_of_the_same_name_takes_the_place_of_one_left_over(bench):
    if bench.backend.name == "fake":
        pytest.skip("the fake keeps no names")
    job = prepared(bench, "sleeps")
    first = bench.backend.create(job)
    bench.backend.start(first)
    second = bench.backend.create(job)
    try:
        assert bench.backend.state(second).phase == "created"
        assert names(bench.backend) == [job.name]
    finally:
        bench.backend.remove(second)


def test_a_log_that_is_taken_up_again_repeats_nothing_and_goes_on(bench):
    if bench.backend.name == "fake":
        pytest.skip("the fake prints at once")
    job = prepared(bench, "counts")
    identifier = bench.backend.create(job)
    try:
        bench.backend.start(identifier)
        stream = bench.backend.follow(identifier, 0.0)
        text = next(stream).decode()
        since = time.time()
        text += b"".join(bench.backend.follow(identifier, since)).decode()
        assert b"line 6" in b"".join(stream)
    finally:
        bench.backend.remove(identifier)
    assert text.split("\n")[:6] == [f"line {i}" for i in range(1, 7)]


def test_the_words_of_a_job_survive_blanks_quotes_and_line_ends(bench, tmp_path):
    if bench.backend.name == "fake":
        pytest.skip("the fake runs nothing")
    awkward = "a b  'c' \"d\" $HOME `id` \\ 模型\nnext"
    end = bench.run(("printf", "%s", awkward))
    assert tail(end.log) == awkward


def test_an_outcome_is_reached_while_two_jobs_run_at_once(bench):
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(bench.run, ["succeeds", "fails"]))
    assert [end.outcome.reason for end in ends] == ["ok", "command_failed"]
    assert ends[0].attempt != ends[1].attempt


def prepared(bench, case):
    """A job as the supervisor would prepare it, to be driven by hand."""
    attempt = bench.folder / "by hand"
    for name in ("out", "scratch"):
        give_to(attempt / name, bench.backend.user())
    (attempt / "in").mkdir()
    user = bench.backend.user()
    return PreparedJob(
        name="rdagent-conformance-by-hand",
        spec=bench.spec(case),
        mounts=attempt_mounts(attempt),
        user_id=user.user_id,
        group_id=user.group_id,
        labels={"io.rdagent.owner": "someone"},
    )


def names(backend):
    return [job.name for job in backend.found() if "conformance" in job.name]
