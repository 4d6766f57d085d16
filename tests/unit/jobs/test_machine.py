"""What a job runs in is named before it starts: libraries for the device it will have."""

import pytest

from rdagent.jobs.backends.fake import FakeBackend
from rdagent.jobs.machine import with_image
from rdagent.jobs.spec import JobSpec, Limits

LIMITS = Limits(deadline_seconds=30, grace_seconds=1, memory_bytes=1 << 20, cpus=1)


class Asked(FakeBackend):
    """Remembers what it was asked to name."""

    def image(self, role, accelerator="cpu"):
        return f"{role}-{accelerator}"


@pytest.mark.parametrize(("gpus", "image"), [((), "train-cpu"), (("GPU-1",), "train-cuda")])
def test_a_job_with_gpus_runs_in_the_image_for_cuda(gpus, image):
    assert with_image(JobSpec("train", ("x",), LIMITS, gpus=gpus), Asked({})).image == image


def test_an_image_of_the_users_own_is_left_alone():
    spec = JobSpec("train", ("x",), LIMITS, gpus=("GPU-1",), image="mine:1")
    assert with_image(spec, Asked({})).image == "mine:1"
