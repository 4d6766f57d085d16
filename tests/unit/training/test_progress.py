"""Following a training's log while it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.training.progress import LINE_BYTES, ProgressReader, TrainingProgress, parse_line


def line(step: int, **more: Any) -> bytes:
    document = {
        "current_steps": step,
        "total_steps": 60,
        "loss": 4.5,
        "lr": 0.005,
        "epoch": 0.1,
        "percentage": 8.33,
        "elapsed_time": "0:01:16",
        "remaining_time": "1 day, 0:14:05",
    }
    return json.dumps({**document, **more}).encode() + b"\n"


def test_there_is_no_progress_before_the_file_is_there(tmp_path: Path) -> None:
    assert ProgressReader(tmp_path / "log").poll() is None


def test_a_line_says_how_far_the_training_is(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(line(15))
    progress = ProgressReader(tmp_path / "log").poll()
    assert progress == TrainingProgress(
        15, 60, 25.0, 4.5, 0.005, 0.1, elapsed_seconds=76.0, eta_seconds=87245.0
    )


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    path, whole = tmp_path / "log", line(10)
    path.write_bytes(whole[:20])
    reader = ProgressReader(path)
    assert reader.poll() is None
    path.write_bytes(whole)
    assert reader.poll() is not None


def test_a_later_line_without_a_loss_keeps_the_loss(tmp_path: Path) -> None:
    summary = b'{"current_steps": 60, "total_steps": 60, "epoch": 1.0}\n'
    (tmp_path / "log").write_bytes(line(55) + summary)
    progress = ProgressReader(tmp_path / "log").poll()
    assert progress is not None
    assert (progress.step, progress.loss) == (60, 4.5)


def test_a_loss_that_is_no_number_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(line(5, loss=float("nan")))
    progress = ProgressReader(tmp_path / "log").poll()
    assert progress is not None
    assert (progress.loss, progress.loss_is_broken) == (None, True)


def test_a_log_that_is_written_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(line(50) + line(55))
    reader = ProgressReader(path)
    reader.poll()
    path.write_bytes(line(5))
    progress = reader.poll()
    assert progress is not None
    assert progress.step == 5


def test_an_overlong_line_is_skipped_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (LINE_BYTES + 1))
    reader = ProgressReader(path)
    reader.poll()
    with path.open("ab") as sink:
        sink.write(line(59) + line(7))
    progress = reader.poll()
    assert progress is not None
    assert progress.step == 7


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(line(5))
    (tmp_path / "log").symlink_to("elsewhere")
    assert ProgressReader(tmp_path / "log").poll() is None


def test_a_pipe_does_not_block_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    assert ProgressReader(tmp_path / "log").poll() is None


@pytest.mark.parametrize(
    "written",
    [
        b"[]",
        b"{}",
        b'{"current_steps": true, "total_steps": 1}',
        b'{"current_steps": -1, "total_steps": 1}',
        b'{"current_steps": 1, "total_steps": 1e99}',
        b'{"current_steps": ' + b"9" * 5000 + b', "total_steps": 1}',
        b"[" * 60_000,
        b"\xff\xfe",
    ],
)
def test_a_line_that_says_nothing_changes_nothing(written: bytes) -> None:
    before = TrainingProgress(3, 60, 5.0)
    assert parse_line(written, before) == before


@given(pieces=st.lists(st.binary(max_size=80), max_size=12))
def test_whatever_is_written_the_reader_goes_on(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("any") / "log"
    reader = ProgressReader(path)
    for piece in pieces:
        with path.open("ab") as sink:
            sink.write(piece)
        reader.poll()
    with path.open("ab") as sink:
        sink.write(b"\n" + line(42))
    progress = reader.poll()
    assert progress is not None
    assert progress.step == 42


@given(cuts=st.lists(st.integers(0, 800), max_size=6), steps=st.integers(1, 4))
def test_it_does_not_matter_where_the_writer_paused(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], steps: int
) -> None:
    content = b"".join(line(step) for step in range(1, steps + 1))
    path = tmp_path_factory.mktemp("cut") / "log"
    reader = ProgressReader(path)
    for end in (*sorted(cuts), len(content)):
        path.write_bytes(content[:end])
        progress = reader.poll()
    assert progress is not None
    assert progress.step == steps


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(
    document=st.dictionaries(
        st.sampled_from(
            ("current_steps", "total_steps", "loss", "lr", "elapsed_time", "remaining_time")
        ),
        json_values,
    )
)
def test_percent_stays_within_its_bounds(document: dict[str, Any]) -> None:
    progress = parse_line(json.dumps(document).encode(), None)
    assert progress is None or 0.0 <= progress.percent <= 100.0
