"""Fetching: what the job is told, where the token is, and what of its output is believed."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.evaluation.benchmarks import all_of, find
from rdagent.evaluation.benchmarks_add import AddRequest, add
from rdagent.evaluation.benchmarks_fetch import FetchRequest, fetch, fetch_job
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.models.access import HubAccess
from rdagent.models.hub import Hub
from rdagent.records.benchmarks import DataSet, DataSource, Split
from rdagent.records.status import InsideStatus, PartStatus

IMAGE = "rdagent-fake"
TOKEN = "hf_nobody_may_see_this"
GSM8K = DataSource("openai/gsm8k", "main")
MODULE = ("python", "-m", "rdagent.inside.evaluate.fetch_data", "/job/out")


@pytest.fixture(autouse=True)
def _settings(monkeypatch, tmp_path):
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHMARK_DOCKER_IMAGE", IMAGE)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "benchmarks"


def access(token=None, endpoint="https://huggingface.co"):
    return HubAccess(Hub(endpoint, token), token, ())


def data_set(source=GSM8K, content=b"rows", **change):
    sha256 = hashlib.sha256(content).hexdigest()
    split = Split("test.parquet", "parquet", len(content), sha256, 4, ("question",), **change)
    return DataSet(source, "hub", {"test": split}, "gsm8k", "now", "c" * 40)


def write(out: Path, found: DataSet, content=b"rows", place=None):
    target = out / "benchmarks" / (place or found.source.folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / "test.parquet").write_bytes(content)
    (target / "manifest.json").write_text(json.dumps(found.to_json()))
    return target


def fetched(folder, act, tasks=("gsm8k",), token=None, **request):
    seen = []

    def does(words, out):
        seen.append(words)
        act(out)

    fake = FakeBackend({(*MODULE, *tasks): Program(does=does)})
    fake.images = {IMAGE}
    result = fetch(FetchRequest(tasks, **request), folder, fake, access(token), lambda line: None)
    return result, fake, seen


def ends(out, *parts):
    InsideStatus("ok" if not parts else "incomplete", "", tuple(parts)).write(out)


def test_what_the_job_wrote_whole_is_published(folder):
    def act(out):
        write(out, data_set())
        ends(out)

    result, _, _ = fetched(folder, act)
    assert (result.reason, result.exit_code, result.failed) == ("ok", 0, ())
    assert find(folder, GSM8K) == data_set()
    assert not (result.run_folder / "attempts" / "001" / "out" / "benchmarks").exists()


def test_only_this_job_has_a_network_and_is_told_that_it_has(folder):
    spec, _ = fetch_job(FetchRequest(("gsm8k",)), folder, access())
    assert spec.network == "bridge"
    told = {name: spec.environment[name] for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")}
    assert set(told.values()) == {"0"}
    assert spec.environment["HF_ENDPOINT"] == "https://huggingface.co"
    assert "HF_HUB_DISABLE_XET" not in spec.environment


def test_of_a_mirror_the_fast_store_of_the_official_hub_is_not_asked(folder):
    spec, _ = fetch_job(FetchRequest(("gsm8k",)), folder, access(None, "https://mirror.example"))
    assert spec.environment["HF_HUB_DISABLE_XET"] == "1"


def test_the_token_reaches_the_job_and_nothing_that_is_kept(folder, tmp_path):
    _, _, (words,) = fetched(folder, ends, token=TOKEN)
    assert words.environment["HF_TOKEN"] == TOKEN
    assert TOKEN not in repr((words.argv, words.files))
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [content for content in kept if TOKEN.encode() in content]


def test_a_proxys_password_does_not_go_into_an_environment(folder, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy:1")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:1")
    spec, _ = fetch_job(FetchRequest(("gsm8k",)), folder, access())
    assert spec.environment["HTTP_PROXY"] == "http://proxy:1"
    assert "HTTPS_PROXY" not in spec.environment


def test_data_that_are_here_are_not_fetched_again_unless_asked(folder, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n')
    add(AddRequest("gsm8k", {"test": path}, {}), folder)
    result, fake, _ = fetched(folder, ends)
    assert (result.were_here, fake.created) == (("gsm8k",), [])
    spec, _ = fetch_job(FetchRequest(("gsm8k",), replace=True), folder, access())
    assert spec.argv[4:] == ("gsm8k",)


def test_tasks_on_one_data_set_load_it_once(folder):
    spec, _ = fetch_job(FetchRequest(("gsm8k", "gsm8k_cot")), folder, access())
    assert spec.argv[4:] == ("gsm8k",)


def test_of_a_group_every_part_that_lacks_data_is_loaded(folder):
    spec, _ = fetch_job(FetchRequest(("mmlu",)), folder, access())
    assert len(spec.argv[4:]) == 57


def test_of_several_what_came_is_kept_and_the_rest_is_named(folder):
    def act(out):
        write(out, data_set())
        ends(out, PartStatus("gsm8k", "ok"), PartStatus("hellaswag", "refused", "not there"))

    result, _, _ = fetched(folder, act, tasks=("gsm8k", "hellaswag"))
    assert (result.reason, result.failed) == ("incomplete", ("not there",))
    assert find(folder, GSM8K) is not None


def _linked(out):
    target = write(out, data_set())
    (target / "test.parquet").unlink()
    os.symlink("/etc/passwd", target / "test.parquet")


def _other_bytes(out):
    write(out, data_set(), content=b"rowz")


def _anothers(out):
    write(out, data_set(DataSource("cais/mmlu", "anatomy")), place=GSM8K.folder)


def _no_manifest_that_can_be_read(out):
    (write(out, data_set()) / "manifest.json").write_text("{")


def _leads_elsewhere(out):
    found = data_set()
    split = replace(found.splits["test"], file="../../../../x")
    write(out, replace(found, splits={"test": split}))


@pytest.mark.parametrize(
    "act", [_linked, _other_bytes, _anothers, _no_manifest_that_can_be_read, _leads_elsewhere]
)
def test_what_the_job_wrote_is_not_believed(folder, act):
    def does(out):
        act(out)
        ends(out)

    result, _, _ = fetched(folder, does)
    assert (result.reason, len(result.failed)) == ("results_invalid", 1)
    assert list(all_of(folder)) == []
    assert not [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def test_a_folder_that_is_a_link_is_not_followed(folder, tmp_path):
    def act(out):
        elsewhere = write(tmp_path / "elsewhere", data_set()).parent
        (out / "benchmarks").mkdir()
        os.symlink(elsewhere, out / "benchmarks" / elsewhere.name)
        ends(out)

    fetched(folder, act)
    assert list(all_of(folder)) == []
