"""Get the released files from where their authors put them, pinned to one commit.

They have no stated licence, so nothing of them ships with this package.  Every file is held
against git's own name of its content before it takes its place; what is here already is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rdagent import __version__
from rdagent.errors import InfrastructureError, RefusedError
from rdagent.files.atomic import write_bytes
from rdagent.files.printable import one_line, readable_size
from rdagent.suites.homebench.data.files import RELEASED, blob_id, file_blob_id

COMMIT = "6d650caa19ba061e8790fc0f78f506169d029e4e"
SOURCE = f"https://raw.githubusercontent.com/BITHLP/HomeBench/{COMMIT}/dataset"
#: The largest released file has about 20 MB.
FILE_LIMIT = 64 << 20
TIMEOUT_SECONDS = (10.0, 60.0)
_CHUNK = 1 << 20
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file that is here now."""

    name: str
    bytes: int
    #: It was here already, and is the released one.
    was_here: bool


def fetch(
    folder: Path,
    source: str = SOURCE,
    *,
    files: Mapping[str, str] = RELEASED,
    replace: bool = False,
    say: Say = lambda text: None,
) -> tuple[Fetched, ...]:
    """Bring ``files`` (name → git's name of the content) into ``folder``.

    Another file of a name that is there is refused, before anything is got, unless
    ``replace`` is given.  Raises InfrastructureError when the source cannot be reached or
    sends something else; the files that came whole until then stay.
    """
    if urlsplit(source).scheme not in ("http", "https"):
        raise RefusedError(f"{source!r} is no address", hint="Give one with https:// before it.")
    here = {name: _is_here(folder / name, blob) for name, blob in files.items()}
    other = [name for name in files if (folder / name).exists() and not here[name]]
    if other and not replace:
        raise RefusedError(
            f"{folder / other[0]} is there already, and is not the released file",
            hint="Give --replace to put that one in its place, or another --data-dir.",
        )
    return tuple(
        Fetched(name, (folder / name).stat().st_size, was_here=True)
        if here[name]
        else _get(folder / name, f"{source.rstrip('/')}/{name}", blob, say)
        for name, blob in files.items()
    )


def _is_here(path: Path, blob: str) -> bool:
    return path.is_file() and file_blob_id(path) == blob


def _get(target: Path, address: str, blob: str, say: Say) -> Fetched:
    content = bytearray()
    for chunk in _chunks(address):
        content += chunk
        if len(content) > FILE_LIMIT:
            raise InfrastructureError(
                f"{address} sends over {readable_size(FILE_LIMIT)}",
                hint="That is no file of HomeBench; check --from.",
            )
        say(f"{target.name}: {readable_size(len(content))}")
    found = blob_id(content)
    if found != blob:
        raise InfrastructureError(
            f"{address} sent {len(content)} bytes that are not the released {target.name}"
            f" (git calls them {found[:12]}, not {blob[:12]})",
            hint="A mirror or a proxy may alter files, line ends for one; try another source.",
        )
    write_bytes(target, bytes(content))
    return Fetched(target.name, len(content), was_here=False)


def _chunks(address: str) -> Iterator[bytes]:
    import requests

    headers = {"User-Agent": f"rdagent/{__version__}", "Accept-Encoding": "identity"}
    try:
        with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            if answer.status_code != 200:
                raise InfrastructureError(
                    f"{address} answered {answer.status_code}",
                    hint="Check --from; the folder that it names holds the files.",
                    retryable=answer.status_code == 429 or answer.status_code >= 500,
                )
            yield from answer.iter_content(_CHUNK)
    except requests.RequestException as error:
        raise InfrastructureError(
            f"{address} cannot be reached: {one_line(str(error), 200)}",
            hint="Check the network; the same command goes on with the files that are missing.",
            retryable=True,
        ) from error
