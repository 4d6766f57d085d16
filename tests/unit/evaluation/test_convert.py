"""Turning a pickle into safetensors: in a job, beside the original, whole or not at all."""

import pytest

from rdagent.errors import JobFailed, RefusedError, ResultError
from rdagent.evaluation.convert import conversion_job, convert, needs_conversion
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.records.status import InsideStatus
from tests.unit.adapters.conftest import Bench


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("BENCHMARK_DOCKER_IMAGE", "lm-eval")
    made = Bench(tmp_path)
    made.content = made.weights.read_bytes()
    made.pickle = made.weights.rename(made.folder / "adapter_model.bin")
    made.pickle.write_bytes(b"a pickle")
    return made


def backend(bench, content=None, reason="ok", isolates=True):
    def act(words, out):
        if reason == "ok":
            (out / "adapter_model.safetensors").write_bytes(content or bench.content)
        InsideStatus(reason, "holds more than tensors" if reason != "ok" else "").write(out)

    argv = ("python", "-m", "rdagent.inside.evaluate.convert")
    argv += ("/workspace/adapters/0/adapter_model.bin", "/job/out")
    program = Program(does=act, exit_code=0 if reason == "ok" else 1)
    fake = FakeBackend({argv: program, conversion_job(bench.pickle).argv: program})
    fake.isolates = isolates
    return fake


def test_a_pickle_alone_needs_conversion(bench):
    assert needs_conversion(bench.folder)
    bench.write_weights()
    assert not needs_conversion(bench.folder)


def test_the_converted_file_stands_beside_the_untouched_pickle(bench):
    written = convert(bench.folder, backend(bench))
    assert written == bench.weights
    assert written.read_bytes() == bench.content
    assert bench.pickle.read_bytes() == b"a pickle"
    assert bench.codes() == ["pickle_beside"]


def test_a_job_that_fails_leaves_the_folder_as_it_was(bench):
    before = sorted(path.name for path in bench.folder.iterdir())
    with pytest.raises(JobFailed, match="more than tensors") as caught:
        convert(bench.folder, backend(bench, reason="adapter_invalid"))
    assert caught.value.exit_code == 6
    assert sorted(path.name for path in bench.folder.iterdir()) == before


def test_a_result_that_is_no_safetensors_is_not_taken_over(bench):
    with pytest.raises(ResultError, match="not sound"):
        convert(bench.folder, backend(bench, content=b"nonsense"))
    assert not bench.weights.exists()


def test_weights_that_are_there_are_never_replaced(bench):
    bench.weights.write_bytes(b"mine")
    with pytest.raises(RefusedError):
        convert(bench.folder, backend(bench))
    assert bench.weights.read_bytes() == b"mine"


def test_where_jobs_are_not_isolated_no_pickle_is_read(bench):
    fake = backend(bench, isolates=False)
    with pytest.raises(RefusedError, match="does not isolate"):
        convert(bench.folder, fake)
    assert fake.created == []


def test_a_pickle_behind_a_link_is_refused(bench, tmp_path):
    moved = bench.pickle.rename(tmp_path / "elsewhere")
    bench.pickle.symlink_to(moved)
    with pytest.raises(RefusedError, match="not a regular file"):
        convert(bench.folder, backend(bench))


def test_the_job_has_no_network_and_sees_the_folder_read_only(bench):
    spec = conversion_job(bench.pickle)
    assert spec.network == "none"
    assert all(mount.read_only for mount in spec.mounts)
