"""The documents say what the code does, and nothing that may not stand in the project."""

import re
import subprocess
from pathlib import Path

import pytest

from rdagent.adapters.problems import KINDS
from rdagent.cli.main import VERBS
from rdagent.jobs.outcome import Outcome
from rdagent.records.reasons import REASONS

ROOT = Path(__file__).parents[3]


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()]


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readme_names_every_verb(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"rdagent {verb}" not in text] == []


def test_the_readmes_tree_names_folders_that_are_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"```\n(rdagent/.*?)```", text, re.DOTALL).group(1)
    names = re.findall(r"^\s*([\w./-]+/)\s", tree, re.MULTILINE)
    assert len(names) > 12
    missing = [n for n in names if not any((ROOT / p / n).exists() for p in ("", "rdagent"))]
    assert missing == []


@pytest.mark.parametrize("reason", REASONS)
def test_the_architecture_page_gives_every_reason_its_exit_code(reason):
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    row = next(
        line for line in text.splitlines() if line.startswith("| `") and f"`{reason}`" in line
    )
    assert row.rstrip("| ").endswith(str(Outcome(reason).exit_code))


def test_every_reason_has_its_entry_among_the_troubles():
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(REASONS)


def test_the_page_on_adapters_lists_every_code_with_its_severity_and_fix():
    text = (ROOT / "docs/adapter-checks.md").read_text(encoding="utf-8")
    rows = {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.split("\n")}
    listed = {row for row in rows if row[0].startswith("`") and len(row) == 4}
    known = {(f"`{code}`", k.severity, k.meaning, k.fix) for code, k in KINDS.items()}
    assert listed == known


def test_relative_links_lead_somewhere():
    dead = []
    for page in tracked("*.md"):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert dead == []


def test_no_source_file_is_longer_than_500_lines():
    long = {
        p.name: n for p in tracked("*.py") if (n := len(p.read_text("utf-8").splitlines())) > 500
    }
    assert long == {}


def test_no_name_of_a_package_index_stands_in_the_project():
    hosts = "|".join(
        ("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", r"deb\.debian" + r"\.org")
    )
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.stat().st_size < 2_000_000
        and re.search(hosts, path.read_bytes().decode("utf-8", "ignore"))
    ]
    assert found == []


PLACES = {
    "s/": "tests/unit/scenarios/",
    "i/": "tests/unit/inside/evaluate/",
    "e/": "tests/environments/equality/",
    "a/": "tests/unit/adapters/",
}


def test_every_trap_names_tests_that_are_there():
    named = re.findall(r"`([siea]/)([\w.]+)::(test_\w+)`", (ROOT / "docs/traps.md").read_text())
    assert len(named) >= 20
    for place, file, test in named:
        assert f"def {test}(" in (ROOT / PLACES[place] / file).read_text(), test
