# The libraries of the training image; rebuilt when a lock changes. Context: the folder docker/.
#   docker build -f docker/train/deps.Dockerfile -t rdagent-train-deps:latest docker
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS installed
ARG STAGE=by-hand
LABEL io.rdagent.stage=${STAGE}
ARG WHEELS=
ARG TORCH_INDEX=
ARG ACCELERATOR=cpu
COPY . /context/
RUN bash /context/install.sh /context/train "${ACCELERATOR}" "${WHEELS}"

FROM ${BASE}
COPY --from=installed /opt/venv /opt/venv
RUN groupadd --gid 10001 rdagent \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp rdagent \
    && mkdir --parents /workspace /app && chmod 1777 /workspace
# Any user id may run this image, with a read-only root: everything written goes to /tmp.
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp USER=rdagent XDG_CACHE_HOME=/tmp/.cache MPLCONFIGDIR=/tmp/.cache/matplotlib \
    HF_HUB_DISABLE_TELEMETRY=1 DO_NOT_TRACK=1
LABEL io.rdagent.role=train
WORKDIR /workspace
USER 10001:10001
