"""What a sentence model's folder says, and which models are more than is computed here."""

import json

import pytest

from rdagent.errors import RefusedError
from rdagent.suites.homebench.retrieval.embedders import local_dense
from rdagent.suites.homebench.retrieval.sentence_models import SentenceModel, read_sentence_model

USUAL = ("Transformer", "Pooling", "Normalize")


def test_a_plain_transformer_is_pooled_by_its_mean(sentence_model):
    assert read_sentence_model(sentence_model()) == SentenceModel("mean", None, "", "")


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "last"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["lasttoken"]}, "last"),
    ],
)
def test_pooling_is_read_in_the_older_and_the_newer_form(sentence_model, config, pooling):
    assert read_sentence_model(sentence_model(config, USUAL)).pooling == pooling


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode_mean_tokens": True, "include_prompt": False},
        {"pooling_mode": 7},
        {},
        [],
    ],
)
def test_any_other_pooling_is_refused(sentence_model, config):
    with pytest.raises(RefusedError):
        read_sentence_model(sentence_model(config, USUAL))


@pytest.mark.parametrize(
    "modules",
    [(*USUAL, "Dense"), ("WordEmbeddings", "Pooling"), ("Transformer",), ()],
)
def test_a_model_with_other_parts_is_refused(sentence_model, modules):
    with pytest.raises(RefusedError, match="sentence-transformers"):
        read_sentence_model(sentence_model({"pooling_mode": "mean"}, modules))


def test_a_pooling_outside_of_the_folder_is_not_read(sentence_model, tmp_path):
    folder = sentence_model({"pooling_mode": "cls"}, USUAL)
    rows = json.loads((folder / "modules.json").read_text())
    rows[1]["path"] = "../elsewhere"
    (folder / "modules.json").write_text(json.dumps(rows))
    with pytest.raises(RefusedError, match="leaves its folder"):
        read_sentence_model(folder)


def test_a_damaged_file_is_named(sentence_model):
    folder = sentence_model({"pooling_mode": "cls"}, USUAL)
    (folder / "sentence_bert_config.json").write_text("{")
    with pytest.raises(RefusedError, match="sentence_bert_config"):
        read_sentence_model(folder)


def test_length_and_prefixes_are_the_models_own_until_others_are_given(sentence_model):
    folder = sentence_model(
        {"pooling_mode": "cls"},
        USUAL,
        sentence_bert_config={"max_seq_length": 256},
        config_sentence_transformers={"prompts": {"query": "query: ", "document": "passage: "}},
    )
    own = local_dense(str(folder))
    assert (own.source.max_tokens, own.source.pooling) == (256, "cls")
    assert own.query.around("on") == "query: on"
    assert own.passage.around("on") == "passage: on"
    given = local_dense(str(folder), "", "room: ")
    assert (given.query.around("on"), given.passage.around("on")) == ("on", "room: on")
