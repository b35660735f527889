"""What user code consists of, read from its text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from optimize.sources.user_code import code_closure


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Finalized:
    """Garbage that only the collector frees, by running Python: where one thread's parsing gives way to another's."""

    def __init__(self) -> None:
        self.cycle = self

    def __del__(self) -> None:
        sum(range(50))


@pytest.mark.usefixtures("eager_switches")
def test_steps_in_several_threads_read_the_same_code(tmp_path: Path) -> None:
    """`compile` of Python 3.11 kept its depth for all threads in one place (CPython issue 106905)."""
    nested = "x = " + "(" * 40 + "1" + " + 1)" * 40 + "\n"
    (tmp_path / "helper.py").write_text(nested * 20)
    (tmp_path / "model.py").write_text("import helper\n" + nested * 20)

    def read(_: int) -> list[Path]:
        garbage = [Finalized() for _ in range(200)]
        del garbage
        return code_closure(tmp_path / "model.py")

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(read, range(200)))
    assert found == [[tmp_path / "helper.py", tmp_path / "model.py"]] * 200
