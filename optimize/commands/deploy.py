"""`optimize deploy`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optimize.errors import UserError

if TYPE_CHECKING:
    from optimize.bundles.inspection import Unpacked

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="deploy")
@click.argument("bundle", type=FILE)
@click.option("--instance", required=True, metavar="ml.c7i.large", help="The instance type of the endpoint.")
@click.option("--role", required=True, metavar="ARN", help="The execution role.")
@click.option("--image", required=True, metavar="URI", help="The serving image, in your region.")
@click.option("--bucket", default="", help="Where the bundle is uploaded; by default sagemaker-REGION-ACCOUNT.")
@click.option("--name", default="", help="Of model, configuration and endpoint; by default the bundle's, and the time.")
@click.option("--samples", type=FILE, help="golden.npz as `run` leaves it; without it rows are drawn.")
@click.option("--rm", is_flag=True, help="Delete all that was made when the answers have been looked at.")
def command(
    bundle: Path, instance: str, role: str, image: str, bucket: str, name: str, samples: Path | None, rm: bool
) -> int:
    """Put BUNDLE on an endpoint, send the golden through it and print the latency. On any failure all is deleted."""
    from optimize.bundles.deploy import Endpoint, Wish, deployed, environment_for
    from optimize.bundles.inspection import unpack_bundle
    from optimize.bundles.samples import ask_all, drawn_samples, read_sample
    from optimize.drift import judge

    session = _session()
    with tempfile.TemporaryDirectory(prefix="optimize-") as temporary:
        unpacked = unpack_bundle(bundle, Path(temporary) / "model", samples)
    _check_image(image, unpacked)
    signature = unpacked.signature
    asked = [read_sample(samples, signature)] if samples else drawn_samples(signature)
    named = name or f"{unpacked.manifest.name if unpacked.manifest else 'bundle'}-{time.strftime('%Y%m%d-%H%M%S')}"
    told = environment_for(unpacked)
    wish = Wish(
        bundle, named.replace("_", "-").replace(".", "-"), image, instance, role, bucket or _bucket(session), told
    )
    with deployed(session, wish, click.echo, keep=not rm) as endpoint_name:
        endpoint = Endpoint(session.client("sagemaker-runtime"), endpoint_name, unpacked)
        meter = ask_all(endpoint, asked, signature)
        wrong = judge(meter.figures(), meter.problems, asked[0].tolerance(unpacked.precision, here=False))
        if wrong:
            raise UserError(f"the endpoint answers wrong: {wrong}")
        p50, p90 = endpoint.latency_ms(asked[0].inputs)
        click.echo(f"every answer was right, in {', '.join(endpoint.forms)}; {p50:.1f} ms (median), {p90:.1f} ms (p90)")
    return 0


def _check_image(reference: str, bundle: Unpacked) -> None:
    """Before anything is uploaded. Raises UserError where the image is known not to read the bundle."""
    from optimize.bundles.images import Content, find_image, refusal, remark

    image, manifest = find_image(reference), bundle.manifest
    if image is None or manifest is None:
        return
    if image.container != bundle.container:
        raise UserError(
            f"{image} is an image of the {image.container} container, and the bundle is for {bundle.container}; make "
            f"it with `bundle: {{image: {image}}}`, or give an image of that container"
        )
    refused = refusal(image, Content(manifest.format, bundle.quantization))
    if refused:
        raise UserError(refused)
    if text := remark(image, manifest.format):
        click.echo(f"note: {text}", err=True)


def _session() -> Any:
    """Raises UserError where boto3, a region or credentials are missing."""
    try:
        import boto3
    except ImportError:
        raise UserError("deploying needs boto3: pip install 'optimize-pipeline[aws]'") from None
    session = boto3.Session()
    if session.region_name is None:
        raise UserError("no AWS region is set; export AWS_DEFAULT_REGION=eu-central-1, say")
    if session.get_credentials() is None:
        raise UserError("no AWS credentials were found; `aws configure` sets them")
    return session


def _bucket(session: Any) -> str:
    return f"sagemaker-{session.region_name}-{session.client('sts').get_caller_identity()['Account']}"
