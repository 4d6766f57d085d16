"""What a program inside may say of its own end, and what only its supervisor can."""

from pathlib import Path

import pytest

from rdagent.errors import ResultError
from rdagent.records.reasons import REASONS, Reason
from rdagent.records.status import SUPERVISORS_REASONS, InsideStatus, PartStatus


@pytest.mark.parametrize("reason", sorted(set(REASONS) - set(SUPERVISORS_REASONS)))
def test_what_a_program_can_know_is_read_back(tmp_path: Path, reason: Reason) -> None:
    status = InsideStatus(reason, "why", (PartStatus("base", reason, "why"),))
    status.write(tmp_path)
    assert InsideStatus.read(tmp_path) == status


def test_a_program_may_say_that_its_worker_was_killed(tmp_path: Path) -> None:
    InsideStatus("killed_externally", "the process was ended by SIGKILL").write(tmp_path)
    assert InsideStatus.read(tmp_path).reason == "killed_externally"


@pytest.mark.parametrize("reason", SUPERVISORS_REASONS)
def test_what_only_a_supervisor_can_know_is_not_believed(tmp_path: Path, reason: Reason) -> None:
    InsideStatus(reason).write(tmp_path)
    with pytest.raises(ResultError, match="cannot know"):
        InsideStatus.read(tmp_path)
