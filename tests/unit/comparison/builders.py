"""Write folders as lm_eval writes them, from a compact description of what a model scored.

``write_side`` makes one model's results and samples, ``write_run`` a run of ours with
several of them.  Hashes are made as lm_eval makes them, so a changed document, prompt or
target shows in them.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

STAMP = "2026-11-26T02-14-04.581000"
RUN_ID = "20261126-021404-c5690f41"
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
Layout = Literal["lm_eval", "file", "plain"]


@dataclass(frozen=True)
class TaskSpec:
    """One task of one model; everything but the values has a default that fits together."""

    #: The score of each document in the task's first metric.
    values: Sequence[float | bool | None]
    metric: str = "exact_match"
    filter: str = "none"
    kind: Literal["generate", "choice"] = "generate"
    #: ``metric,filter`` → values of the same documents.
    more: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    #: The documents' ids; 0, 1, 2 and so on when left out.
    ids: Sequence[int] | None = None
    docs: Sequence[Mapping[str, Any]] | None = None
    targets: Sequence[str] | None = None
    prompts: Sequence[str] | None = None
    #: A generated answer, or the number of the choice that is taken.
    answers: Sequence[Any] | None = None
    #: What the filter makes of each answer; the answer itself when left out.
    extracted: Sequence[str] | None = None
    version: Any = 1.0
    n_shot: int = 0
    higher_is_better: bool = True
    original: int | None = None
    #: Added to the task's entry in ``configs``; None as a value takes a field away.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: Added to the task's entry in ``results``, over what follows from the values.
    reported: Mapping[str, Any] = field(default_factory=dict)
    aggregation: str = "mean"

    def with_values(self, values: Sequence[float | bool | None]) -> "TaskSpec":
        """Return the same task with other scores: another model's."""
        return replace(self, values=values)

    def doc_ids(self) -> Sequence[int]:
        """Return the documents' ids."""
        return self.ids if self.ids is not None else range(len(self.values))


def sha(text: str) -> str:
    """Return lm_eval's hash of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def doc_sha(doc: Mapping[str, Any]) -> str:
    """Return lm_eval's hash of a document."""
    return sha(json.dumps(doc, indent=2, ensure_ascii=False))


def rows_of(name: str, task: TaskSpec) -> list[dict[str, Any]]:
    """Return the rows of a task's samples file, one per document and filter."""
    by_filter: dict[str, dict[str, Sequence[Any]]] = {task.filter: {task.metric: task.values}}
    for key, values in task.more.items():
        metric, _, filter_name = key.rpartition(",")
        by_filter.setdefault(filter_name, {})[metric] = values
    return [
        _row(name, task, place, filter_name, {m: found[place] for m, found in metrics.items()})
        for filter_name, metrics in by_filter.items()
        for place in range(len(task.values))
    ]


def _row(
    name: str, task: TaskSpec, place: int, filter_name: str, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    doc_id = task.doc_ids()[place]
    doc = dict(task.docs[place]) if task.docs else {"question": f"Question {doc_id} of {name}?"}
    target = str(task.targets[place]) if task.targets else _target(task, doc_id)
    prompt = task.prompts[place] if task.prompts else f"{doc.get('question', doc_id)}\nAnswer:"
    return {
        "doc_id": doc_id,
        "doc": doc,
        "target": target,
        **_answered(task, place, prompt, metrics),
        "filter": filter_name,
        "metrics": list(metrics),
        "doc_hash": doc_sha(doc),
        "prompt_hash": sha(prompt),
        "target_hash": sha(target),
        **metrics,
    }


def _target(task: TaskSpec, doc_id: int) -> str:
    return str(doc_id % 4) if task.kind == "choice" else f"target {doc_id}"


def _answered(
    task: TaskSpec, place: int, prompt: str, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    given = task.answers[place] if task.answers else None
    if task.kind == "choice":
        chosen = place % 4 if given is None else int(given)
        likelihoods = [[str(-1.0 if n == chosen else -2.5 - n), str(n == chosen)] for n in range(4)]
        return {
            "arguments": {
                f"gen_args_{n}": {"arg_0": prompt, "arg_1": f" choice {n}"} for n in range(4)
            },
            "resps": [[pair] for pair in likelihoods],
            "filtered_resps": likelihoods,
        }
    text = f"answer {place} scores {next(iter(metrics.values()))}" if given is None else given
    texts = list(text) if isinstance(text, list) else [text]
    first = task.extracted[place] if task.extracted else texts[0]
    told = {"until": ["\n"], "do_sample": False, "temperature": 0.0, "max_gen_toks": 256}
    told |= (task.config.get("generation_kwargs") or {}) if task.config else {}
    return {
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": told}},
        "resps": [texts],
        "filtered_resps": [first if len(texts) == 1 or task.extracted else texts],
    }


def results_of(
    tasks: Mapping[str, TaskSpec],
    *,
    model: str = "base",
    adapter: str | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    config: Mapping[str, Any] | None = None,
    model_args: Mapping[str, Any] | None = None,
    document: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a results document as lm_eval 0.4.13 writes it."""
    groups = groups or {}
    args = {"pretrained": model, "dtype": "float32", **({"peft": adapter} if adapter else {})}
    entries = {name: _entry(name, task) for name, task in tasks.items()}
    scored = {name: _group_entry(name, members, tasks) for name, members in groups.items()}
    return {
        "results": {**scored, **entries},
        **({"groups": scored} if scored else {}),
        "group_subtasks": {**{n: list(m) for n, m in groups.items()}, **{n: [] for n in tasks}},
        "configs": {name: _config(name, task, model) for name, task in tasks.items()},
        "versions": {name: task.version for name, task in tasks.items()},
        "n-shot": {name: task.n_shot for name, task in tasks.items()},
        "higher_is_better": {name: _directions(task) for name, task in tasks.items()},
        "n-samples": {
            name: {"original": task.original or len(task.values), "effective": len(task.values)}
            for name, task in tasks.items()
        },
        "config": {
            "model": "hf",
            "model_args": {**args, **(model_args or {})},
            "model_num_parameters": 1065984,
            "model_dtype": "torch.float32",
            "model_revision": "main",
            "model_sha": "",
            "batch_size": "16",
            "batch_sizes": [],
            "device": "cpu",
            "use_cache": None,
            "limit": None,
            "bootstrap_iters": 100000,
            "gen_kwargs": None,
            "random_seed": 0,
            "numpy_seed": 1234,
            "torch_seed": 1234,
            "fewshot_seed": 1234,
            **(config or {}),
        },
        "git_hash": None,
        "date": 1795659251.48206,
        "transformers_version": "5.19.0",
        "lm_eval_version": "0.4.13",
        "upper_git_hash": None,
        "tokenizer_pad_token": ["<|endoftext|>", "0"],
        "tokenizer_eos_token": ["<|im_end|>", "2"],
        "tokenizer_bos_token": [None, "None"],
        "eot_token_id": 2,
        "max_length": 2048,
        "task_hashes": {name: sha(name) for name in tasks},
        "model_source": "hf",
        "model_name": adapter or model,
        "model_name_sanitized": (adapter or model).replace("/", "__"),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": True,
        "chat_template": TEMPLATE,
        "chat_template_sha": sha(TEMPLATE),
        "total_evaluation_time_seconds": "22.329374121",
        **(document or {}),
    }


def _entry(name: str, task: TaskSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "alias": name, "sample_len": len(task.values)}
    for key, values in {f"{task.metric},{task.filter}": task.values, **task.more}.items():
        metric, _, filter_name = key.rpartition(",")
        mean = _mean(values)
        found[key] = mean
        found[f"{metric}_stderr,{filter_name}"] = _stderr(values, mean)
    return {**found, **task.reported}


def _mean(values: Sequence[Any]) -> float | str:
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return math.fsum(numbers) / len(numbers) if numbers else "N/A"


def _stderr(values: Sequence[Any], mean: float | str) -> float | str:
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if isinstance(mean, str) or len(numbers) < 2:
        return "N/A"
    variance = math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)
    return math.sqrt(variance / len(numbers))


def _group_entry(
    name: str, members: Sequence[str], tasks: Mapping[str, TaskSpec]
) -> dict[str, Any]:
    leaves = [tasks[member] for member in members if member in tasks]
    values = [value for task in leaves for value in task.values]
    key = f"{leaves[0].metric},{leaves[0].filter}" if leaves else "acc,none"
    return {"name": name, "alias": name, key: _mean(values)}


def _config(name: str, task: TaskSpec, model: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_name": name,
        "test_split": "test",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "description": "",
        "target_delimiter": " ",
        "fewshot_delimiter": "\n\n",
        "num_fewshot": task.n_shot,
        "metric_list": [
            {
                "metric": metric,
                "aggregation": task.aggregation,
                "higher_is_better": task.higher_is_better,
            }
            for metric in _directions(task)
        ],
        "output_type": "multiple_choice" if task.kind == "choice" else "generate_until",
        "repeats": 1,
        "should_decontaminate": False,
        "metadata": {"version": task.version, "pretrained": model},
    }
    if task.kind == "generate":
        told = {"until": ["\n"], "do_sample": False, "temperature": 0.0, "max_gen_toks": 256}
        found["generation_kwargs"] = told
        filters = [task.filter, *(key.rpartition(",")[2] for key in task.more)]
        found["filter_list"] = [
            {"name": one, "filter": [{"function": "take_first"}]} for one in dict.fromkeys(filters)
        ]
    for key, value in task.config.items():
        if key == "generation_kwargs" and isinstance(value, Mapping):
            found[key] = {**found.get(key, {}), **value}
        elif value is None:
            found.pop(key, None)
        else:
            found[key] = value
    return found


def _directions(task: TaskSpec) -> dict[str, bool]:
    metrics = [task.metric, *(key.rpartition(",")[0] for key in task.more)]
    return dict.fromkeys(metrics, task.higher_is_better)


def write_side(
    folder: Path,
    *,
    model: str = "base",
    tasks: Mapping[str, TaskSpec],
    layout: Layout = "lm_eval",
    stamp: str = STAMP,
    samples: bool = True,
    **settings: Any,
) -> Path:
    """Write one model's results and samples into ``folder``; returns the results file.

    ``layout``: ``lm_eval`` is ``<model>/results_<time>.json``, ``file`` is ``scores_<time>.json``,
    ``plain`` is ``results.json`` with ``samples_<task>.jsonl``.  ``settings`` are those of
    ``results_of``: adapter, groups, config, model_args, document.
    """
    document = results_of(tasks, model=model, **settings)
    place = folder / document["model_name_sanitized"] if layout == "lm_eval" else folder
    place.mkdir(parents=True, exist_ok=True)
    names = {"lm_eval": f"results_{stamp}.json", "file": f"scores_{stamp}.json"}
    path = place / names.get(layout, "results.json")
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
    for name, task in tasks.items() if samples else ():
        ending = "" if layout == "plain" else f"_{stamp}"
        write_rows(place / f"samples_{name}{ending}.jsonl", rows_of(name, task))
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a samples file."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def write_run(
    root: Path,
    variants: Mapping[str, Mapping[str, Any]],
    *,
    run_id: str = RUN_ID,
    label: str = "",
) -> Path:
    """Write a run of ours; each variant is given as the arguments of ``write_side``.

    ``said`` and ``identity`` among them go into ``variant.json`` and ``identity.json``.
    """
    run = root / run_id
    for name, given in variants.items():
        told = dict(given)
        said, identity = told.pop("said", {}), told.pop("identity", sha(f"{run_id}:{name}"))
        folder = run / "variants" / name
        write_side(folder, layout="plain", **told)
        variant = {"schema": "rdagent.variant/2", "name": name, "engine": "hf", **said}
        (folder / "variant.json").write_text(json.dumps(variant))
        document = {"schema": "rdagent.answer-identity/1", "identity": identity, "of": {}}
        (folder / "identity.json").write_text(json.dumps(document))
    request = {
        "kind": "evaluate",
        "told": {"variants": [{"name": name} for name in variants]},
        "identity": sha(run_id),
        "created": "2026-11-26T02:14:04.581Z",
        "label": label,
    }
    (run / "request.json").write_text(json.dumps(request))
    return run
