"""Deployed against moto's server over HTTP; invocations go to the real multi-model-server."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from optimize.bundles.inspection import unpack_bundle
from optimize.bundles.samples import Sample
from optimize.bundles.served import open_served, start_figures
from optimize.bundles.server import LOOPBACK, free_ports
from optimize.bundles.toolkits import TOOLKITS
from optimize.cli import run_command
from optimize.pipeline.schema import Tolerances
from tests.bundles.cases import draw_inputs, right_outputs

pytestmark = pytest.mark.slow

BUCKET = "bundles"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The URL of moto's server."""
    port = free_ports(1)[0]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", LOOPBACK, "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            http.client.HTTPConnection(LOOPBACK, port, timeout=1).connect()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def invocations(emitted: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a runtime API whose every endpoint is the bundle on a real server."""
    base = tmp_path_factory.mktemp("s")
    bundle = unpack_bundle(emitted("onnx", "single", "multi-model-server"), base / "model")
    inputs = draw_inputs("single", 1)
    with open_served(TOOLKITS["multi_model_server"], base, bundle) as served:
        start_figures(served, Sample("", inputs, right_outputs("single", inputs)), Tolerances().fp32)

        class Forward(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = served.server.post(body, {key: self.headers[key] for key in ("Content-Type", "Accept")})
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

        with ThreadingHTTPServer((LOOPBACK, 0), Forward) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            yield f"http://{LOOPBACK}:{proxy.server_port}"
            proxy.shutdown()


@pytest.fixture
def account(aws: str, invocations: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A session of an account with one bucket and nothing else."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": invocations, "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"{aws}/moto-api/reset", method="POST")).close()
    session = boto3.Session()
    session.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield session


def left_behind(session: Any) -> list[str]:
    sagemaker = session.client("sagemaker")
    return [
        *(item["EndpointName"] for item in sagemaker.list_endpoints()["Endpoints"]),
        *(item["EndpointConfigName"] for item in sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        *(item["ModelName"] for item in sagemaker.list_models()["Models"]),
        *(item["Key"] for item in session.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])),
    ]


def deploy(bundle: Path, *more: str, instance: str = "ml.c5.xlarge") -> int:
    role = "arn:aws:iam::123456789012:role/serving"
    options = [
        "--instance",
        instance,
        "--role",
        role,
        "--image",
        "example/serving:1",
        "--bucket",
        BUCKET,
        "--name",
        "t",
    ]
    return run_command(["deploy", str(bundle), *options, *more])


def test_the_golden_goes_through_the_endpoint_and_rm_leaves_nothing(
    account: Any, emitted: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = emitted("onnx", "single", "multi-model-server")
    assert deploy(bundle, "--samples", str(bundle.with_name("golden.npz")), "--rm") == 0
    said = capsys.readouterr().out
    assert "every answer was right, in npy, npz, json list" in said
    assert said.count("deleted ") == 4
    assert left_behind(account) == []


def test_an_endpoint_is_kept_without_rm(account: Any, emitted: Callable[..., Path]) -> None:
    assert deploy(emitted("onnx", "single", "multi-model-server")) == 0
    sagemaker = account.client("sagemaker")
    assert sagemaker.describe_endpoint(EndpointName="t")["EndpointStatus"] == "InService"
    variant = sagemaker.describe_endpoint_config(EndpointConfigName="t")["ProductionVariants"][0]
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 600
    assert len(left_behind(account)) == 4


def test_a_step_that_aws_refuses_undoes_those_before_it(
    account: Any, emitted: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(emitted("onnx", "single", "multi-model-server"), instance="ml.no.such") == 3
    said = capsys.readouterr()
    assert "AWS says: " in said.err
    assert "deleted model t" in said.out
    assert left_behind(account) == []


def test_an_endpoint_that_answers_wrong_is_deleted(
    account: Any, emitted: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from optimize.arrays import load_arrays, save_arrays

    bundle = emitted("onnx", "single", "multi-model-server")
    golden = load_arrays(bundle.with_name("golden.npz"))
    golden["output.logits"] = golden["output.logits"][:, :2]
    save_arrays(tmp_path / "other.npz", golden)
    assert deploy(bundle, "--samples", str(tmp_path / "other.npz")) == 2
    assert "the endpoint answers wrong: output logits" in capsys.readouterr().err
    assert left_behind(account) == []


def test_a_bucket_that_is_not_there_is_said(
    account: Any, emitted: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(emitted("onnx", "single", "multi-model-server"), "--bucket", "nobody-has-this") == 2
    assert "--bucket names a bucket you can write to" in capsys.readouterr().err
