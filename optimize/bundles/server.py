"""A bundle served by its real toolkit on loopback: started, asked, stopped."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from optimize.bundles import launcher
from optimize.bundles.messages import BOOT_ENVIRONMENT
from optimize.bundles.toolkits import Toolkit
from optimize.errors import ToolError
from optimize.execution.process import clean_environment, kill_group

LOOPBACK = "127.0.0.1"
DEAD = (
    "Backend worker process died",
    "Load model failed",
    "Backend worker error",
    "failed to install required packages",
)
"""What the logs say when a model does not load. `/ping` stays healthy then, and requests hang or are refused."""
POLL_S = 0.05
# The toolkit's properties lack a newline at their end, so that its own `enable_model_api=true` gets lost.
MULTI_MODEL = {"SAGEMAKER_MULTI_MODEL": "true", "TS_ENABLE_MODEL_API": "true"}
FAILURES = 20
"""Answers of 500, one second together, after which there is no hope: multi-model-server starts without its model."""
ANSWER_S = 60.0
"""SageMaker gives a container 60 s to answer."""


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    content_type: str
    body: bytes


class Server:
    """A running server. `started` is the moment, by the monotonic clock, at which its first process was started."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.started = time.monotonic()
        self.invocations = "/invocations"
        """`/models/NAME/invoke` for a model of a multi-model server."""
        self._log = log
        self._connection: http.client.HTTPConnection | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def post(self, body: bytes, headers: dict[str, str], timeout_s: float = ANSWER_S) -> Answer:
        """POST to where the bundle answers, over a connection that is kept. Raises OSError or HTTPException."""
        return self.request("POST", self.invocations, body, headers, timeout_s)

    def request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout_s: float = ANSWER_S
    ) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=timeout_s)
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            return Answer(response.status, response.getheader("Content-Type") or "", response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def complaint(self) -> str:
        """Why it will never answer, as far as its log tells; empty while it may."""
        log = self.log()
        if self.process.poll() is not None:
            return f"the server ended; {_cause(log)}"
        return f"the model does not load; {_cause(log)}" if any(mark in log for mark in DEAD) else ""


def _cause(log: str) -> str:
    """The first line that names an error: those after it are its echoes. Without one, the last words."""
    lines = [line.rpartition(" - ")[2].strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"(Error|Exception)\b.*:|^ERROR", line) and "Traceback" not in line]
    return (errors or lines[-1:] or ["its log is empty"])[0][:300]


@contextmanager
def serve(toolkit: Toolkit, base: Path, multi_model: bool = False) -> Iterator[Server]:
    """Serve `base`/model, or in multi-model mode whatever it is told to load, until the block ends.

    Ports, sockets and files are its own, so that any number can be served side by side.
    """
    server = _start(toolkit, base, multi_model)
    try:
        yield server
    finally:
        _stop(server.process)


def _start(toolkit: Toolkit, base: Path, multi_model: bool = False) -> Server:
    port = free_ports(1)[0]
    scratch = base / "run"
    scratch.mkdir()
    # -P: the folder of the launcher has modules named like libraries.
    command = [str(toolkit.python), "-P", launcher.__file__, toolkit.name, str(scratch / "server.properties")]
    with (base / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=scratch, start_new_session=True,
            env=_environment(toolkit, base, scratch, port) | (MULTI_MODEL if multi_model else {}),
        )  # fmt: skip
    return Server(process, port, base / "server.log")


def _environment(toolkit: Toolkit, base: Path, scratch: Path, port: int) -> dict[str, str]:
    """Both servers listen on every interface unless told otherwise, and on fixed ports for what nobody asks."""
    prefix = toolkit.server
    metrics, inference, management, workers = free_ports(4)
    told = {
        "PATH": f"{toolkit.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        **BOOT_ENVIRONMENT,
        "OMP_NUM_THREADS": "1",
        "LOG_LOCATION": str(scratch),
        "METRICS_LOCATION": str(scratch),
        "TEMP": str(scratch),
        "TMPDIR": str(scratch),
        # What a requirements.txt asks for is in the environment already, or the start fails: nothing is fetched.
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        f"{prefix}_INFERENCE_ADDRESS": f"http://{LOOPBACK}:{port}",
        f"{prefix}_MANAGEMENT_ADDRESS": f"http://{LOOPBACK}:{port}",
        "TS_METRICS_ADDRESS": f"http://{LOOPBACK}:{metrics}",
        "TS_GRPC_INFERENCE_PORT": str(inference),
        "TS_GRPC_MANAGEMENT_PORT": str(management),
        "TS_INITIAL_WORKER_PORT": str(workers),
    }
    kept = {key: value for key, value in clean_environment().items() if not key.startswith("PYTHON")}
    return kept | told | ({"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {})


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The Java process is no child of ours by then, but it is of the same group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=2)
    kill_group(process.pid)
    process.wait()
    if process.stdin:
        process.stdin.close()


def free_ports(count: int) -> list[int]:
    """Multi-model-server takes no port above 32767, where the ports that the system hands out begin."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            port = random.randint(20_000, 32_000)
            with contextlib.suppress(OSError):
                stack.enter_context(socket.socket()).bind((LOOPBACK, port))
                found.append(port)
        return found


def wait_for_ping(server: Server, limit_s: float = 60.0) -> None:
    """Until it listens, which says nothing of any model. Raises ToolError."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection((LOOPBACK, server.port), 1)):
            return
        time.sleep(POLL_S)
    raise ToolError(f"the server does not listen: {_cause(server.log())}")


def wait_for_answer(server: Server, body: bytes, headers: dict[str, str], limit_s: float) -> Answer:
    """The first answer that is a 200. Raises ToolError with what the log says where there will be none."""
    deadline = time.monotonic() + limit_s
    last, failures = "nothing listens", 0
    while time.monotonic() < deadline and failures < FAILURES:
        try:
            answer = server.post(body, headers, timeout_s=5)
            if answer.status == 200:
                return answer
            last = f"HTTP {answer.status}: {answer.body[:300].decode(errors='replace')}"
            failures += answer.status == 500
        except (OSError, http.client.HTTPException) as error:
            last = str(error) or type(error).__name__
        complaint = server.complaint()
        if complaint:
            raise ToolError(complaint)
        time.sleep(POLL_S)
    raise ToolError(f"no right answer came; the last was: {last}")
