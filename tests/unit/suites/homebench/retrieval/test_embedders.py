"""Who embeds: what decides vectors, and what a language model is told."""

import pytest

from rdagent.demo import paths
from rdagent.errors import RefusedError, UsageError
from rdagent.suites.homebench.retrieval.embedders import (
    local_dense,
    local_llm,
    served_dense,
)


def test_a_language_model_gets_rooms_and_requests_in_the_same_words(llm):
    assert llm.query == llm.passage
    assert llm.query.around("on").startswith("After thinking step by step")
    assert (llm.source.pooling, llm.source.whole) == ("last", True)


def test_a_short_name_stands_in_files_as_the_models_own(llm):
    assert llm.name == paths.MODEL_NAME


def test_one_model_as_llm_and_as_dense_has_different_vectors(llm, dense):
    assert llm.source.digest == dense.source.digest
    assert llm.identity() != dense.identity()


@pytest.mark.parametrize("prefixes", [("query: ", None), (None, "passage: ")])
def test_other_prefixes_are_other_vectors(dense, prefixes):
    assert local_dense("tiny", *prefixes).identity() != dense.identity()


def test_other_weights_are_other_vectors(sentence_model):
    folder = sentence_model()
    before = local_llm(str(folder)).identity()
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert local_llm(str(folder)).identity() != before


def test_a_model_that_is_not_here_is_refused_with_the_command_that_gets_it():
    with pytest.raises(RefusedError) as caught:
        local_llm("qwen")
    assert "rdagent models download" in caught.value.hint


def test_a_model_with_an_encoder_and_a_decoder_is_refused(sentence_model):
    folder = sentence_model(config={"model_type": "t5", "is_encoder_decoder": True})
    with pytest.raises(RefusedError, match="neither"):
        local_dense(str(folder))


def test_of_a_server_only_its_user_can_say_that_it_is_the_same():
    url = "https://host/v1"
    assert not served_dense(url, "m").is_known
    known = served_dense(url, "m", revision="june")
    assert known.is_known
    assert known.identity() != served_dense(url, "m", revision="july").identity()
    assert known.identity() != served_dense(url, "n", revision="june").identity()


@pytest.mark.parametrize(("url", "name"), [("nonsense", "m"), ("https://host/v1", "a\nb")])
def test_what_is_no_server_or_no_name_is_refused(url, name):
    with pytest.raises(UsageError):
        served_dense(url, name)


def test_a_long_name_of_a_server_fits_into_a_files_name():
    assert len(served_dense("https://host/v1", "m" * 250).name) <= 100
