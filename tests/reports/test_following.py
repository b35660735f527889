"""What `--verbose` passes on of a log that grows."""

from __future__ import annotations

import time
from pathlib import Path

from optimize.reports.following import Follower, clean


def test_a_log_is_passed_on_while_it_grows_and_to_its_last_line_once_it_has_been_moved(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    follower = Follower(lambda title, lines: said.extend((title, line) for line in lines))
    growing = tmp_path / "log.txt"
    growing.write_bytes(b"")
    follower.follow("convert onnx", growing)
    with growing.open("ab") as file:
        file.write(b"first\nsec")
    deadline = time.monotonic() + 10
    while not said and time.monotonic() < deadline:
        time.sleep(0.05)
    assert said == [("convert onnx", "first")], "a line that is not whole yet is not passed on"
    moved = growing.rename(tmp_path / "published.txt")
    with moved.open("ab") as file:
        file.write(b"ond\nthird")
    follower.finish("convert onnx", moved)
    follower.close()
    assert [line for _, line in said] == ["first", "second", "third"]


def test_a_log_that_was_not_followed_is_passed_on_whole(tmp_path: Path) -> None:
    said: list[str] = []
    follower = Follower(lambda title, lines: said.extend(lines))
    (tmp_path / "log.txt").write_text("a\n\nb\n", encoding="utf-8")
    follower.finish("measure", tmp_path / "log.txt")
    follower.finish("measure", tmp_path / "absent.txt")
    assert said == ["a", "b"]


def test_a_log_cannot_move_the_cursor_or_ring_the_bell() -> None:
    assert clean("10 %\r 50 %\r100 %\r") == "100 %"
    assert clean("\x1b[31mred\x07") == "[31mred"
