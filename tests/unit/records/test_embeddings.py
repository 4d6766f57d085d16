"""What the embedding program is told and says: read back as written, or refused."""

import json

import pytest

from rdagent.errors import ResultError
from rdagent.records.embeddings import Embedded, EmbedRequest

REQUEST = EmbedRequest("m", "t", "o", "cls", 256, whole=False, weights="stored", on_gpu=True)
EMBEDDED = Embedded(3, 4, (0, 2), 9, 8, "cpu", "float32", "00")


def test_both_are_read_as_they_were_written():
    assert EmbedRequest.from_json(json.loads(json.dumps(REQUEST.to_json()))) == REQUEST
    assert Embedded.from_json(json.loads(json.dumps(EMBEDDED.to_json()))) == EMBEDDED


@pytest.mark.parametrize(
    "change",
    [{"pooling": "max"}, {"weights": "int8"}, {"schema": "x"}, {"max_tokens": "9"}, {"whole": 1}],
)
def test_a_request_with_another_value_is_none(change):
    with pytest.raises(ResultError):
        EmbedRequest.from_json({**REQUEST.to_json(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"dimension": 0},
        {"dimension": -4},
        {"cut": [3]},
        {"cut": [-1]},
        {"cut": [True]},
        {"cut": ["0"]},
        {"sha256": None},
        {"count": True},
    ],
)
def test_counts_that_cannot_be_are_refused(change):
    with pytest.raises(ResultError):
        Embedded.from_json({**EMBEDDED.to_json(), **change})
