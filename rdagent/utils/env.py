"""Containers under the names of the seed; the logic is in ``rdagent.jobs``."""

from rdagent.jobs.conf import BenchmarkDockerConf, DockerConf, FTDockerConf
from rdagent.jobs.environment import BenchmarkDockerEnv, DockerEnv, EnvResult, FTDockerEnv

__all__ = [
    "BenchmarkDockerConf",
    "BenchmarkDockerEnv",
    "DockerConf",
    "DockerEnv",
    "EnvResult",
    "FTDockerConf",
    "FTDockerEnv",
]
