"""`optimize serve`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from optimize.errors import Interrupted, UserError

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="serve")
@click.argument("bundle", type=FILE)
@click.option("--samples", type=FILE, help="golden.npz as `run` leaves it, or .npz with one array per input.")
@click.option("--container", default="", help="Serve it as this container, where the manifest names none or another.")
def command(bundle: Path, samples: Path | None, container: str) -> int:
    """Serve BUNDLE on loopback with the real toolkit of its container, until Ctrl-C."""
    from optimize.bundles.hooks import hooked_request
    from optimize.bundles.inspection import unpack_bundle
    from optimize.bundles.messages import JSON
    from optimize.bundles.samples import drawn_samples, read_sample
    from optimize.bundles.served import START_S, open_served
    from optimize.bundles.server import wait_for_answer
    from optimize.bundles.toolkits import toolkit_for, why_not

    with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as temporary:
        base = Path(temporary)
        unpacked = unpack_bundle(bundle, base / "model", samples, container)
        toolkit = toolkit_for(unpacked.container)
        if toolkit is None:
            raise UserError(
                f"the server of the {unpacked.container} container is no Python package; see docs/bundles.md"
            )
        if why_not(toolkit):
            raise UserError(f"{toolkit.title} cannot serve here: {why_not(toolkit)}")
        sample = read_sample(samples, unpacked.signature) if samples else drawn_samples(unpacked.signature)[0]
        with open_served(toolkit, base, unpacked) as served:
            body, headers = served.write(sample.inputs, "json list" if "json list" in served.forms else "json named")
            wait_for_answer(served.server, body, headers, START_S)
            content_type = JSON
            if unpacked.hooks:
                body, content_type = hooked_request(base / "model", body)
            # A file, because a shell takes no long argument.
            request = base / "request"
            request.write_bytes(body)
            click.echo(f"{served.server.url}: {served.how}; Ctrl-C ends it. Ask it with\n")
            click.echo(
                f"  curl -H 'Content-Type: {content_type}' --data-binary @{request} {served.server.url}/invocations\n"
            )
            try:
                served.server.process.wait()
            except KeyboardInterrupt:
                raise Interrupted("the server was ended") from None
            raise UserError(f"the server ended by itself: {served.server.complaint()}")
