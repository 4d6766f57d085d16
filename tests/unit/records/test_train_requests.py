"""What the program inside the training image is told."""

from rdagent.records.requests import TRAIN_SCHEMA, TrainRequest

USUAL = TrainRequest("c", "f", "o", {"report_to": "none"})


def test_a_request_is_read_as_it_was_written():
    request = TrainRequest("c", "f", "o", {}, processes=2, row_names="names")
    assert TrainRequest.from_json(request.to_json()) == request
    assert TrainRequest.from_json(USUAL.to_json()) == USUAL


def test_a_usual_training_is_asked_for_as_before():
    assert USUAL.to_json() == {
        "schema": TRAIN_SCHEMA,
        "config": "c",
        "folder": "f",
        "output": "o",
        "overrides": {"report_to": "none"},
    }
