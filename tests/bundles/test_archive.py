"""An archive that is cut off, or that reaches outside, is refused with a sentence; nothing is written outside."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from optimize.bundles.archive import choose_level, unpack_archive, write_archive
from optimize.errors import UserError


def pack(path: Path, *members: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isfile() else 0
            tar.addfile(member, io.BytesIO(content) if member.isfile() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (member("../outside"), "would be written outside"),
        (member("code/../../outside"), "would be written outside"),
        (member("/tmp/outside-of-a-bundle"), "would be written outside"),
        (member("..\\outside"), "would be written outside"),
        (member("link", tarfile.SYMTYPE, "/etc"), "is a link or a device"),
        (member("link", tarfile.LNKTYPE, "../outside"), "is a link or a device"),
        (member("pipe", tarfile.FIFOTYPE), "is a link or a device"),
        (member("disk", tarfile.BLKTYPE), "is a link or a device"),
    ],
)
def test_a_member_that_reaches_outside_is_refused_and_nothing_outside_is_written(
    tmp_path: Path, bad: tarfile.TarInfo, says: str
) -> None:
    bundle = pack(tmp_path / "bad.tar.gz", member("model.pt"), bad)
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match=says):
        unpack_archive(bundle, folder)
    assert [path.name for path in folder.iterdir()] == ["model.pt"]
    assert list((tmp_path / "inner").iterdir()) == [folder]
    assert not Path("/tmp/outside-of-a-bundle").exists()


def test_a_file_behind_a_link_is_never_reached(tmp_path: Path) -> None:
    bundle = pack(tmp_path / "bad.tar.gz", member("code", tarfile.SYMTYPE, str(tmp_path)), member("code/evil.py"))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UserError, match="is a link"):
        unpack_archive(bundle, folder)
    assert not (tmp_path / "evil.py").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_an_archive_that_is_cut_off_anywhere_is_refused(tmp_path: Path, share: float) -> None:
    whole = pack(tmp_path / "whole.tar.gz", member("model.onnx"), content=os.urandom(100_000)).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole[: int(len(whole) * share)])
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"cut\.tar\.gz is not a whole \.tar\.gz"):
        unpack_archive(cut, tmp_path / "folder")


def test_what_is_no_archive_or_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.tar.gz").write_text("not an archive", encoding="utf-8")
    with pytest.raises(UserError, match=r"is not a whole \.tar\.gz, as SageMaker wants it"):
        unpack_archive(tmp_path / "text.tar.gz", tmp_path)
    with pytest.raises(UserError, match=r"does not exist; `optimize run pipeline\.yaml` makes a bundle"):
        unpack_archive(tmp_path / "none.tar.gz", tmp_path)


def test_what_is_packed_comes_out_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "1" / "variables").mkdir(parents=True)
    (source / "1" / "variables" / "data").write_bytes(os.urandom(3_000_000))
    (source / "empty").write_bytes(b"")
    (source / ("long" * 40)).write_bytes(b"name")
    write_archive(source, tmp_path / "a.tar.gz")
    (tmp_path / "out").mkdir()
    unpack_archive(tmp_path / "a.tar.gz", tmp_path / "out")
    for path in source.rglob("*"):
        if path.is_file():
            assert (tmp_path / "out" / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_weights_are_stored_and_what_shrinks_is_compressed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "weights").write_bytes(os.urandom(100_000))
    (tmp_path / "b" / "table").write_bytes(bytes(100_000))
    assert choose_level(tmp_path / "a") == 0
    assert choose_level(tmp_path / "b") == 1


WRITE = """
import sys
from pathlib import Path
from optimize.bundles.archive import write_archive
from optimize.benchmarks.worker import peak_bytes
write_archive(Path(sys.argv[1]), Path(sys.argv[2]))
print(peak_bytes())
"""


def test_memory_does_not_grow_with_the_size(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with (tmp_path / "source" / "model.onnx").open("wb") as file:
        for _ in range(30):
            file.write(os.urandom(10_000_000))
    command = [sys.executable, "-c", WRITE, str(tmp_path / "source"), str(tmp_path / "model.tar.gz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150e6  # For 300 MB.
