"""One child with its group: output, exit, and stopping all of it."""

import os
import sys
import threading
import time

from rdagent.inside.evaluate.processes import Stopper, run_child


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_exit_code_comes_back() -> None:
    assert run_child(python("raise SystemExit(7)"), Stopper()).exit_code == 7


def test_the_end_of_the_output_comes_back() -> None:
    assert "ValueError: x" in run_child(python("raise ValueError('x')"), Stopper()).tail


def test_a_worker_that_outlives_the_child_is_ended() -> None:
    code = (
        "import subprocess, sys\n"
        "w = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('worker', w.pid, flush=True)\n"
    )
    tail = run_child(python(code), Stopper()).tail
    worker = int(tail.split("worker ")[1].split()[0])
    assert _gone(worker)


def test_a_request_to_stop_ends_the_running_child() -> None:
    stopper = Stopper()

    def stop_soon() -> None:
        while not stopper._groups:
            time.sleep(0.01)
        stopper._on_signal(15, None)

    threading.Thread(target=stop_soon, daemon=True).start()
    assert run_child(python("import time; time.sleep(60)"), stopper).exit_code == -15
    assert stopper.requested


def test_a_request_to_stop_that_came_before_the_child_ends_it() -> None:
    stopper = Stopper()
    stopper.requested = True
    assert run_child(python("import time; time.sleep(60)"), stopper).exit_code == -15


def _gone(process: int) -> bool:
    for _ in range(500):
        try:
            with open(f"/proc/{process}/stat", encoding="ascii") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
            os.kill(process, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False
