"""What every test shares: whether an engine answers, and how its absence is said."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("rdagent", deadline=None)
settings.load_profile("rdagent")

REQUIRE_ENGINE = os.environ.get("RDAGENT_REQUIRE_ENGINE") == "1"


def _engine_answers() -> bool:
    from rdagent.errors import InfrastructureError
    from rdagent.jobs.backends.docker_api import connect

    try:
        connect()
    except InfrastructureError:
        return False
    return True


def _environments_are_here() -> bool:
    from rdagent.jobs.environments import plan_environment
    from rdagent.jobs.spec import ROLES

    return not any("libraries" in plan_environment(role).missing for role in ROLES)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run, in a way that a reader sees."""
    engine = [item for item in items if item.get_closest_marker("engine")]
    if engine and not REQUIRE_ENGINE and not _engine_answers():
        reason = "no container engine answers ('make engine' starts one)"
        for item in engine:
            item.add_marker(pytest.mark.skip(reason=reason))
    if not REQUIRE_ENGINE and not _environments_are_here():
        reason = "the virtual environments are not made ('rdagent build --env local' makes them)"
        for item in items:
            if item.get_closest_marker("environments"):
                item.add_marker(pytest.mark.skip(reason=reason))
    if not os.environ.get("RDAGENT_TEST_DATA"):
        reason = "RDAGENT_TEST_DATA does not name the folder of real data sets"
        for item in items:
            if item.get_closest_marker("data"):
                if REQUIRE_ENGINE:
                    pytest.fail(reason)
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shell_image() -> str:
    """An image with a shell: the base of our own images."""
    from rdagent.jobs.images import ensure_base

    return ensure_base(progress=lambda line: None).name


@pytest.fixture
def test_data() -> Path:
    """The folder of real data sets."""
    return Path(os.environ["RDAGENT_TEST_DATA"])


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch):
    """A machine on which no engine answers."""
    from docker.errors import DockerException

    from rdagent.jobs.backends.docker_api import connect

    def refuse(**options: object) -> None:
        raise DockerException("no such socket")

    # Not through DOCKER_HOST: what docker-py tries to connect with is never closed.
    monkeypatch.setattr("docker.APIClient", refuse)
    connect.cache_clear()
    yield
    connect.cache_clear()
