#!/usr/bin/env bash
# What the evaluation image runs.
#   RDAGENT_REQUEST           a request file; without it the variables below are the request
#   RDAGENT_WORKSPACE         where the workspace is seen; /workspace unless it is set
#   RDAGENT_DEADLINE_SECONDS  end after this long, even if nobody outside watches
#   BENCHMARK_TASKS BASE_MODEL ADAPTER_PATH LIMIT BATCH_SIZE NUM_GPUS MAX_MODEL_LEN ENGINE
#   OUTPUT_DIR HF_DATASETS_CACHE
set -euo pipefail

if [ -n "${RDAGENT_REQUEST:-}" ]; then
  request=("$RDAGENT_REQUEST")
else
  request=(--from-environment)
  workspace=${RDAGENT_WORKSPACE:-/workspace}
  export BENCHMARK_TASKS="${BENCHMARK_TASKS:-gsm8k}"
  export ADAPTER_PATH="${ADAPTER_PATH:-$workspace/output}"
  export OUTPUT_DIR="${OUTPUT_DIR:-$workspace/benchmark_results}"
fi

deadline=()
if [ -n "${RDAGENT_DEADLINE_SECONDS:-}" ]; then
  deadline=(timeout --kill-after=20 "$RDAGENT_DEADLINE_SECONDS")
fi

exec ${deadline[@]+"${deadline[@]}"} python -m rdagent.inside.evaluate "${request[@]}"
