"""What the program inside makes of engine ``endpoint``: it plans and scores, and asks nobody."""

import pytest

from rdagent.errors import SettingsError
from rdagent.inside.evaluate import environment
from rdagent.inside.evaluate.grouping import groups_of
from rdagent.records.requests import EvaluateRequest, Variant


def test_the_models_of_a_server_are_planned_and_scored_as_one_group():
    variants = (Variant("a", "model-a"), Variant("b", "model-b"))
    request = EvaluateRequest(variants, ("t",), "out", "endpoint")
    (group,) = groups_of(request)
    assert group.variants == variants


def test_the_image_alone_cannot_ask_a_server():
    variables = {"ENGINE": "endpoint", "BASE_MODEL": "m", "ADAPTER_PATH": "/no/such/folder"}
    with pytest.raises(SettingsError, match="ENGINE is 'endpoint'") as caught:
        environment.read(variables)
    assert "rdagent eval --engine endpoint" in caught.value.hint
