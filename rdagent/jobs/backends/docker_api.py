"""The only module that imports docker-py: one connection, and its errors as ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rdagent.errors import EngineUnavailable, ImageUnavailable, InfrastructureError
from rdagent.jobs.spec import Mount

if TYPE_CHECKING:
    from docker import APIClient

NO_ENGINE_HINT = (
    "Start one with 'make engine' (installs Debian's docker.io and starts it), "
    "or start your own; DOCKER_HOST is honoured. 'rdagent doctor' tells more."
)
READ_TIMEOUT_SECONDS = 120
ANSWER_SECONDS = 5


@lru_cache(maxsize=1)
def connect() -> APIClient:
    """Return the connection to the engine; raises EngineUnavailable if none answers."""
    from docker.utils import kwargs_from_env

    import docker

    with engine_errors():
        return docker.APIClient(version="auto", timeout=READ_TIMEOUT_SECONDS, **kwargs_from_env())


def disconnect() -> None:
    """Close the connection; the next call makes a new one."""
    if connect.cache_info().currsize:
        connect().close()
    connect.cache_clear()


def engine_answers() -> bool:
    """Tell quickly whether an engine answers; one that takes long to say so does not."""
    from docker.utils import kwargs_from_env

    import docker

    try:
        with engine_errors():
            client = docker.APIClient(timeout=ANSWER_SECONDS, **kwargs_from_env())
            client.ping()
            client.close()
    except InfrastructureError:
        return False
    return True


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what docker-py raises into the errors of this package."""
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    unreachable = (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        ConnectionError,
        TimeoutError,
    )
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ImageUnavailable(
            f"image not found: {error.explanation}", hint="Build it with 'rdagent build'."
        ) from error
    except docker.errors.APIError as error:
        message = f"the container engine refused: {error.explanation or error}"
        raise InfrastructureError(message, retryable=error.is_server_error()) from error
    except unreachable as error:
        disconnect()
        raise EngineUnavailable(
            f"no container engine answers: {error}", hint=NO_ENGINE_HINT, retryable=True
        ) from error


class Refused(Exception):
    """The engine answered, and said no; ``status`` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def refusals() -> Iterator[None]:
    """Turn a refusal into Refused, for callers that look at it; other errors as usual."""
    import docker.errors

    with engine_errors():
        try:
            yield
        except docker.errors.APIError as error:
            status = error.status_code or 500
            raise Refused(str(error.explanation or error), status) from error


def is_missing(refused: Refused) -> bool:
    """Tell whether the engine does not know what was named."""
    return refused.status == 404


def is_conflict(refused: Refused) -> bool:
    """Tell whether the name is taken, or the container is not in the state for it."""
    return refused.status in (304, 409)


def bind(mount: Mount) -> Any:
    """Return a bind mount; the engine refuses it when its source is missing."""
    from docker.types import Mount as Bind

    return Bind(
        target=mount.target,
        source=mount.source,
        type="bind",
        read_only=mount.read_only,
        propagation="rprivate",
    )


def ulimits(values: Mapping[str, int]) -> list[Any]:
    """Return resource limits, soft and hard alike."""
    from docker.types import Ulimit

    return [Ulimit(name=name, soft=value, hard=value) for name, value in values.items()]


def bounded_log() -> Any:
    """Return a log driver that keeps 100 MB at most; the default keeps everything.

    Compressing what is thrown away next costs a core while a job prints much.
    """
    from docker.types import LogConfig

    config = {"max-size": "20m", "max-file": "5", "compress": "false"}
    return LogConfig(type="local", config=config)


def gpu_requests(devices: tuple[str, ...]) -> list[Any]:
    """Return requests for exactly these devices."""
    from docker.types import DeviceRequest

    if not devices:
        return []
    return [DeviceRequest(device_ids=list(devices), capabilities=[["gpu"]])]


@contextmanager
def stdin_of(identifier: str, content: bytes) -> Iterator[None]:
    """Attach to a container's input, and send ``content`` when the block, a start, has ended."""
    if not content:
        yield
        return
    attached = connect().attach_socket(identifier, params={"stdin": 1, "stream": 1})
    channel = getattr(attached, "_sock", attached)
    try:
        yield
        channel.sendall(content)
        channel.shutdown(socket.SHUT_WR)
    finally:
        if response := getattr(attached, "_response", None):
            response.close()
        attached.close()
        channel.close()
