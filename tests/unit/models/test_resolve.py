"""Where a model is found, and how its absence is said."""

import json

import pytest

from rdagent.errors import RefusedError
from rdagent.models.digest import folder_digest
from rdagent.models.resolve import resolve_model
from tests.weights import weights


def make_model(folder, config=None, file="model.safetensors"):
    folder.mkdir(parents=True)
    config = {"model_type": "qwen2", "max_position_embeddings": 2048} if config is None else config
    (folder / "config.json").write_text(json.dumps(config))
    (folder / file).write_bytes(weights())
    return folder


@pytest.fixture
def hub(tmp_path):
    return tmp_path / "hub"


def test_an_existing_folder_is_a_model(tmp_path, hub):
    folder = make_model(tmp_path / "my model 模型")
    model = resolve_model(str(folder), tmp_path / "models", hub)
    assert (model.folder, model.inside, model.context_length) == (
        folder,
        "{mount:base_model}",
        2048,
    )


def test_a_name_is_looked_for_under_models(tmp_path, hub):
    folder = make_model(tmp_path / "models" / "Qwen" / "Qwen2.5")
    assert resolve_model("Qwen/Qwen2.5", tmp_path / "models", hub).folder == folder


def test_a_name_in_the_hub_cache_mounts_the_folder_that_its_links_stay_in(tmp_path, hub):
    cached = hub / "models--Qwen--Qwen2.5"
    make_model(cached / "snapshots" / "abc")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    model = resolve_model("Qwen/Qwen2.5", tmp_path / "models", hub)
    assert model.mounted == cached
    assert model.inside == "{mount:base_model}/snapshots/abc"


def test_a_model_that_is_not_here_is_refused_with_the_command_that_gets_it(tmp_path, hub):
    with pytest.raises(RefusedError) as caught:
        resolve_model("Qwen/Nowhere", tmp_path / "models", hub)
    assert "rdagent models download Qwen/Nowhere" in caught.value.hint


def test_a_folder_without_a_configuration_is_no_model(tmp_path, hub):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RefusedError, match=r"no config\.json"):
        resolve_model(str(tmp_path / "empty"), tmp_path, hub)


def test_pickled_weights_are_refused(tmp_path, hub):
    folder = make_model(tmp_path / "m", file="pytorch_model.bin")
    with pytest.raises(RefusedError, match="pickles"):
        resolve_model(str(folder), tmp_path, hub)


@pytest.mark.parametrize("config", [[], {}, {"a": 1}])
def test_a_configuration_that_is_none_is_refused(tmp_path, hub, config):
    folder = make_model(tmp_path / "m", config=config)
    with pytest.raises(RefusedError):
        resolve_model(str(folder), tmp_path, hub)


def test_the_digest_follows_the_content_and_not_the_place(tmp_path):
    first, second = make_model(tmp_path / "a"), make_model(tmp_path / "b")
    cache = tmp_path / "cache"
    assert folder_digest(first, cache) == folder_digest(second, cache)
    (second / "model.safetensors").write_bytes(weights("other"))
    assert folder_digest(first, cache) != folder_digest(second, cache)


def test_the_digest_is_read_from_its_cache_the_second_time(tmp_path, monkeypatch):
    folder, cache = make_model(tmp_path / "a"), tmp_path / "cache"
    first = folder_digest(folder, cache)
    monkeypatch.setattr("rdagent.models.digest.file_digest", lambda path: pytest.fail("read again"))
    assert folder_digest(folder, cache) == first


def test_a_snapshot_given_by_its_path_is_mounted_with_its_blobs(tmp_path, hub):
    snapshot = make_model(hub / "models--Q--X" / "snapshots" / "abc")
    model = resolve_model(str(snapshot), tmp_path, hub)
    assert model.mounted == hub / "models--Q--X"
    assert model.inside == "{mount:base_model}/snapshots/abc"


def test_a_model_with_a_shard_missing_or_cut_short_is_refused_by_name(tmp_path, hub):
    folder = make_model(tmp_path / "m")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(RefusedError, match="not whole: 1 of 1 weight files are missing"):
        resolve_model(str(folder), tmp_path, hub)
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model.safetensors").write_bytes(weights()[:-1])
    with pytest.raises(RefusedError, match=r"not whole: model\.safetensors: it is damaged or cut"):
        resolve_model(str(folder), tmp_path, hub)
