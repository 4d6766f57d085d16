"""How what a job wrote is judged: contents that a stranger could send."""

import pytest

from rdagent.jobs.output import results_of

STATUS = '{"schema": "rdagent.inside-status/1", "reason": "ok", "parts": []}'
WANTED = ("status.json", "results.json")

RESULTS = {
    "no bytes": (b"", "invalid"),
    "half a document": (b'{"a": [1,', "invalid"),
    "infinity": (b'{"a": -Infinity}', "invalid"),
    "a number of 100000 digits": (b'{"a": ' + b"9" * 100_000 + b"}", "invalid"),
    "100000 brackets": (b"[" * 100_000, "invalid"),
    "bytes that are no text": (b'{"a": "\xff"}', "invalid"),
    "text after the document": (b"{} {}", "invalid"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "present"),
    "half a surrogate pair": (b'{"a": "\\ud800"}', "present"),
    "one key twice": (b'{"a": 1, "a": 2}', "present"),
    "blanks around": (b"\n  {}\n", "present"),
}


@pytest.mark.parametrize("content", RESULTS)
def test_a_document_is_taken_only_when_it_is_whole_and_strict(tmp_path, content):
    written, judged = RESULTS[content]
    (tmp_path / "status.json").write_text(STATUS)
    (tmp_path / "results.json").write_bytes(written)
    assert results_of(tmp_path, WANTED)[0] == judged


SAID = {
    "another schema": STATUS.replace("status/1", "status/9"),
    "an unknown reason": STATUS.replace('"ok"', '"fine"'),
    "a reason that only its supervisor can know": STATUS.replace('"ok"', '"timeout"'),
    "a list": "[]",
    "a number for a reason": STATUS.replace('"ok"', "1"),
    "parts that are no list": STATUS.replace("[]", '"all"'),
}


@pytest.mark.parametrize("said", SAID)
def test_a_status_that_says_something_strange_is_not_believed(tmp_path, said):
    (tmp_path / "status.json").write_text(SAID[said])
    assert results_of(tmp_path, ("status.json",)) == ("invalid", None)


def test_a_folder_that_was_replaced_by_a_link_holds_no_results(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "status.json").write_text(STATUS)
    (tmp_path / "out").symlink_to(elsewhere)
    assert results_of(tmp_path / "out", ("status.json",))[0] != "present"
