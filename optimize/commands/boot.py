"""`optimize boot`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from optimize.errors import UserError

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="boot")
@click.argument("bundle", type=FILE, required=False)
@click.option("--samples", type=FILE, help="golden.npz as `run` leaves it, or .npz with one array per input.")
@click.option("--container", default="", help="Boot it as this container, where the manifest names none or another.")
@click.option("--no-server", is_flag=True, help="Call the handler's functions in a clean process; start no server.")
@click.option("--multi-model", is_flag=True, help="Load it as a multi-model endpoint does.")
@click.option("--setup", is_flag=True, help="Install the serving toolkits into environments of their own, first.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON and nothing else.")
def command(
    bundle: Path | None,
    samples: Path | None,
    container: str,
    no_server: bool,
    multi_model: bool,
    setup: bool,
    as_json: bool,
) -> int:
    """Unpack BUNDLE, serve it with the real toolkit of its container on loopback, and ask it in every form it reads."""
    if setup:
        _set_up()
    if bundle is None:
        if setup:
            return 0
        raise UserError("which bundle? optimize boot model.tar.gz (or `optimize boot --setup` to install the toolkits)")
    asked = {"toolkit": "none" if no_server else "auto", "container": container, "multi_model": multi_model}
    payload = _boot(bundle, samples, asked)
    click.echo(json.dumps(payload, indent=2) if as_json else "\n".join(_words(payload)))
    return 1 if payload["problems"] else 0


def _set_up() -> None:
    from optimize.bundles.toolkits import ENVIRONMENTS, JAVA_HINT, find_java, set_up

    for environment in ENVIRONMENTS:
        set_up(environment, lambda text: click.echo(text, err=True))
    if find_java() is None:
        raise UserError(f"the environments are made, but the servers need Java as well: {JAVA_HINT}")


def _boot(bundle: Path, samples: Path | None, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload of the step, carried out in a worker. Raises UserError where the bundle does not come up."""
    from optimize.execution.process import StepLimits, Workers
    from optimize.execution.request import Request
    from optimize.store import State

    data = {"bundle": str(bundle.resolve())} | ({"samples": str(samples.resolve())} if samples else {})
    with tempfile.TemporaryDirectory(prefix="optimize-") as temporary:
        folder = Path(temporary)
        Request("boot", "", data=data, parameters=parameters).write(folder / "request.json")
        workers = Workers()
        try:
            outcome = workers.run(folder, StepLimits(time_s=900, memory_bytes=2**62))
        finally:
            workers.stop_all()
    if outcome.state is not State.OK:
        said = outcome.result.get("user_error")
        raise UserError(said["message"] if said else f"{bundle.name} does not boot: {outcome.reason}")
    payload: Mapping[str, Any] = outcome.result["payload"]
    return payload


def _words(payload: Mapping[str, Any]) -> list[str]:
    lines = [f"{payload['container']} container, {payload['how']}"]
    if payload["instead"]:
        lines.append(f"no server was started: {payload['instead']}")
    lines.append(f"asked in {', '.join(payload['forms'])}")
    served = payload["served"]
    if served and served["cold_start_s"] is not None:
        lines.append(
            f"first right answer after {served['cold_start_s']:.1f} s; then {served['p50_ms']:.1f} ms (median)"
        )
    lines += [f"{name}: largest difference {drift['max_abs']:.2g}" for name, drift in payload["drift"].items()]
    return lines + ([f"wrong: {problem}" for problem in payload["problems"]] or ["every answer was right"])
