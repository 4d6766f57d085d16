"""``rdagent homebench data`` as a command."""

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from rdagent.cli import homebench_data
from rdagent.cli.main import main
from rdagent.suites.homebench.data.fetch import fetch
from rdagent.suites.homebench.data.files import blob_id
from tests.unit.suites.homebench.made_up import RECORDS, asked, write_folder


def run(*words):
    return main(["homebench", "data", *map(str, words)])


@pytest.fixture
def faulty(tmp_path):
    records = [*RECORDS, asked("go", "Go.", "''' vacuum_robot.start()'''")]
    return write_folder(tmp_path / "dataset", test=records, train=[RECORDS[0]])


def test_a_check_says_what_is_wrong_and_what_is_left(faulty, capsys):
    assert run("check", "--data-dir", faulty, "--ids") == 0
    out = capsys.readouterr().out
    assert "method_not_listed" in out
    assert "test: 6 records" in out
    assert "5 usable: what --exclude-audited leaves" in out
    assert "id_in_other_split home7_one_0" in out


def test_a_check_as_json_is_one_document_with_every_id(faulty, capsys):
    assert run("check", "--data-dir", faulty, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "rdagent.homebench.audit/1"
    assert document["homes"] == 1
    test = document["splits"]["test"]
    assert (test["records"], test["usable"], test["released"]) == (6, 5, False)
    assert test["faults"]["method_not_listed"] == ["go"]
    assert set(document["unusable"]) <= set(document["kinds"]) == set(test["faults"])


def test_a_check_knows_examples_that_models_were_shown(faulty, tmp_path, capsys):
    examples = tmp_path / "examples.jsonl"
    examples.write_text(json.dumps({"input": "Go.", "output": "{vacuum_robot.start()}"}))
    run("check", "--data-dir", faulty, "--examples", examples, "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["splits"]["test"]["faults"]["shot_leak"] == ["go"]


def test_a_malformed_file_ends_with_its_line_and_code_6(faulty, capsys):
    with (faulty / "test_data.jsonl").open("a") as sink:
        sink.write("{}\n")
    assert run("check", "--data-dir", faulty) == 6
    assert "line 7 of test_data.jsonl" in capsys.readouterr().err


def test_a_folder_without_data_ends_with_2_and_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("check") == 2
    assert "rdagent homebench data fetch" in capsys.readouterr().err


def test_what_is_generated_passes_the_check(tmp_path, capsys):
    out = tmp_path / "made"
    words = ["--out", out, "--homes", 10, "--records", 100, "--language", "both"]
    words += ["--rooms", "2-3", "--devices", "2-4", "--seed", 5, "--json"]
    assert run("generate", *words, "--split", "train=.8,valid=.1,test=.1") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["categories"]["train"] == dict.fromkeys(("VS", "IS", "VM", "IM", "MM"), 16)
    assert sorted(document["files"]) == sorted(path.name for path in out.iterdir())
    assert run("check", "--data-dir", out) == 0
    assert "80 usable" in capsys.readouterr().out


def test_data_that_are_there_are_not_replaced_unasked(tmp_path, capsys):
    words = ["--out", tmp_path, "--homes", 3, "--records", 15]
    assert run("generate", *words) == 0
    before = (tmp_path / "test_data.jsonl").read_bytes()
    assert run("generate", *words, "--seed", 1) == 2
    assert (tmp_path / "test_data.jsonl").read_bytes() == before
    assert run("generate", *words, "--seed", 1, "--replace", "--split", "train=.5,test=.5") == 0
    assert (tmp_path / "test_data.jsonl").read_bytes() != before
    assert not (tmp_path / "valid_data.jsonl").exists()


@pytest.mark.parametrize(
    "words", [["--rooms", "3-"], ["--split", "train"], ["--split", "train=x"], ["--rooms", "a"]]
)
def test_a_range_or_split_that_is_none_is_a_usage_error(tmp_path, words, capsys):
    with pytest.raises(SystemExit) as ended:
        run("generate", "--out", tmp_path, *words)
    assert ended.value.code == 2
    assert words[1] in capsys.readouterr().err


def test_a_split_that_does_not_make_a_whole_is_a_usage_error(tmp_path, capsys):
    assert run("generate", "--out", tmp_path / "new", "--split", "train=.8,test=.1") == 2
    assert not (tmp_path / "new").exists()


def test_files_are_fetched_from_the_address_that_is_given(faulty, tmp_path, monkeypatch, capsys):
    files = {path.name: blob_id(path.read_bytes()) for path in faulty.iterdir()}
    monkeypatch.setattr(homebench_data, "fetch", partial(fetch, files=files))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    server.folder = str(faulty)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        assert run("fetch", "--data-dir", tmp_path / "new", "--from", address, "--json") == 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    document = json.loads(capsys.readouterr().out)
    assert {file["name"] for file in document["files"]} == set(files)
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(files)


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, request, address, server):
        super().__init__(request, address, server, directory=server.folder)

    def log_message(self, *args):
        pass
