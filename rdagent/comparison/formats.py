"""Every format by its name, and the folder that holds them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from rdagent.comparison.document import to_json
from rdagent.comparison.html import render_html
from rdagent.comparison.markdown import render_markdown
from rdagent.comparison.report import Report
from rdagent.comparison.tables import render_csv, render_junit
from rdagent.comparison.text import render_text
from rdagent.errors import UsageError
from rdagent.files import atomic


def render_json(report: Report) -> str:
    """Return the JSON document as text."""
    return json.dumps(to_json(report), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": render_text,
    "markdown": render_markdown,
    "json": render_json,
    "csv": render_csv,
    "junit": render_junit,
    "html": render_html,
}
_FILES = {
    "text": "report.txt",
    "markdown": "report.md",
    "json": "report.json",
    "csv": "report.csv",
    "junit": "report.xml",
    "html": "report.html",
}


def write_report(report: Report, form: str, path: Path) -> None:
    """Write one format; raises UsageError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, FORMATS[form](report))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="Give a file in a folder that we may write to."
        ) from None


def write_all(report: Report, folder: Path) -> None:
    """Write every format into a folder."""
    for form, name in _FILES.items():
        write_report(report, form, folder / name)
