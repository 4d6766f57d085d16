#!/usr/bin/env bash
# What the training image runs.
#   RDAGENT_REQUEST           a request file; without it the variables below are the request
#   RDAGENT_WORKSPACE         where the workspace is seen; /workspace unless it is set
#   RDAGENT_DEADLINE_SECONDS  end after this long, even if nobody outside watches
#   TRAIN_CONFIG (a LLaMA-Factory YAML) BASE_MODEL (instead of the one it names)
set -euo pipefail

if [ -n "${RDAGENT_REQUEST:-}" ]; then
  request=("$RDAGENT_REQUEST")
else
  request=(--from-environment)
  workspace=${RDAGENT_WORKSPACE:-/workspace}
  export TRAIN_CONFIG="${TRAIN_CONFIG:-$workspace/train.yaml}"
fi

deadline=()
if [ -n "${RDAGENT_DEADLINE_SECONDS:-}" ]; then
  deadline=(timeout --kill-after=60 "$RDAGENT_DEADLINE_SECONDS")
fi

exec ${deadline[@]+"${deadline[@]}"} python -m rdagent.inside.train "${request[@]}"
