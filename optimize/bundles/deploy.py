"""A bundle on a SageMaker endpoint: uploaded, created, awaited, asked; and everything that was made deleted again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Arrays
from optimize.bundles import triton
from optimize.bundles.inspection import Unpacked
from optimize.bundles.messages import BOOT_ENVIRONMENT, FORMS, PAST_HOOKS, accept_for, read_answer
from optimize.digests import digest_file
from optimize.errors import ToolError, UserError

VARIANT = "all"
STARTUP_S, DOWNLOAD_S = 600, 900
"""Both may be 60 to 3600. AWS's own default start-up window is shorter than some installations of requirements take."""
LATENCY_REQUESTS = 50

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What is to be made. `image` is the serving image's URI, in the region."""

    bundle: Path
    name: str
    image: str
    instance: str
    role: str
    bucket: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the container, besides ours."""
    poll_s: float = 15.0
    most_polls: int = 160


class Endpoint:
    """`optimize.stages.Service` through `invoke_endpoint`."""

    how = "on a SageMaker endpoint"

    def __init__(self, runtime: Any, name: str, bundle: Unpacked) -> None:
        self._runtime = runtime
        self._name = name
        self._signature = bundle.signature
        self._parameter = f"; {PAST_HOOKS}" if bundle.hooks else ""
        self.forms = bundle.forms

    def ask(self, inputs: Arrays, form: str) -> Arrays:
        answer = self._runtime.invoke_endpoint(
            EndpointName=self._name,
            ContentType=FORMS[form].content_type + self._parameter,
            Accept=accept_for(form, self._signature),
            Body=FORMS[form].write(inputs, self._signature),
        )
        return read_answer(answer["Body"].read(), answer["ContentType"], self._signature)

    def latency_ms(self, inputs: Arrays) -> tuple[float, float]:
        """Median and 90th percentile, as this machine sees it."""
        times = []
        for _ in range(LATENCY_REQUESTS):
            started = time.perf_counter()
            self.ask(inputs, self.forms[0])
            times.append((time.perf_counter() - started) * 1e3)
        return float(np.percentile(times, 50)), float(np.percentile(times, 90))


def environment_for(bundle: Unpacked) -> Mapping[str, str]:
    """What the container has to be told: the golden is asked past hooks, and Triton wants its model named."""
    told = {"OPTIMIZE_HOOKS": BOOT_ENVIRONMENT["OPTIMIZE_HOOKS"]} if bundle.hooks else {}
    return told | ({"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": triton.NAME} if bundle.container == "triton" else {})


@contextmanager
def deployed(session: Any, wish: Wish, say: Say, keep: bool) -> Iterator[str]:
    """The endpoint's name, once it is in service.

    Everything that was made is deleted when the block ends, or when anything fails; with `keep`, only when anything
    fails. Raises ToolError with what AWS says.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    with ExitStack() as undo:
        try:
            _create(session, wish, say, undo)
            yield wish.name
        except (ClientError, BotoCoreError) as error:
            raise ToolError(f"AWS says: {error}") from error
        if keep:
            undo.pop_all()


def _create(session: Any, wish: Wish, say: Say, undo: ExitStack) -> None:
    sagemaker, s3 = session.client("sagemaker"), session.client("s3")
    key = f"optimize/{wish.name}/{digest_file(wish.bundle)[:16]}/model.tar.gz"
    _upload(s3, wish, key, say)
    _undo(undo, say, f"s3://{wish.bucket}/{key}", lambda: s3.delete_object(Bucket=wish.bucket, Key=key))
    # The servers prefix what a worker prints; metrics go to the output of the container itself.
    environment = {"OPTIMIZE_METRICS": "/proc/1/fd/1", **wish.environment}
    container = {"Image": wish.image, "ModelDataUrl": f"s3://{wish.bucket}/{key}", "Environment": environment}
    sagemaker.create_model(ModelName=wish.name, PrimaryContainer=container, ExecutionRoleArn=wish.role)
    _undo(undo, say, f"model {wish.name}", lambda: sagemaker.delete_model(ModelName=wish.name))
    sagemaker.create_endpoint_config(EndpointConfigName=wish.name, ProductionVariants=[_variant(wish)])
    _undo(undo, say, f"endpoint configuration {wish.name}",
          lambda: sagemaker.delete_endpoint_config(EndpointConfigName=wish.name))  # fmt: skip
    say(f"creating endpoint {wish.name} on {wish.instance}")
    sagemaker.create_endpoint(EndpointName=wish.name, EndpointConfigName=wish.name)
    _undo(undo, say, f"endpoint {wish.name}", lambda: sagemaker.delete_endpoint(EndpointName=wish.name))
    _wait(sagemaker, wish)
    say(f"endpoint {wish.name} is in service")


def _upload(s3: Any, wish: Wish, key: str, say: Say) -> None:
    from boto3.exceptions import S3UploadFailedError

    say(f"uploading {wish.bundle.name} to s3://{wish.bucket}/{key}")
    try:
        s3.upload_file(str(wish.bundle), wish.bucket, key)
    except S3UploadFailedError as error:
        raise UserError(f"the upload failed: {error}; --bucket names a bucket you can write to") from error


def _variant(wish: Wish) -> dict[str, Any]:
    return {
        "VariantName": VARIANT,
        "ModelName": wish.name,
        "InstanceType": wish.instance,
        "InitialInstanceCount": 1,
        "ContainerStartupHealthCheckTimeoutInSeconds": STARTUP_S,
        "ModelDataDownloadTimeoutInSeconds": DOWNLOAD_S,
    }


def _undo(undo: ExitStack, say: Say, what: str, delete: Callable[[], Any]) -> None:
    """A deletion that fails is said, and does not keep the others from being tried."""

    def run() -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            delete()
        except (ClientError, BotoCoreError) as error:
            say(f"{what} could NOT be deleted, and may cost money: {error}")
        else:
            say(f"deleted {what}")

    undo.callback(run)


def _wait(sagemaker: Any, wish: Wish) -> None:
    from botocore.exceptions import WaiterError

    try:
        waiter = sagemaker.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=wish.name, WaiterConfig={"Delay": wish.poll_s, "MaxAttempts": wish.most_polls})
    except WaiterError as error:
        reason = ""
        with contextlib.suppress(Exception):
            reason = sagemaker.describe_endpoint(EndpointName=wish.name).get("FailureReason", "")
        raise ToolError(f"the endpoint did not come into service: {reason or error}") from error
