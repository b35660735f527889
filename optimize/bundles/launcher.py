"""Starts a serving toolkit as its container's entry point does: `python -P launcher.py TOOLKIT CONFIGURATION`.

Run by the Python of the toolkit's environment, in a session of its own; it imports nothing of this tool.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def torchserve(configuration: str) -> None:
    from sagemaker_pytorch_serving_container import serving, torchserve

    # A constant of the toolkit, as below: outside a container /etc is not ours to write to.
    torchserve.TS_CONFIG_FILE = configuration
    serving.main()


def multi_model_server(configuration: str) -> None:
    from sagemaker_inference import model_server

    model_server.MMS_CONFIG_FILE = configuration
    model_server.start_model_server()


def huggingface(configuration: str) -> None:
    from sagemaker_huggingface_inference_toolkit import mms_model_server, serving
    from sagemaker_inference import model_server

    mms_model_server.MMS_CONFIG_FILE = model_server.MMS_CONFIG_FILE = configuration
    serving.main()


def stop_with_parent() -> None:
    """Standard input is a pipe that nobody writes to: it ends when the process that started this one does."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=stop_with_parent, daemon=True).start()
    start = {"torchserve": torchserve, "multi_model_server": multi_model_server, "huggingface": huggingface}
    start[sys.argv[1]](sys.argv[2])
