"""Configuration and overrides, as the program in the image sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.train.configuration import (
    Configuration,
    Override,
    read_configuration,
    refuse_unknown_keys,
)


def test_an_override_is_recorded_with_the_old_value() -> None:
    changed = Configuration({"bf16": True}).with_overrides({"bf16": Override(False, "no GPU")})
    (applied,) = changed.applied
    assert (applied.key, applied.old, applied.new, applied.why) == ("bf16", True, False, "no GPU")


def test_an_override_wins_over_the_file() -> None:
    changed = Configuration({"bf16": True}).with_overrides({"bf16": Override(False, "no GPU")})
    assert changed.values == {"bf16": False}


def test_an_override_that_changes_nothing_is_not_recorded() -> None:
    same = Configuration({"report_to": "none"}).with_overrides({"report_to": Override("none", "")})
    assert same.applied == ()


def test_an_override_reads_as_one_line() -> None:
    changed = Configuration({}).with_overrides({"report_to": Override("none", "no network")})
    assert changed.applied[0].line() == 'override report_to: nothing -> "none" (no network)'


def test_a_json_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"do_train": True}))
    assert read_configuration(path).values == {"do_train": True}


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is missing"):
        read_configuration(tmp_path / "train.json")


@pytest.mark.parametrize("text", ["[]", "{}", "{", "3"])
def test_a_file_without_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(RefusedError):
        read_configuration(path)


def test_an_unknown_key_is_refused_with_the_near_name() -> None:
    with pytest.raises(RefusedError, match="did you mean lora_rank"):
        refuse_unknown_keys({"lora_rnak": 8}, ("lora_rank", "seed"))


def test_known_keys_pass() -> None:
    refuse_unknown_keys({"seed": 8}, ("lora_rank", "seed"))
