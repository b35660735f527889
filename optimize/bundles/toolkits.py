"""The real serving toolkits, each in an environment of its own that is made once and kept.

They are the Python packages that the containers are built from; only Java comes from elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from optimize.bundles.layout import HANDLED
from optimize.digests import digest_value
from optimize.errors import ToolError
from optimize.versions import library_version

JAVA_HINT = "apt-get install openjdk-17-jre-headless"


@dataclass(frozen=True)
class Environment:
    """`pins` are pip's words; `bare` are installed without what they declare; `same` are distributions taken at the
    version they have here, which made the artifact.
    """

    name: str
    pins: tuple[str, ...]
    same: tuple[str, ...]
    bare: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        found = [(name, library_version(name)) for name in self.same]
        # A local label (2.13.0+cpu) names a build that the index may not have.
        return (*self.pins, *(f"{name}=={version.partition('+')[0]}" for name, version in found if version))

    @property
    def folder(self) -> Path:
        bare = [list(self.bare)] if self.bare else []
        key = digest_value([self.requirements, sys.version_info[:2], *bare])[:12]
        return cache_folder() / f"{self.name}-{key}"

    @property
    def ready(self) -> bool:
        return (self.folder / "ready").is_file()


@dataclass(frozen=True)
class Toolkit:
    """`server` is the prefix of the variables that bind the Java program behind it to loopback."""

    name: str
    title: str
    containers: tuple[str, ...]
    environment: Environment
    server: str

    @property
    def folder(self) -> Path:
        return self.environment.folder

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


# The toolkits import pkg_resources, which setuptools 81 dropped. torchserve does not declare pyyaml, and
# sagemaker-pytorch-inference does not declare sagemaker-inference. What the Hugging Face toolkit declares is for audio
# (librosa, phonemizer), and nothing that is served here imports it.
WITH_TORCH = Environment(
    "torchserve",
    (
        "torchserve==0.12.0", "sagemaker-pytorch-inference==2.0.25", "sagemaker-inference==1.10.1",
        "multi-model-server==1.1.11", "transformers==4.57.6", "setuptools==80.10.2", "pyyaml==6.0.3",
        "requests==2.34.2",
    ),
    ("torch", *HANDLED.values(), "numpy"),
    ("sagemaker-huggingface-inference-toolkit==2.6.0",),
)  # fmt: skip
WITHOUT_TORCH = Environment(
    "multi_model_server",
    ("multi-model-server==1.1.11", "sagemaker-inference==1.10.1", "setuptools==80.10.2"),
    (*HANDLED.values(), "numpy"),
)
ENVIRONMENTS = (WITH_TORCH, WITHOUT_TORCH)
TOOLKITS = {
    "torchserve": Toolkit(
        "torchserve", "TorchServe 0.12.0 with sagemaker-pytorch-inference 2.0.25", ("pytorch",), WITH_TORCH, "TS"
    ),
    "multi_model_server": Toolkit(
        "multi_model_server", "multi-model-server 1.1.11 with sagemaker-inference 1.10.1", ("multi-model-server",),
        WITHOUT_TORCH, "MMS",
    ),
    "huggingface": Toolkit(
        "huggingface", "multi-model-server 1.1.11 with sagemaker-huggingface-inference-toolkit 2.6.0", ("huggingface",),
        WITH_TORCH, "MMS",
    ),
}  # fmt: skip


def cache_folder() -> Path:
    """`$OPTIMIZE_CACHE`, or the user's cache folder."""
    named = os.environ.get("OPTIMIZE_CACHE")
    if named:
        return Path(named).resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve() / "optimize"


def toolkit_for(container: str) -> Toolkit | None:
    return next((toolkit for toolkit in TOOLKITS.values() if container in toolkit.containers), None)


def why_not(toolkit: Toolkit) -> str:
    """Why this toolkit cannot serve here, in words with the way out; empty where it can."""
    if find_java() is None:
        return f"Java is not installed; {JAVA_HINT}"
    if not toolkit.environment.ready:
        return "its environment has not been made; run `optimize boot --setup`"
    return ""


def find_java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home) / "bin") if home else None)


def set_up(environment: Environment, say: Callable[[str], None]) -> None:
    """Make it where it is not there. Raises ToolError with pip's last line."""
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{environment.folder}.lock"):
        if environment.ready:
            say(f"{environment.name}: is there")
            return
        say(f"{environment.name}: installing {', '.join((*environment.requirements, *environment.bare))}")
        shutil.rmtree(environment.folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(environment.folder)])
        pip = [str(environment.folder / "bin" / "python"), "-m", "pip", "install", "--no-input", "--quiet"]
        _run([*pip, *environment.requirements])
        if environment.bare:
            _run([*pip, "--no-deps", *environment.bare])
        # An environment cannot be moved into place, so a mark says that it is whole.
        (environment.folder / "ready").touch()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise ToolError(f"`{' '.join(command[1:5])} ...` failed: {lines[-1]}")
