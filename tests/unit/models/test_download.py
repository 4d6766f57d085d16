"""Models from a hub that breaks off, lies, refuses and redirects: whole, or not at all."""

import json
import struct

import pytest

from rdagent.cli.main import main
from rdagent.errors import InfrastructureError, RefusedError
from rdagent.models import download as module
from rdagent.models.access import hub_access
from rdagent.models.completeness import inspect_model
from rdagent.models.digest import folder_digest
from rdagent.models.download import download, plan
from rdagent.models.hub import Hub
from rdagent.models.manifest import read_manifest
from tests.hub_server import COMMIT, Repo, serving

NAME = "Org/tiny"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def tensor_file(name="a", numbers=4000):
    header = {name: {"dtype": "F32", "shape": [numbers], "data_offsets": [0, numbers * 4]}}
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + bytes(range(256)) * (numbers * 4 // 256 + 1)


def cut(content, numbers=4000):
    length = struct.unpack("<Q", content[:8])[0]
    return content[: 8 + length + numbers * 4]


def tiny_files():
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}
    return {
        "config.json": json.dumps({"model_type": "qwen2"}).encode(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b"{}",
        "chat_template.jinja": b"{{ messages }}",
        "model.safetensors.index.json": json.dumps(index).encode(),
        SHARDS[0]: cut(tensor_file("a")),
        SHARDS[1]: cut(tensor_file("b")),
        "README.md": b"# tiny",
        "pytorch_model.bin": b"a pickle",
        "original/consolidated.safetensors": b"x",
    }


@pytest.fixture(autouse=True)
def _settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft 数据"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)


@pytest.fixture
def hub(monkeypatch):
    with serving() as server:
        server.repos[NAME] = Repo(tiny_files(), lfs=set(SHARDS))
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "models" / NAME


def get(hub, target, *, token=None, replace=False):
    asked = Hub(hub.url, token)
    wanted = plan(asked, NAME, "main", target)
    return download(asked, wanted, replace=replace, say=lambda line: None)


def leftovers(target):
    return [path.name for path in target.parent.glob(".*")] if target.parent.exists() else []


def test_a_model_arrives_whole_with_a_manifest_of_its_commit(hub, target):
    done = get(hub, target)
    assert (done.commit, done.was_here) == (COMMIT, False)
    report = inspect_model(target, deep=True)
    assert report.ok, report.problems
    assert (report.parameters, report.template, report.commit) == (8000, True, COMMIT)
    assert (target / SHARDS[0]).read_bytes() == hub.repos[NAME].files[SHARDS[0]]
    checked = {row["checked"] for row in read_manifest(target).files.values()}
    assert checked == {"sha256", "git"}
    assert leftovers(target) == []


def test_pickles_code_and_other_formats_are_left_where_they_are(hub, target):
    get(hub, target)
    names = {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
    assert names == {*tiny_files(), ".rdagent/model.json"} - {
        "README.md",
        "pytorch_model.bin",
        "original/consolidated.safetensors",
    }


def test_the_manifest_is_no_part_of_the_models_digest(hub, target, tmp_path):
    get(hub, target)
    before = folder_digest(target, tmp_path / "cache")
    (target / ".rdagent" / "model.json").unlink()
    assert folder_digest(target, tmp_path / "cache") == before


def test_a_transfer_that_breaks_off_goes_on_where_it_ended(hub, target):
    hub.breaks = [7000, 3000]
    get(hub, target)
    # A file that came whole by luck would show no range at all.
    assert "bytes=7000-" in hub.ranges()
    assert inspect_model(target, deep=True).ok


def test_a_later_call_goes_on_with_what_an_earlier_one_got(hub, target, monkeypatch):
    monkeypatch.setattr(module, "TRIES", 1)
    hub.breaks = [7000, 0]
    with pytest.raises(InfrastructureError) as caught:
        get(hub, target)
    assert "goes on" in caught.value.hint
    assert not target.exists()
    (partial,) = leftovers(target)
    assert (target.parent / partial / SHARDS[0]).stat().st_size == 7000
    hub.asked.clear()
    get(hub, target)
    assert hub.ranges()[0] == "bytes=7000-"
    whole = [path for path, _ in hub.asked if path.endswith("config.json")]
    assert not [path for path in whole if path.endswith("/config.json")]
    assert inspect_model(target, deep=True).ok
    assert leftovers(target) == []


def test_ctrl_c_keeps_what_has_come_and_shows_no_model(hub, target):
    def interrupt(line):
        if SHARDS[1] in line:
            raise KeyboardInterrupt

    hub.breaks = [9000, 9000]
    asked = Hub(hub.url)
    with pytest.raises(KeyboardInterrupt):
        download(asked, plan(asked, NAME, "main", target), say=interrupt)
    assert not target.exists()
    (partial,) = leftovers(target)
    assert (target.parent / partial / SHARDS[0]).stat().st_size == len(tiny_files()[SHARDS[0]])


def test_a_hub_that_ignores_ranges_is_begun_anew_and_not_appended_to(hub, target):
    hub.breaks = [7000]
    hub.ignores_range = True
    get(hub, target)
    assert inspect_model(target, deep=True).ok


@pytest.mark.parametrize("file", [SHARDS[0], "config.json"])
def test_wrong_bytes_of_the_right_length_are_never_published(hub, target, file):
    content = hub.repos[NAME].files[file]
    hub.repos[NAME].sends[file] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(InfrastructureError, match="sends other bytes"):
        get(hub, target)
    assert not target.exists()


def test_more_bytes_than_announced_are_not_kept(hub, target):
    hub.repos[NAME].sends["tokenizer.json"] = b"{}" + b"x" * 5_000_000
    get(hub, target)
    assert (target / "tokenizer.json").read_bytes() == b"{}"


def test_a_hub_that_stumbles_is_asked_again(hub, target):
    asked = Hub(hub.url)
    wanted = plan(asked, NAME, "main", target)
    hub.stumbles = [503, 429, 500]
    download(asked, wanted, say=lambda line: None)
    assert inspect_model(target).ok


@pytest.mark.parametrize(
    ("refuses", "told", "hint"),
    [
        ((403, "GatedRepo"), "is gated", "Accept them"),
        ((401, "RepoNotFound"), "is not on", "Check the spelling"),
        ((404, "RepoNotFound"), "is not on", "HF_TOKEN"),
    ],
)
def test_a_model_that_cannot_be_had_is_refused_with_the_reason(hub, target, refuses, told, hint):
    hub.repos[NAME].refuses = refuses
    with pytest.raises(RefusedError, match=told) as caught:
        get(hub, target)
    assert hint in caught.value.hint
    assert not target.parent.exists()


def test_an_unknown_revision_is_refused(hub, target):
    with pytest.raises(RefusedError, match=r"revision v9\) does not exist"):
        plan(Hub(hub.url), NAME, "v9", target)


def test_a_hub_that_is_away_is_infrastructure_and_names_the_setting(target):
    with pytest.raises(InfrastructureError, match="cannot be reached") as caught:
        plan(Hub("http://127.0.0.1:9"), NAME, "main", target)
    assert "HF_ENDPOINT" in caught.value.hint


def test_pickle_only_models_are_refused_before_a_byte_of_them_comes(hub, target):
    hub.repos[NAME].files = {"config.json": b"{}", "pytorch_model.bin": b"x"}
    with pytest.raises(RefusedError, match="pickles"):
        get(hub, target)
    assert not [path for path, _ in hub.asked if "resolve" in path]


def test_names_that_leave_the_folder_are_refused(hub, target):
    hub.repos[NAME].files["additional_chat_templates/../../../x.jinja"] = b"x"
    with pytest.raises(RefusedError, match="leaves its folder"):
        get(hub, target)


def test_what_is_here_is_not_got_again(hub, target):
    get(hub, target)
    hub.asked.clear()
    assert get(hub, target).was_here
    assert not [path for path, _ in hub.asked if "resolve" in path]


def test_a_folder_with_something_else_is_replaced_only_when_asked(hub, target):
    target.mkdir(parents=True)
    (target / "mine.txt").write_text("mine")
    with pytest.raises(RefusedError, match="is there already"):
        get(hub, target)
    assert (target / "mine.txt").read_text() == "mine"
    get(hub, target, replace=True)
    assert not (target / "mine.txt").exists()
    assert leftovers(target) == []


def test_a_disk_that_is_too_small_is_said_before_anything_comes(hub, target, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InfrastructureError, match="are free"):
        get(hub, target)
    assert not [path for path, _ in hub.asked if "resolve" in path]


def test_a_model_that_is_not_whole_on_the_hub_is_not_published(hub, target):
    del hub.repos[NAME].files[SHARDS[1]]
    with pytest.raises(RefusedError, match="1 of 2 weight files are missing"):
        get(hub, target)
    assert not target.exists()


def test_a_token_is_not_carried_to_where_a_redirect_leads(hub, target):
    get(hub, target, token="hf_secret")
    sent = {path: headers.get("authorization") for path, headers in hub.asked}
    assert {sent[path] for path in sent if path.startswith("/api")} == {"Bearer hf_secret"}
    stored = [sent[path] for path in sent if path.startswith("/store")]
    assert stored == [None, None]


def test_a_token_goes_to_another_hub_only_when_asked(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    kept = hub_access()
    assert "was not sent" in kept.notes[0]
    kept.hub.model(NAME)
    hub_access(send_token=True).hub.model(NAME)
    sent = [headers.get("authorization") for _, headers in hub.asked]
    assert sent == [None, "Bearer hf_secret"]
    assert "hf_secret" not in repr(kept)


@pytest.mark.parametrize(
    ("endpoint", "official"),
    [
        ("https://huggingface.co", True),
        ("https://huggingface.co.evil.example", False),
        ("https://evilhuggingface.co", False),
        ("http://huggingface.co", False),
        ("https://hf-mirror.com", False),
    ],
)
def test_only_the_official_hub_is_official(endpoint, official):
    assert Hub(endpoint).is_official is official


def test_offline_is_obeyed(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RefusedError, match="HF_HUB_OFFLINE is set"):
        hub_access()


def test_the_command_gets_lists_and_checks_a_model(hub, capsys):
    assert main(["models", "download", NAME, "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert (got["schema"], got["commit"], got["got"]) == (
        "rdagent.model-download/1",
        COMMIT,
        True,
    )
    assert main(["models", "ls", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["models"]
    assert (row["name"], row["ok"], row["parameters"]) == (NAME, True, 8000)
    assert main(["models", "check", NAME, "--deep"]) == 0
    assert "whole" in capsys.readouterr().out


def test_a_dry_run_lists_the_files_and_gets_none(hub, capsys, tmp_path):
    assert main(["models", "download", NAME, "--dry-run"]) == 0
    assert "config.json" in capsys.readouterr().out
    assert not (tmp_path / "ft 数据").exists()


def test_the_check_of_a_damaged_model_ends_with_6(hub, capsys, tmp_path):
    main(["models", "download", NAME, "--to", str(tmp_path / "m")])
    (tmp_path / "m" / SHARDS[1]).unlink()
    capsys.readouterr()
    assert main(["models", "check", str(tmp_path / "m"), "--json"]) == 6
    told = json.loads(capsys.readouterr().out)
    assert [problem["code"] for problem in told["problems"]] == ["shard_missing"]
