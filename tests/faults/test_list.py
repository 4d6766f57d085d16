"""The list of faults names tests that are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PLACES = {
    "u": HERE.parent / "unit/jobs",
    "c": HERE.parent / "conformance",
    "e": HERE.parent / "engine",
    None: HERE,
}


def test_every_test_that_the_list_names_exists():
    listed = re.findall(r"`(?:([uce])/)?(test_[a-z_]+)`", (HERE / "README.md").read_text())
    assert len(listed) > 80
    missing = {
        name for place, name in listed if not (PLACES[place or None] / f"{name}.py").exists()
    }
    assert missing == set()


def test_every_file_of_faults_is_on_the_list():
    text = (HERE / "README.md").read_text()
    files = {path.stem for path in HERE.glob("test_*.py")} - {"test_list"}
    assert {name for name in files if f"`{name}`" not in text} == set()
