"""Texts become vectors in the real environment, and a text's vector is its own."""

import json
import os
import subprocess

import pytest

from rdagent.jobs.environments import plan_environment
from rdagent.suites.homebench.data.generate import Plan, generate, write
from tests.environments.conftest import RDAGENT
from tests.environments.test_refused_tasks import ROOT

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

#: What the order of additions changes in float32, in numbers up to one.
ROUNDING = 1e-5
COVERED = ("tiny last", "tiny mean", "gpt2 last", "bert mean", "bert cls")


@pytest.fixture(scope="module")
def facts(environments, tmp_path_factory):
    assert environments
    folder = tmp_path_factory.mktemp("embedded")
    python = plan_environment("lm-eval").libraries / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "tests.environments.embedding_facts", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "facts.json").read_text())


@pytest.mark.parametrize("what", COVERED)
@pytest.mark.parametrize("how", ["together", "one by one", "backwards", "in fives"])
def test_a_texts_vector_does_not_depend_on_what_else_is_in_its_batch(facts, what, how):
    assert facts[what][how] < ROUNDING


def test_padding_on_the_right_would_be_another_vector(facts):
    assert facts["padded on the right"] > 0.1


def test_positions_that_count_padding_would_be_another_vector(facts):
    assert facts["positions not told"] > 0.1


def test_a_long_text_loses_its_end_and_is_named_or_is_refused_where_its_end_matters(facts):
    assert facts["long"] == {"cut": [1], "code": 1, "reason": "refused", "vectors": False}


def test_a_text_is_as_long_as_the_least_that_is_said_of_it(facts):
    assert facts["limits"] == {"bert": 512, "told": 7, "xlm-roberta": 510}


@pytest.mark.parametrize(
    ("retriever", "model"), [("llm", "--model_name"), ("dense", "--embedding-model")]
)
def test_rooms_are_retrieved_with_a_local_model_and_found_again(
    environments, place, retriever, model
):
    data = place / f"homes for {retriever}"
    write(generate(Plan(homes=6, records=60, rooms=(4, 6), vocabulary="plain", seed=2)), data)
    command = [*RDAGENT, "homebench", "rag", "--retriever", retriever, model, "tiny", "--json"]
    documents = []
    for _ in range(2):
        done = subprocess.run(
            [*command, "--data-dir", str(data)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        documents.append(json.loads(done.stdout))
    first, second = documents
    assert (first["reused"], second["reused"]) == (False, True)
    assert first["records"] == second["records"]
    assert 0 < first["records"]["ALL"]["recall"] <= 1
    assert first["records"]["ALL"]["context_share"] < 1
    assert any("does not isolate" in note for note in first["notes"])
