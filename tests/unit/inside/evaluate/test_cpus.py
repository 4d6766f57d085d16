"""The number of CPUs under a container's limit."""

from pathlib import Path

from rdagent.inside.evaluate.cpus import allowed_cpus


def test_a_share_of_one_cpu_is_one(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert allowed_cpus(tmp_path) == 1


def test_part_of_a_cpu_is_one(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert allowed_cpus(tmp_path) == 1


def test_an_older_engines_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert allowed_cpus(tmp_path) == 1


def test_without_a_limit_all_are_allowed(tmp_path: Path) -> None:
    import os

    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert allowed_cpus(tmp_path) == len(os.sched_getaffinity(0))
