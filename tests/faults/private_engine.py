"""A second Docker Engine of our own: its faults hurt nobody else, and nothing of it stays.

It has its own socket, data root, containerd and pid file, no bridge and no packet
filter.  containerd is apart, so that killing dockerd does not prevent its next start.
"""

import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import docker.errors

import docker

DOCKERD, CONTAINERD = shutil.which("dockerd"), shutil.which("containerd")
IMAGE = "rdagent-faults:tiny"
PROGRAMS = ["bash", "sh", "cat", "chmod", "cp", "dd", "env", "head", "id", "ln", "mkdir", "mkfifo"]
PROGRAMS += ["mv", "rm", "seq", "sleep", "timeout", "touch", "tr", "truncate", "wc", "yes"]
START_SECONDS = 60


def cannot_start() -> str | None:
    """Why a private engine is not possible here; None when it is."""
    if os.geteuid() != 0:
        return "a private engine needs root"
    if not DOCKERD or not CONTAINERD:
        return "a private engine needs dockerd and containerd on this machine"
    return None


class PrivateEngine:
    """Start, stop and kill it; ``url`` is for DOCKER_HOST."""

    def __init__(self, entry_script: Path) -> None:
        self._entry_script = entry_script
        self.root = Path(tempfile.mkdtemp(prefix="rdf-", dir="/tmp"))
        self.url = f"unix://{self.root}/d.sock"
        self._containerd: subprocess.Popen | None = None
        self._dockerd: subprocess.Popen | None = None
        (self.root / "c.toml").write_text(
            'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        )
        (self.root / "d.json").write_text(json.dumps({}))

    def start(self, *, live_restore: bool = False) -> None:
        """Start what does not run; returns when the engine answers."""
        if self._containerd is None:
            self._containerd = self._spawn(
                "c.log", CONTAINERD, "--config", "c.toml", "--root", f"{self.root}/c",
                "--state", f"{self.root}/cs", "--address", f"{self.root}/c.sock",
            )  # fmt: skip
            self._wait(lambda: (self.root / "c.sock").exists())
        (self.root / "d.pid").unlink(missing_ok=True)
        # Without a bridge dockerd removes docker0: this one gets a network of its own.
        self._dockerd = self._spawn(
            "d.log", "unshare", "--net", DOCKERD,
            "--config-file", f"{self.root}/d.json", "--host", self.url,
            "--data-root", f"{self.root}/data", "--exec-root", f"{self.root}/x",
            "--pidfile", f"{self.root}/d.pid", "--containerd", f"{self.root}/c.sock",
            "--bridge=none", "--iptables=false", "--ip-forward=false",
            *(["--live-restore"] if live_restore else []),
        )  # fmt: skip
        self._wait(self.answers)

    def _spawn(self, log: str, *argv: str) -> subprocess.Popen:
        with (self.root / log).open("ab") as sink:
            return subprocess.Popen(
                argv, cwd=self.root, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def _wait(self, ready) -> None:
        until = time.monotonic() + START_SECONDS
        while not ready():
            if time.monotonic() > until:
                log = (self.root / "d.log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"the private engine did not come up:\n{log}")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            with self.connected() as client:
                client.ping()
        except (docker.errors.DockerException, OSError):
            return False
        return True

    def end(self, number: int = signal.SIGTERM) -> None:
        """End dockerd; containerd and, under it, containers may go on."""
        if self._dockerd is None:
            return
        self._dockerd.send_signal(number)
        try:
            self._dockerd.wait(60)
        except subprocess.TimeoutExpired:
            self._dockerd.kill()
            self._dockerd.wait(10)
        self._dockerd = None

    @property
    def is_up(self) -> bool:
        return self._dockerd is not None and self._dockerd.poll() is None

    @contextmanager
    def connected(self):
        client = docker.APIClient(base_url=self.url, version="1.40", timeout=60)
        try:
            yield client
        finally:
            client.close()

    def containers(self) -> list[dict]:
        with self.connected() as client:
            return client.containers(all=True)

    def import_image(self) -> None:
        """Make an image of this machine's own shell and a few programs: a few megabytes."""
        tar = self.root / "tiny.tar"
        with tarfile.open(tar, "w") as archive:
            for name, path in sorted(_files().items()):
                archive.add(path.resolve(), name, recursive=False)
            archive.add(self._entry_script, "app/eval_entrypoint.sh")
        with self.connected() as client:
            client.import_image_from_file(str(tar), repository="rdagent-faults", tag="tiny")
        tar.unlink()

    def destroy(self) -> None:
        """Remove containers, end both processes by their ids, unmount and delete everything."""
        if self.is_up:
            for row in self.containers():
                with self.connected() as client:
                    client.remove_container(row["Id"], force=True)
        self.end()
        if self._containerd is not None:
            self._containerd.terminate()
            self._containerd.wait(20)
        for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = mount.split()[1]
            if place.startswith(f"{self.root}/"):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(self.root, ignore_errors=True)


def _files() -> dict[str, Path]:
    """The programs and the libraries that they load, by where they lie in the image."""
    found: dict[str, Path] = {}
    for program in PROGRAMS:
        path = Path(shutil.which(program) or f"/bin/{program}")
        found[f"bin/{program}"] = path
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        for word in listed.split():
            if word.startswith("/"):
                found[word.lstrip("/")] = Path(word)
    return found
