"""What LLaMA-Factory reads of a row, as ``dataset_info.json`` says it.

Its rule, from its ``DatasetAttr.join``: without ``columns`` each column has its default
name; with ``columns`` only those listed there are read and every other one is none.
``tags`` is the same.  ``rows`` reads the files and checks them against this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rdagent.errors import RefusedError
from rdagent.training.keys import known_keys, near_names

INFO_FILE = "dataset_info.json"
FORMATS = ("alpaca", "sharegpt", "openai")
COLUMNS = (
    "prompt",
    "query",
    "response",
    "history",
    "messages",
    "system",
    "tools",
    "images",
    "videos",
    "audios",
    "chosen",
    "rejected",
    "kto_tag",
)
TAGS = (
    "role_tag",
    "content_tag",
    "user_tag",
    "assistant_tag",
    "observation_tag",
    "function_tag",
    "system_tag",
)
_STRUCTURE = ("formatting", "ranking", "subset", "split", "folder", "num_samples")
_ENTRY = (
    *_STRUCTURE,
    "columns",
    "tags",
    "file_name",
    "hf_hub_url",
    "ms_hub_url",
    "om_hub_url",
    "script_url",
    "cloud_file_name",
)
#: Stages that compare two answers, and read data with ``ranking``.
PAIRED = ("rm", "dpo")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of each row of one data set: our column or tag → the name in the file."""

    name: str
    formatting: str
    ranking: bool
    columns: Mapping[str, str | None]
    tags: Mapping[str, str | None]
    #: Rows that are drawn, with repetition; None for each row once.
    num_samples: int | None

    def column(self, of: str) -> str | None:
        """Return the file's name of a column, None where it is not read."""
        return self.columns.get(of) or None

    @property
    def required(self) -> dict[str, str]:
        """Columns without which LLaMA-Factory ends with a KeyError."""
        if self.formatting == "alpaca":
            wanted = ["prompt", "query", "history", "system", "tools"]
            wanted += [] if self.ranking else ["response"]
        else:
            wanted = ["messages"]
            wanted += ["system", "tools"] if self.formatting == "sharegpt" else []
        wanted += ["images", "videos", "audios", "kto_tag"]
        wanted += ["chosen", "rejected"] if self.ranking else []
        return {each: name for each in wanted if (name := self.column(each))}


def reading_of(name: str, entry: Mapping[str, Any], stage: str) -> Reading:
    """Return what is read; raises RefusedError when the description cannot be meant."""
    _refuse_unknown(name, entry, _ENTRY, "")
    formatting = entry.get("formatting", "alpaca")
    if formatting not in FORMATS:
        raise _refused(
            name, f"has the formatting {formatting!r}", f"It is one of {', '.join(FORMATS)}."
        )
    given = entry.get("num_samples")
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise _refused(name, f"has num_samples {given!r}", "It is a number of rows.")
    reading = Reading(
        name,
        formatting,
        bool(entry.get("ranking", False)),
        _mapped(name, entry, "columns", COLUMNS),
        _mapped(name, entry, "tags", TAGS),
        given,
    )
    _refuse_unlearnable(reading, entry, stage)
    return reading


def _refused(name: str, what: str, hint: str) -> RefusedError:
    return RefusedError(f"the data set {name} {what}", hint=hint)


def _refuse_unknown(
    name: str, given: Mapping[str, Any], known: tuple[str, ...], where: str
) -> None:
    """Refuse a misspelt name, which LLaMA-Factory would pass over without a word."""
    for key in given:
        near = near_names(key, known, 1)
        if key not in known and near:
            raise _refused(
                name,
                f"has {where}{key!r} in {INFO_FILE}, which LLaMA-Factory does not read",
                f"Did you mean {near[0]}?",
            )


def _mapped(
    name: str, entry: Mapping[str, Any], part: str, known: tuple[str, ...]
) -> dict[str, str | None]:
    defaults = known_keys().dataset_fields
    if part not in entry:
        return {key: defaults[key] for key in known}
    given = entry[part]
    if not isinstance(given, dict):
        raise _refused(name, f"has {part} {given!r}", "Write a JSON object.")
    for key, value in given.items():
        if value is not None and not isinstance(value, str):
            raise _refused(name, f"names {part}.{key} {value!r}", "A name is text.")
    _refuse_unknown(name, given, known, f"{part} ")
    return {key: given.get(key) for key in known}


def _refuse_unlearnable(reading: Reading, entry: Mapping[str, Any], stage: str) -> None:
    if reading.ranking != (stage in PAIRED):
        word = "has" if reading.ranking else "lacks"
        raise _refused(
            reading.name,
            f'{word} "ranking": true and cannot be used in the stage {stage}',
            "Ranked data is for the stages rm and dpo, and only they take it.",
        )
    for each in _needed(reading, stage):
        if reading.column(each) is None:
            raise _lost(reading, entry, each)
    if stage == "kto" and reading.column("kto_tag") is None:
        raise _refused(
            reading.name, "names no kto_tag", "The stage kto needs a column of true and false."
        )
    if reading.formatting != "alpaca":
        _refuse_lost_tags(reading)


def _needed(reading: Reading, stage: str) -> tuple[str, ...]:
    """Return the columns without which nothing is asked or nothing is learned."""
    if reading.formatting != "alpaca":
        return ("messages", *(("chosen", "rejected") if stage in PAIRED else ()))
    if stage in PAIRED:
        return ("chosen", "rejected", "prompt")
    return ("prompt",) if stage in ("pt", "ppo") else ("response", "prompt")


def _lost(reading: Reading, entry: Mapping[str, Any], column: str) -> RefusedError:
    default = known_keys().dataset_fields[column]
    if "columns" not in entry:
        return _refused(
            reading.name, f"names no column for {column!r}", f"Add columns to it in {INFO_FILE}."
        )
    usual = f' (without columns it is "{default}")' if default else ""
    what = "nothing would be learned" if column != "prompt" else "nothing would be asked"
    return _refused(
        reading.name,
        f"lists columns without {column!r}: {what}",
        f"Add {column!r} to its columns in {INFO_FILE}{usual}: once there is a list, "
        "LLaMA-Factory has no defaults.",
    )


def _refuse_lost_tags(reading: Reading) -> None:
    for tag in ("role_tag", "content_tag", "user_tag", "assistant_tag"):
        if reading.tags.get(tag) is None:
            default = known_keys().dataset_fields[tag]
            raise _refused(
                reading.name,
                f"lists tags without {tag!r}: its messages cannot be read",
                f"Add {tag!r} to its tags in {INFO_FILE} (without tags it is {default!r}): once"
                " there is a list, LLaMA-Factory has no defaults.",
            )
