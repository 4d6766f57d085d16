"""Containers under the names of the seed; the logic is in ``rdagent.jobs``."""

from rdagent.jobs.conf import BenchmarkDockerConf, DockerConf, FTDockerConf, LocalConf
from rdagent.jobs.environment import BenchmarkDockerEnv, DockerEnv, EnvResult, FTDockerEnv
from rdagent.jobs.local_environment import LocalEnv

__all__ = [
    "BenchmarkDockerConf",
    "BenchmarkDockerEnv",
    "DockerConf",
    "DockerEnv",
    "EnvResult",
    "FTDockerConf",
    "FTDockerEnv",
    "LocalConf",
    "LocalEnv",
]
