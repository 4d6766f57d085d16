"""Look a request for a server's models up: tasks and their data are here, the models are not.

``evaluation.preflight`` has what every engine's requests have in common.
"""

from __future__ import annotations

from dataclasses import replace

from rdagent.errors import RefusedError
from rdagent.evaluation.endpoint.address import (
    Endpoint,
    check_model_name,
    parse_endpoint,
    read_key,
)
from rdagent.evaluation.preflight import (
    CheckedVariant,
    Preflight,
    check_documents,
    checked_request,
    include_digests,
)
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.records.requests import BASE_VARIANT

#: What only whoever loads a model can obey, and its value when nobody asked for it.
_THE_SERVERS = {
    "dtype": "auto",
    "tensor_parallel": None,
    "num_gpus": None,
    "batch_size": "auto",
    "max_model_len": None,
    "memory_share": None,
    "long_prompts": "truncate",
    "allow_shorter_context": False,
}


def check_endpoint(request: EvaluationRequest) -> Preflight:
    """Check a request for engine ``endpoint``; raises UsageError or RefusedError, asks nothing."""
    request = checked_request(request)
    endpoint = parse_endpoint(
        request.endpoint, request.endpoint_revision, request.endpoint_concurrency
    )
    _refuse_what_cannot_be(request)
    variants = _variants(request)
    tasks = resolve_tasks(request.tasks, request.include)
    data = check_documents(request, tasks)
    ignored = tuple(name for name, usual in _THE_SERVERS.items() if getattr(request, name) != usual)
    notes = (*_ignored_notes(ignored), *_key_notes(request, endpoint))
    return Preflight(
        request=replace(request, **_THE_SERVERS),  # type: ignore[arg-type]
        tasks=tasks,
        variants=variants,
        data=data,
        include_digests=include_digests(request),
        engine="endpoint",
        gpus=(),
        notes=(*request.notes, *tasks.notes, *data.notes, *notes),
        endpoint=endpoint,
    )


def _variants(request: EvaluationRequest) -> tuple[CheckedVariant, ...]:
    wanted = ((NamedVariant(BASE_VARIANT),) if request.with_base else ()) + request.variants
    found = []
    for named in wanted:
        name = named.model or request.base_model
        if named.adapter is not None:
            raise RefusedError(
                f"engine endpoint cannot put the adapter {named.name!r} on a model that it does"
                " not load",
                hint="Serve it, and name it as the server does: --variant NAME=MODEL (vLLM:"
                " --enable-lora --lora-modules MODEL=FOLDER).",
            )
        if name is None:
            raise RefusedError(
                "no model is named", hint="Give the server's name for it: --base-model NAME."
            )
        found.append(CheckedVariant(named.name, check_model_name(name), ""))
    return tuple(found)


def _refuse_what_cannot_be(request: EvaluationRequest) -> None:
    if request.chat_template is False:
        raise RefusedError(
            "engine endpoint asks in messages, which the server puts into its own chat template",
            hint="Leave --chat-template out, or use engine hf or vllm.",
        )
    if request.thinking is not None:
        raise RefusedError(
            "engine endpoint cannot tell a server's chat template of thinking",
            hint="Set it where the model is served, and leave --thinking out.",
        )


def _ignored_notes(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ()
    return (f"of no effect, as the server decides on it: {', '.join(names)}",)


def _key_notes(request: EvaluationRequest, endpoint: Endpoint) -> tuple[str, ...]:
    """Return a warning when the key can be read on its way; raises for a key that is none."""
    if read_key(request.endpoint_key_file) is None or not endpoint.is_plain:
        return ()
    return (unencrypted(endpoint),)


def unencrypted(endpoint: Endpoint) -> str:
    """Return the warning for a key on an open road."""
    return f"the key goes to {endpoint.url} unencrypted: use https for it"
