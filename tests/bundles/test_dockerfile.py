"""The Dockerfile in docs/bundles.md is what the boot amounts to."""

from __future__ import annotations

import json
import re
from pathlib import Path

from optimize.bundles.launcher import OWN_IMAGE
from optimize.bundles.multi_model_server import SERVICE
from optimize.bundles.toolkits import WITHOUT_TORCH


def dockerfile(root: Path) -> list[str]:
    found = re.search(r"```dockerfile\n(.*?)```", (root / "docs" / "bundles.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1].splitlines()


def test_it_installs_what_the_boot_is_served_by_and_starts_it_as_the_boot_does(root: Path) -> None:
    lines = dockerfile(root)
    installed = next(line for line in lines if line.startswith("RUN pip install")).split()
    assert set(WITHOUT_TORCH.pins) <= set(installed)
    told = dict(line.removeprefix("ENV ").split("=", 1) for line in lines if line.startswith("ENV "))
    assert {name: value.strip('"') for name, value in told.items()} == OWN_IMAGE
    assert OWN_IMAGE["SAGEMAKER_HANDLER"] == Path(SERVICE).stem
    assert "LABEL com.amazonaws.sagemaker.capabilities.multi-models=true" in lines
    entry = json.loads(lines[-1].removeprefix("ENTRYPOINT "))
    assert entry[2] == "from sagemaker_inference import model_server; model_server.start_model_server()"
