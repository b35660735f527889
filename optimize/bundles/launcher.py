"""Starts a serving toolkit as its container's entry point does: `python -P launcher.py TOOLKIT CONFIGURATION`.

Run by the Python of the toolkit's environment, in a session of its own; it imports nothing of this tool.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

OWN_IMAGE = {
    # Heeded in multi-model mode alone.
    "SAGEMAKER_HANDLER": "bundle_service",
    # The toolkit's own option, and two by which Java is up sooner: on two cores its second compiler and its parallel
    # collector take turns with the workers, and requests take longer with them.
    "SAGEMAKER_MODEL_SERVER_VMARGS": "-XX:-UseContainerSupport -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
"""What the Dockerfile in docs/bundles.md sets in the image of the multi-model-server container."""


def torchserve(configuration: str) -> None:
    from sagemaker_pytorch_serving_container import serving, torchserve

    # A constant of the toolkit, as below: outside a container /etc is not ours to write to.
    torchserve.TS_CONFIG_FILE = configuration
    serving.main()


def multi_model_server(configuration: str) -> None:
    from sagemaker_inference import model_server

    os.environ |= OWN_IMAGE
    model_server.MMS_CONFIG_FILE = configuration
    model_server.start_model_server()


def huggingface(configuration: str) -> None:
    from sagemaker_huggingface_inference_toolkit import mms_model_server, serving
    from sagemaker_inference import model_server

    mms_model_server.MMS_CONFIG_FILE = model_server.MMS_CONFIG_FILE = configuration
    serving.main()


def see_own_processes() -> None:
    """The toolkits look for their server among all processes, and give up where they find two. In a container, all
    processes are its own; here, those of the session that this one was started in."""
    import psutil

    everything, session = psutil.process_iter, os.getsid(0)

    def own() -> Iterator[Any]:
        for process in everything():
            with suppress(ProcessLookupError):
                if os.getsid(process.pid) == session:
                    yield process

    psutil.process_iter = own  # type: ignore[assignment]


def stop_with_parent() -> None:
    """Standard input is a pipe that nobody writes to: it ends when the process that started this one does."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=stop_with_parent, daemon=True).start()
    see_own_processes()
    start = {"torchserve": torchserve, "multi_model_server": multi_model_server, "huggingface": huggingface}
    start[sys.argv[1]](sys.argv[2])
