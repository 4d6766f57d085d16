"""Copies of results: whole, without what was there before, and never through a link."""

import os
from pathlib import Path

import pytest

from rdagent.errors import ResultError
from rdagent.evaluation.publish import publish_results


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "out" / "variants" / "tuned"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text('{"results": {}}')
    (folder / "samples_gsm8k.jsonl").write_text("{}\n")
    return folder


def test_results_and_samples_are_copied(source: Path, tmp_path: Path) -> None:
    publish_results(source, tmp_path / "published")
    names = sorted(os.listdir(tmp_path / "published"))
    assert names == ["results.json", "samples_gsm8k.jsonl"]


def test_samples_of_an_earlier_run_are_removed(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "published"
    target.mkdir()
    (target / "samples_mmlu.jsonl").write_text("old")
    publish_results(source, target)
    assert not (target / "samples_mmlu.jsonl").exists()


def test_other_files_of_the_target_stay(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "published"
    target.mkdir()
    (target / "run.json").write_text("{}")
    publish_results(source, target)
    assert (target / "run.json").exists()


def test_a_source_without_results_changes_nothing(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "published"
    publish_results(source, target)
    (source / "results.json").unlink()
    with pytest.raises(ResultError, match=r"results\.json is missing"):
        publish_results(source, target)
    assert (target / "results.json").exists()


@pytest.mark.parametrize("name", ["results.json", "samples_gsm8k.jsonl"])
def test_a_link_in_the_source_is_refused(source: Path, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (source / name).unlink()
    (source / name).symlink_to(secret)
    with pytest.raises(ResultError):
        publish_results(source, tmp_path / "published")


def test_a_source_that_is_a_link_is_refused(source: Path, tmp_path: Path) -> None:
    link = source.parent / "link"
    link.symlink_to(source)
    with pytest.raises(ResultError):
        publish_results(link, tmp_path / "published")


def test_a_pipe_in_the_source_is_refused_at_once(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / "samples_pipe.jsonl")
    with pytest.raises(ResultError, match="not a regular file"):
        publish_results(source, tmp_path / "published")


def test_names_that_are_not_ours_are_left_behind(source: Path, tmp_path: Path) -> None:
    (source / "samples_a b.jsonl").write_text("x")
    (source / "evil.sh").write_text("x")
    publish_results(source, tmp_path / "published")
    assert not {"evil.sh", "samples_a b.jsonl"} & set(os.listdir(tmp_path / "published"))


def test_a_target_that_is_a_link_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "published").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResultError):
        publish_results(source, tmp_path / "published")


def test_no_half_written_file_is_left_after_a_failure(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / "samples_pipe.jsonl")
    with pytest.raises(ResultError):
        publish_results(source, tmp_path / "published")
    assert not [name for name in os.listdir(tmp_path / "published") if name.startswith(".")]
