"""The evaluation job: what is mounted, what the program inside is told, what it must write."""

from __future__ import annotations

import json
from typing import Any

from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.preflight import Preflight, processes
from rdagent.evaluation.stopping import stop_rule
from rdagent.jobs.conf import BenchmarkDockerConf
from rdagent.jobs.profiles import evaluate_limits, offline_environment
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.records.requests import EvaluateRequest, Stage, Variant
from rdagent.records.status import STATUS_FILE

ENTRY = ("bash", "{mount:app}/eval_entrypoint.sh")
REQUEST_NAME = "request.json"


def told_inside(preflight: Preflight, stage: Stage = "all") -> EvaluateRequest:
    """Return what the program inside the image is told, with mounts by name."""
    request = preflight.request
    variants = tuple(
        Variant(
            checked.name,
            checked.model.inside,
            f"{{mount:adapter_{index}}}" if checked.adapter else None,
            checked.merge,
        )
        for index, checked in enumerate(preflight.variants)
    )
    return EvaluateRequest(
        variants=variants,
        tasks=preflight.tasks.names,
        output="{mount:out}",
        engine=preflight.engine,
        include=tuple(f"{{mount:include_{i}}}" for i in range(len(request.include))),
        limit=request.limit,
        num_fewshot=request.num_fewshot,
        batch_size=request.batch_size,
        seed=request.seed,
        gen_kwargs=request.gen_kwargs,
        max_model_len=request.max_model_len,
        max_lora_rank=preflight.max_lora_rank,
        num_gpus=len(preflight.gpus),
        tensor_parallel=request.tensor_parallel,
        dtype=request.dtype,
        chat_template=request.chat_template,
        system_prompt=request.system_prompt,
        max_gen_toks=request.max_gen_toks,
        thinking=request.thinking,
        long_prompts=request.long_prompts,
        sample=request.sample,
        fewshot=dict(request.fewshot_by_task),
        # The file's name holds the digest of what is in it.
        subset=f"{{mount:in}}/{request.subset.file_name}" if request.subset else None,
        script="{mount:script}" if request.script else None,
        kept=None if stage == "plan" else "{mount:kept}",
        memory_share=request.memory_share,
        stage=stage,
        shards=processes(request, preflight.gpus),
        stop=stop_rule(preflight) if request.stop_when_decided else None,
    )


def identity(preflight: Preflight, image: str) -> dict[str, Any]:
    """Return everything that decides the result; its digest is the run's identity."""
    return {
        "kind": "evaluate",
        "told": told_inside(preflight).to_json(),
        "variants": {
            checked.name: [checked.model_digest, checked.adapter_digest]
            for checked in preflight.variants
        },
        "include": list(preflight.include_digests),
        "data": dict(preflight.data.digests),
        "image": image,
        # Who agrees to a shorter context may get another result.
        **({"shorter": True} if preflight.request.allow_shorter_context else {}),
        **({"script": preflight.script_digest} if preflight.script_digest else {}),
        **({"endpoint": preflight.endpoint.identity()} if preflight.endpoint else {}),
    }


def build_job(preflight: Preflight, conf: BenchmarkDockerConf, stage: Stage = "all") -> JobSpec:
    """Return the job of a checked request; for a stage other than ``all``, a part of it."""
    told = told_inside(preflight, stage)
    adapters = [
        Mount(f"adapter_{index}", str(checked.adapter.path), f"/workspace/adapters/{index}")
        for index, checked in enumerate(preflight.variants)
        if checked.adapter
    ]
    models = [model.mount for model in preflight.models]
    include = [
        Mount(f"include_{i}", str(folder.absolute()), f"/workspace/include/{i}")
        for i, folder in enumerate(preflight.request.include)
    ]
    script = preflight.request.script
    scripts = [Mount("script", str(script.absolute()), "/workspace/script.json")] if script else []
    subset = preflight.request.subset
    subsets = {subset.file_name: json.dumps(subset.to_json())} if subset else {}
    return JobSpec(
        role="lm-eval",
        argv=ENTRY,
        limits=evaluate_limits(conf.resources()),
        mounts=(*models, *adapters, *include, *scripts, *_benchmarks()),
        environment=_environment(preflight),
        files={REQUEST_NAME: json.dumps(told.to_json(), ensure_ascii=False, indent=2), **subsets},
        results=(STATUS_FILE,),
        gpus=preflight.gpus,
        image=conf.chosen_image,
    )


def _benchmarks() -> tuple[Mount, ...]:
    folder = data_folder()
    if not folder.is_dir():
        return ()
    return (Mount("benchmarks", str(folder.absolute()), "/workspace/benchmarks"),)


def _environment(preflight: Preflight) -> dict[str, str]:
    request = preflight.request
    told = {
        "RDAGENT_REQUEST": f"{{mount:in}}/{REQUEST_NAME}",
        "RDAGENT_DEADLINE_SECONDS": str(round(request.timeout_seconds + 120)),
        "BENCHMARK_TASKS": ",".join(preflight.tasks.names),
        "BASE_MODEL": preflight.variants[0].model.inside,
        "BATCH_SIZE": request.batch_size,
        "NUM_GPUS": str(len(preflight.gpus)),
        "ENGINE": preflight.engine,
        "RDAGENT_SCRATCH": "{mount:scratch}",
    }
    adapters = [i for i, checked in enumerate(preflight.variants) if checked.adapter]
    if adapters:
        told["ADAPTER_PATH"] = f"{{mount:adapter_{adapters[0]}}}"
    if request.limit is not None:
        told["LIMIT"] = f"{request.limit:g}"
    if request.max_model_len is not None:
        told["MAX_MODEL_LEN"] = str(request.max_model_len)
    if preflight.data.digests:
        told["RDAGENT_BENCHMARKS"] = "{mount:benchmarks}"
    return {**offline_environment(len(preflight.gpus)), **told}
