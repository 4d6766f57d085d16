"""The container's configuration under the seed's names."""

import pytest

from rdagent.core.settings import load
from rdagent.errors import RefusedError, SettingsError
from rdagent.jobs.conf import BenchmarkDockerConf, FTDockerConf, parse_size, with_timeout


@pytest.mark.parametrize(
    ("text", "size"),
    [("32g", 32 << 30), ("512M", 512 << 20), ("1.5k", 1536), ("7", 7), ("8GiB", 8 << 30)],
)
def test_a_size_is_read_as_docker_reads_it(text, size):
    assert parse_size(text) == size


def test_a_wrong_size_is_a_settings_error_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("BENCHMARK_DOCKER_MEM_LIMIT", "lots")
    with pytest.raises(SettingsError, match="BENCHMARK_DOCKER_MEM_LIMIT"):
        load(BenchmarkDockerConf)


def test_the_two_containers_have_prefixes_of_their_own(monkeypatch):
    monkeypatch.setenv("FT_DOCKER_MEM_LIMIT", "4g")
    assert load(FTDockerConf).resources().memory_bytes == 4 << 30
    assert load(BenchmarkDockerConf).resources().memory_bytes is None


def test_the_seeds_fields_have_the_seeds_values():
    conf = load(BenchmarkDockerConf)
    assert conf.default_entry == "bash /app/eval_entrypoint.sh"
    assert conf.running_timeout_period == 3600
    assert conf.dockerfile_folder_path.name == "lm_eval"
    assert with_timeout(conf, 7).resources().deadline_seconds == 7


def test_our_own_recipe_is_no_recipe_of_the_users():
    assert load(BenchmarkDockerConf).own_recipe is None
    assert load(FTDockerConf).chosen_image is None


def test_a_recipe_of_the_users_own_names_its_image_by_content(monkeypatch, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.11\n")
    monkeypatch.setenv("BENCHMARK_DOCKER_DOCKERFILE_FOLDER_PATH", str(tmp_path))
    first = load(BenchmarkDockerConf).chosen_image
    (tmp_path / "more.txt").write_text("x")
    second = load(BenchmarkDockerConf).chosen_image
    assert first.startswith("rdagent-own:")
    assert first != second
    monkeypatch.setenv("BENCHMARK_DOCKER_IMAGE", "mine:1")
    assert load(BenchmarkDockerConf).chosen_image == "mine:1"


def test_a_folder_without_a_recipe_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("FT_DOCKER_DOCKERFILE_FOLDER_PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="no Dockerfile"):
        _ = load(FTDockerConf).chosen_image
