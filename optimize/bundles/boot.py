"""The step `boot`: the bundle is unpacked into an empty folder, served as its container would, and asked the golden."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.bundles import multi_model_server
from optimize.bundles.hooks import hook_problems
from optimize.bundles.inspection import Unpacked, unpack_bundle
from optimize.bundles.messages import FORMS
from optimize.bundles.samples import Sample, ask_all, samples_of
from optimize.bundles.served import latency_figures, model_folder, open_served, start_figures
from optimize.bundles.toolkits import Toolkit, toolkit_for, why_not
from optimize.drift import judge
from optimize.errors import UserError
from optimize.execution.request import Request
from optimize.stages import Bundle, Service, bundles


def boot(request: Request, output: Path) -> dict[str, Any]:
    """Asks `data["bundle"]` every sample in every form it reads, and the user's hooks one request.

    Parameters, all optional: `toolkit` (`auto`, or `none` to call the handler's functions without a server),
    `container` (where it is not the manifest's) and `multi_model` (load it as such an endpoint does).
    """
    wanted, data = request.parameters, request.data
    multi_model = bool(wanted.get("multi_model"))
    # A short name: the servers' workers listen on Unix sockets in there, whose paths have 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as temporary:
        base = Path(temporary)
        folder = model_folder(base, multi_model)
        hooks = Path(data["hooks"]) if "hooks" in data else None
        samples_file = Path(data["samples"]) if "samples" in data else None
        bundle = unpack_bundle(Path(data["bundle"]), folder, samples_file, wanted.get("container", ""))
        samples = samples_of(request, bundle.signature)
        toolkit = toolkit_for(bundle.container)
        instead = _why_functions(wanted, toolkit)
        if multi_model and bundle.container == multi_model_server.container:
            _require_service(Path(data["bundle"]), folder)
        if toolkit is None or instead:
            payload = _payload(_functions(bundle, folder), samples, bundle, folder, hooks)
            return payload | {"served": None, "instead": instead}
        with open_served(toolkit, base, bundle, multi_model) as served:
            start = start_figures(served, samples[0], samples[0].tolerance(bundle.precision))
            payload = _payload(served, samples, bundle, folder, hooks)
            figures = {"cold_start_s": start["cold_start_s"], **latency_figures(served, samples)}
    if start["wrong"]:
        payload["problems"] = [f"the first answer is wrong: {start['wrong']}", *payload["problems"]]
    return payload | {"served": figures, "instead": ""}


def _require_service(path: Path, folder: Path) -> None:
    """Raises UserError where the server would not find what it is to call for this model."""
    if not (folder / multi_model_server.SERVICE).is_file():
        raise UserError(
            f"{path.name} has no {multi_model_server.SERVICE} at its root, which multi-model-server calls for each "
            f"model of a multi-model endpoint; `optimize run` puts it there from this release on"
        )


def _bundle_of(container: str) -> Bundle:
    if container not in bundles():
        raise UserError(f"{container!r} is not a container; one of {', '.join(bundles())}")
    return bundles()[container]


def _why_functions(wanted: Mapping[str, Any], toolkit: Toolkit | None) -> str:
    """Why no server is started, in words; empty where one is."""
    if wanted.get("toolkit", "auto") == "none":
        why = "no server was asked for"
    else:
        why = why_not(toolkit) if toolkit else "its server is not a Python package, and cannot be started here"
    layout = "; of a multi-model endpoint the layout alone was checked"
    return why + layout if why and wanted.get("multi_model") else why


def _functions(bundle: Unpacked, folder: Path) -> Service:
    container = _bundle_of(bundle.container)
    if bundle.manifest is None and container.takes_code:
        raise UserError("a handler that is not ours can only be booted by a server: run `optimize boot --setup` first")
    return container.open_folder(folder, bundle.signature)


def _payload(service: Any, samples: list[Sample], bundle: Unpacked, folder: Path, hooks: Path | None) -> dict[str, Any]:
    meter = ask_all(service, samples, bundle.signature)
    about = {"container": bundle.container, "how": service.how, "forms": list(service.forms)}
    drifted = judge(meter.figures(), [], samples[0].tolerance(bundle.precision))
    problems = [*meter.problems, *([drifted] if drifted else [])]
    if bundle.hooks:
        golden = FORMS["json named"].write(samples[0].inputs, bundle.signature)
        problems += hook_problems(folder, service.send, golden, hooks)
        about["how"] += ", hooks called once"
    return about | {"drift": meter.figures(), "problems": problems}
