"""The step `boot`: the bundle is unpacked into an empty folder, served as its container would, and asked the golden."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.bundles.inspection import Unpacked, unpack_bundle
from optimize.bundles.samples import Sample, ask_all, samples_of
from optimize.bundles.served import latency_figures, open_served, start_figures
from optimize.bundles.toolkits import Toolkit, toolkit_for, why_not
from optimize.errors import UserError
from optimize.execution.request import Request
from optimize.methods import precision_of
from optimize.pipeline.schema import Tolerance, Tolerances
from optimize.stages import Service, bundles


def boot(request: Request, output: Path) -> dict[str, Any]:
    """Asks `data["bundle"]` every sample in every form it reads.

    Parameters, all optional: `toolkit` (`auto`, or `none` to call the handler's functions without a server),
    `container` (where it is not the manifest's) and `tolerance`, within which the first answer counts as right.
    """
    wanted, data = request.parameters, request.data
    # A short name: the servers' workers listen on Unix sockets in there, whose paths have 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as temporary:
        base = Path(temporary)
        samples_file = Path(data["samples"]) if "samples" in data else None
        bundle = unpack_bundle(Path(data["bundle"]), base / "model", samples_file, wanted.get("container", ""))
        samples = samples_of(request, bundle.signature)
        toolkit = toolkit_for(bundle.container)
        instead = _why_functions(wanted, toolkit)
        if toolkit is None or instead:
            service = _functions(bundle, base / "model")
            return _payload(service, samples, bundle) | {"served": None, "instead": instead}
        with open_served(toolkit, base, bundle) as served:
            start = start_figures(served, samples[0], _tolerance(wanted, bundle))
            payload = _payload(served, samples, bundle)
            figures = {"cold_start_s": start["cold_start_s"], **latency_figures(served, samples)}
    if start["wrong"]:
        payload["problems"] = [f"the first answer is wrong: {start['wrong']}", *payload["problems"]]
    return payload | {"served": figures, "instead": ""}


def _why_functions(wanted: Mapping[str, Any], toolkit: Toolkit | None) -> str:
    """Why no server is started, in words; empty where one is."""
    if wanted.get("toolkit", "auto") == "none":
        return "no server was asked for"
    return why_not(toolkit) if toolkit else "its server is not a Python package, and cannot be started here"


def _functions(bundle: Unpacked, folder: Path) -> Service:
    if bundle.container not in bundles():
        raise UserError(f"{bundle.container!r} is not a container; one of {', '.join(bundles())}")
    if bundle.manifest is None and bundle.container != "tensorflow":
        raise UserError("a handler that is not ours can only be booted by a server: run `optimize boot --setup` first")
    return bundles()[bundle.container].open_folder(folder, bundle.signature)


def _tolerance(wanted: Mapping[str, Any], bundle: Unpacked) -> Tolerance:
    given = wanted.get("tolerance")
    if given is not None:
        return Tolerance(**given)
    made = bundle.manifest
    tolerance: Tolerance = getattr(Tolerances(), precision_of(made.quantization, made.format) if made else "fp32")
    return tolerance


def _payload(service: Service, samples: list[Sample], bundle: Unpacked) -> dict[str, Any]:
    meter = ask_all(service, samples, bundle.signature)
    about = {"container": bundle.container, "how": service.how, "forms": list(service.forms)}
    return about | {"drift": meter.figures(), "problems": meter.problems}
