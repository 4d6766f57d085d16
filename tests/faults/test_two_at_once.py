"""Two who want the same: one workspace, one image."""

import json
import os
import subprocess
import sys

import pytest

from tests.faults.private_engine import IMAGE

pytestmark = pytest.mark.engine

RUN = """
import sys
from rdagent.jobs.conf import BenchmarkDockerConf
from rdagent.jobs.environment import BenchmarkDockerEnv
from rdagent.jobs.backends.docker import DockerBackend
conf = BenchmarkDockerConf(image=sys.argv[3], mem_limit="128m", shm_size="16m", enable_gpu=False)
end = BenchmarkDockerEnv(conf, DockerBackend()).run(["sh", "-c", sys.argv[2]], sys.argv[1])
print(end.reason)
"""

BUILD = """
import sys, json
from pathlib import Path
from rdagent.jobs.images import context, engine
from rdagent.jobs.images.build import run_build
from rdagent.jobs.images.engine import BuildRequest
from rdagent.files.locks import file_lock

waited = []
with file_lock(Path(sys.argv[1]), waited.append):
    built = engine.image_id("rdagent-faults:two") is None
    if built:
        recipe = Path(sys.argv[1]).with_name("Dockerfile")
        recipe.write_text("FROM rdagent-faults:tiny\\nRUN sleep 2; echo made > /made\\n")
        parts = context.stream({"Dockerfile": recipe})
        request = BuildRequest("rdagent-faults:two", "Dockerfile", parts, {}, {})
        run_build(request, progress=lambda line: None)
print(json.dumps({"built": built, "waited": waited, "id": engine.image_id("rdagent-faults:two")}))
"""


def begin(program, *words, **changes):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        env={**os.environ, **changes},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def both(*processes):
    ends = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    return [out.strip() for out, _ in ends]


def test_two_runs_in_one_workspace_publish_whole_files_and_leave_nothing(engine, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    script = "sleep 1; for i in $(seq 20000); do echo {0}; done > benchmark_results/results.json"
    places = {"FT_FILE_PATH": str(tmp_path / "ft")}
    pair = [begin(RUN, workspace, script.format(c), IMAGE, **places) for c in "ab"]
    assert both(*pair) == ["ok", "ok"]
    lines = (workspace / "benchmark_results/results.json").read_text().splitlines()
    assert (len(lines), len(set(lines))) == (20000, 1)
    assert [path.name for path in workspace.rglob(".*")] == []
    assert len(list(tmp_path.glob("ft/runs/*/status.json"))) == 2
    assert engine.containers() == []


def test_two_builders_of_one_image_build_it_once(engine, tmp_path):
    ends = [json.loads(o) for o in both(*(begin(BUILD, tmp_path / "b.lock") for _ in range(2)))]
    assert sorted(end["built"] for end in ends) == [False, True]
    assert ends[0]["id"] == ends[1]["id"] is not None
    with engine.connected() as client:
        client.remove_image("rdagent-faults:two")
