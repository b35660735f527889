"""An entry is whole or absent; a failure is never served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimize.store import Entry, State, Store, write_whole

KEY = "ab" + "0" * 62


def put(store: Store, state: State = State.OK, text: str = "weights") -> Entry:
    with store.staging() as staged:
        (staged / "files").mkdir()
        (staged / "files" / "model.bin").write_text(text)
        return store.publish(KEY, staged, {"state": state.value, "reason": "", "payload": {"method": "m"}})


def test_what_was_published_is_found(tmp_path: Path) -> None:
    put(Store(tmp_path))
    found = Store(tmp_path).find(KEY)
    assert found is not None
    assert (found.files / "model.bin").read_text() == "weights"
    assert found.size_bytes == len("weights")


@pytest.mark.parametrize("state", [State.FAILED, State.CRASHED, State.OUT_OF_MEMORY, State.TIMED_OUT])
def test_a_failure_is_recorded_but_not_served(tmp_path: Path, state: State) -> None:
    entry = put(Store(tmp_path), state)
    assert json.loads((entry.path / "record.json").read_text())["state"] == state
    assert Store(tmp_path).find(KEY) is None


def test_unsupported_is_served(tmp_path: Path) -> None:
    put(Store(tmp_path), State.UNSUPPORTED)
    found = Store(tmp_path).find(KEY)
    assert found is not None and found.state is State.UNSUPPORTED


def test_equal_results_have_equal_digests(tmp_path: Path) -> None:
    assert put(Store(tmp_path / "a")).digest == put(Store(tmp_path / "b")).digest
    assert put(Store(tmp_path / "a")).digest != put(Store(tmp_path / "c"), text="others").digest


@pytest.mark.parametrize("damage", ["truncate", "remove", "record"])
def test_a_damaged_entry_is_not_read(tmp_path: Path, damage: str) -> None:
    entry = put(Store(tmp_path))
    if damage == "truncate":
        (entry.files / "model.bin").write_text("wei")
    elif damage == "remove":
        (entry.files / "model.bin").unlink()
    else:
        (entry.path / "record.json").write_text('{"state": "o')
    assert Store(tmp_path).find(KEY) is None
    assert put(Store(tmp_path)).state is State.OK


def test_staging_that_is_not_published_disappears(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.staging() as staged:
        (staged / "half").write_text("x")
        raise RuntimeError
    assert store.find(KEY) is None
    assert not list((tmp_path / "staging").iterdir())


def test_write_whole_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.json"
    write_whole(target, b"old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
