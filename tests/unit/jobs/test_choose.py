"""Which backend is chosen, and what a user hears of it."""

import pytest
from loguru import logger

from rdagent.cli.main import main
from rdagent.jobs.backends.base import isolation_note
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.backends.local import LocalBackend


@pytest.fixture
def said():
    lines = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


def test_auto_takes_this_machine_where_no_engine_answers_and_says_that_it_does_not_isolate(
    monkeypatch, no_engine, said
):
    monkeypatch.setenv("FT_ENV", "auto")
    assert isinstance(choose_backend(), LocalBackend)
    assert "does not isolate" in "".join(said)


def test_auto_takes_an_engine_that_answers(monkeypatch, said):
    monkeypatch.setenv("FT_ENV", "auto")
    monkeypatch.setattr("rdagent.jobs.backends.choose.engine_answers", lambda: True)
    assert isinstance(choose_backend(), DockerBackend)
    assert said == []


def test_local_is_taken_without_a_look_at_engines(monkeypatch):
    monkeypatch.setenv("FT_ENV", "local")
    monkeypatch.setattr(
        "rdagent.jobs.backends.choose.engine_answers", lambda: pytest.fail("asked an engine")
    )
    assert isinstance(choose_backend(), LocalBackend)


def test_docker_is_taken_even_where_none_answers(monkeypatch, no_engine):
    monkeypatch.setenv("FT_ENV", "docker")
    assert isinstance(choose_backend(), DockerBackend)


def test_only_a_backend_that_does_not_isolate_has_a_note():
    assert isolation_note(DockerBackend()) is None
    assert "does not isolate" in isolation_note(LocalBackend())


def test_a_machine_without_an_engine_will_do_unless_one_is_insisted_on(
    monkeypatch, no_engine, capsys
):
    monkeypatch.setenv("FT_ENV", "auto")
    assert main(["doctor"]) == 0
    assert "nothing is isolated" in capsys.readouterr().out
    monkeypatch.setenv("FT_ENV", "docker")
    assert main(["doctor"]) == 5
