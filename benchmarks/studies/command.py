"""What the command itself costs: `python benchmarks/studies/command.py [--first-run]`.

Start-up is paired with `python -c "import click"`, run in turn; a second run of the example, with nothing changed, is
timed whole. With `--first-run` the example is first run in a fresh working directory, and the peak memory of the
command's own process is read from the kernel.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAIRS = 21
OWN_PEAK = """
import sys
from optimize.benchmarks.worker import peak_bytes
from optimize.cli import run_command
code = run_command(sys.argv[1:])
print(f"own peak {peak_bytes() / 1e6:.0f} MB", file=sys.stderr)
sys.exit(code)
"""


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def start_up() -> None:
    optimize = str(Path(sys.executable).with_name("optimize"))
    ratios, helps = [], []
    for _ in range(PAIRS):
        click = seconds(sys.executable, "-c", "import click")
        helps.append(seconds(optimize, "--help"))
        ratios.append(helps[-1] / click)
    ratios.sort()
    low, high = ratios[5], ratios[-6]  # order statistics: 97.3 % for the median of 21
    ratio = f"{ratios[PAIRS // 2]:.2f}× [{low:.2f}, {high:.2f}]"
    print(f"optimize --help: {statistics.median(helps):.3f} s, {ratio} import click")


def runs(workdir: Path, first: bool) -> None:
    command = [str(ROOT / "pipeline.yaml"), "--workdir", str(workdir), "--quiet"]
    output = ["-o", f"report={workdir}/build", "-o", f"bundle.output={workdir}/build/model.tar.gz"]
    if first:
        print(f"first run, nine candidates: {seconds(sys.executable, '-c', OWN_PEAK, 'run', *command, *output):.0f} s")
    again = [seconds(sys.executable, "-m", "optimize", "run", *command, *output) for _ in range(5)]
    print(f"second run, nothing changed: {statistics.median(again):.2f} s (of 5: {min(again):.2f} to {max(again):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first-run", action="store_true", help="run the example first, in a fresh working directory")
    arguments = parser.parse_args()
    start_up()
    with tempfile.TemporaryDirectory() as fresh:
        runs(Path(fresh) if arguments.first_run else ROOT / ".optimize", arguments.first_run)


if __name__ == "__main__":
    main()
