from __future__ import annotations

import os
from pathlib import Path

import pytest

from optimize.benchmarks.page_cache import evict, resident_share


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(os.urandom(4_000_000))
    return path


def test_a_file_that_was_just_read_is_resident(file: Path) -> None:
    file.read_bytes()
    assert resident_share(file) == 1


def test_eviction_is_claimed_only_where_it_took_effect(file: Path) -> None:
    file.read_bytes()
    assert evict([file]) == (resident_share(file) == 0)


def test_no_eviction_is_claimed_where_the_system_has_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.posix_fadvise")
    assert not evict([file])


def test_nothing_to_evict_is_evicted(tmp_path: Path) -> None:
    assert evict([tmp_path / "missing"])
