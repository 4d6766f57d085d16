"""A data folder: splits by HomeBench's names, whole or in parts."""

import subprocess

import pytest

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.files import (
    file_blob_id,
    is_released,
    read_data,
    read_split,
    split_files,
)
from tests.unit.suites.homebench.made_up import RECORDS, asked, write_folder, write_lines


def part(number):
    return asked(
        f"home7_one_{number}", f"Turn on light {number}.", "'''error_input'''", "unexist_device"
    )


def test_parts_are_read_by_their_numbers(tmp_path):
    for number in (10, 9, 2, 1, 3, 4, 5, 6, 7, 8):
        write_lines(tmp_path / f"train_data_part{number}.jsonl", [part(number)])
    ids = [record.id for record in read_split(tmp_path, "train")]
    assert ids == [f"home7_one_{number}" for number in range(1, 11)]


def test_a_part_that_is_missing_is_named(tmp_path):
    write_lines(tmp_path / "train_data_part2.jsonl", RECORDS)
    with pytest.raises(UsageError, match="not part 1"):
        split_files(tmp_path, "train")


def test_a_whole_file_beside_parts_is_refused(tmp_path):
    for name in ("train_data.jsonl", "train_data_part1.jsonl"):
        write_lines(tmp_path / name, RECORDS)
    with pytest.raises(UsageError, match=r"train_data\.jsonl and train_data_part1\.jsonl"):
        split_files(tmp_path, "train")


def test_copies_under_other_names_are_no_data(tmp_path):
    for name in ("test_data_copy.jsonl", "train_data_part1_copy.jsonl", "test_data.jsonl.bak"):
        write_lines(tmp_path / name, RECORDS)
    assert [split_files(tmp_path, split) for split in ("train", "valid", "test")] == [()] * 3


def test_splits_that_are_not_there_are_left_out(tmp_path):
    data = read_data(write_folder(tmp_path, test=RECORDS))
    assert list(data.splits) == ["test"]
    assert list(data.homes) == [7]


@pytest.mark.parametrize("name", ["home_status_method.jsonl", "test_data.jsonl"])
def test_a_folder_without_homes_or_records_says_how_to_get_some(tmp_path, name):
    (write_folder(tmp_path, test=RECORDS) / name).unlink()
    with pytest.raises(UsageError, match="rdagent homebench data fetch"):
        read_data(tmp_path)
    with pytest.raises(UsageError, match="valid_data"):
        read_split(tmp_path, "valid")


def test_a_file_is_known_by_the_name_that_git_gives_its_content(tmp_path):
    path = write_lines(tmp_path / "test_data.jsonl", RECORDS)
    told = subprocess.run(
        ["git", "hash-object", "--no-filters", path], capture_output=True, text=True, check=True
    )
    assert file_blob_id(path) == told.stdout.strip()
    assert not is_released(path)
