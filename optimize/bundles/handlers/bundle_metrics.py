"""Times as CloudWatch embedded metrics: one line of JSON for many values.

The servers put words of their own before a worker's output, and CloudWatch reads only lines that are JSON from their
first character. `OPTIMIZE_METRICS` therefore names the file to write to: `/proc/1/fd/1` is the container's own output.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import atexit
import json
import os
import time
from collections import defaultdict

NAMESPACE = "optimize"
MOST_VALUES = 100
"""The format takes at most 100 values of one metric in one line."""
MOST_SECONDS = 60.0


class Metrics:
    """Keeps values in milliseconds by name, and prints them when there are 100, or after a minute."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._values: dict[str, list[float]] = defaultdict(list)
        self._printed = time.monotonic()
        atexit.register(self.flush)

    def put(self, name: str, seconds: float) -> None:
        values = self._values[name]
        values.append(round(seconds * 1e3, 4))
        if len(values) >= MOST_VALUES or time.monotonic() - self._printed > MOST_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._printed = time.monotonic()
        if not self._values:
            return
        metrics = [{"Name": name, "Unit": "Milliseconds"} for name in self._values]
        directive = {"Namespace": NAMESPACE, "Dimensions": [["Model"]], "Metrics": metrics}
        about = {"Timestamp": int(time.time() * 1e3), "CloudWatchMetrics": [directive]}
        _write(json.dumps({"_aws": about, "Model": self._model, **self._values}))
        self._values.clear()


def _write(line: str) -> None:
    """A metric that cannot be written never costs an answer."""
    try:
        with open(os.environ["OPTIMIZE_METRICS"], "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(line + "\n")
    except (KeyError, OSError):
        print(line, flush=True)
