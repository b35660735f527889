"""Calibration rows are the same whichever way they lie on disk, and exactly as many as are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimize.calibration import open_calibration
from optimize.calibration.stream import Stream
from optimize.errors import UserError
from optimize.pipeline.data import Calibration, calibration_in_short
from optimize.signature import Signature, TensorSpec

SIGNATURE = Signature((TensorSpec("x", "float32", ("batch", 3)), TensorSpec("ids", "int64", ("batch", 2))))
ROWS = 11
X = np.arange(ROWS * 3, dtype=np.float32).reshape(ROWS, 3)
IDS = np.arange(ROWS * 2).reshape(ROWS, 2)


def npz(folder: Path) -> dict[str, Any]:
    np.savez_compressed(folder / "rows.npz", x=X, ids=IDS)
    return {"file": "rows.npz"}


def columns_apart(folder: Path) -> dict[str, Any]:
    np.savez(folder / "rows.npz", x=np.asfortranarray(X), ids=IDS)
    return {"file": "rows.npz"}


def npy_per_input(folder: Path) -> dict[str, Any]:
    (folder / "rows").mkdir()
    np.save(folder / "rows" / "x.npy", X)
    np.save(folder / "rows" / "ids.npy", IDS)
    return {"folder": "rows"}


def npy_per_row(folder: Path) -> dict[str, Any]:
    for name, array in (("x", X), ("ids", IDS)):
        (folder / "rows" / name).mkdir(parents=True)
        for index, row in enumerate(array):
            np.save(folder / "rows" / name / f"{index:03}.npy", row)
    return {"folder": "rows"}


def generator(folder: Path) -> dict[str, Any]:
    (folder / "rows.py").write_text(
        "import itertools\nfrom read import X, IDS\ndef rows():\n    (open('asked', 'w')).close()\n"
        "    for x, ids in zip(X, IDS):\n        open('asked', 'a').write('.')\n        yield {'x': x, 'ids': ids}\n"
    )
    (folder / "read.py").write_text(
        "import numpy as np\nX = np.arange(33, dtype=np.float32).reshape(11, 3)\nIDS = np.arange(22).reshape(11, 2)\n"
    )
    return {"generator": "rows.py:rows", "rows": ROWS}


def dataset(folder: Path) -> dict[str, Any]:
    """As `datasets` 5.2 lays a folder out: two files, of 6 and 5 rows, and the state that names them."""
    import pyarrow as pa

    (folder / "rows").mkdir()
    files = []
    for index, part in enumerate((slice(0, 6), slice(6, ROWS))):
        table = pa.table(
            {"x": X[part].astype(np.float64).tolist(), "ids": IDS[part].tolist(), "text": ["a"] * len(X[part])}
        )
        files.append({"filename": f"data-{index:05}-of-00002.arrow"})
        with pa.ipc.new_stream(str(folder / "rows" / files[-1]["filename"]), table.schema) as writer:
            writer.write_table(table, max_chunksize=4)
    (folder / "rows" / "state.json").write_text(json.dumps({"_data_files": files, "_indices_files": None}))
    return {"dataset": "rows"}


KINDS = (npz, columns_apart, npy_per_input, npy_per_row, generator, dataset)
Make = Callable[[Path], dict[str, Any]]


def opened(folder: Path, section: dict[str, Any], signature: Signature = SIGNATURE) -> Stream:
    return open_calibration(Calibration(**section).wanted(folder), signature)


@pytest.mark.parametrize("make", KINDS)
def test_rows_come_in_order_and_again_from_the_first(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stream = opened(tmp_path, make(tmp_path))
    for _ in range(2):
        batches = list(stream.batches(4))
        assert [len(batch["x"]) for batch in batches] == [4, 4, 3]
        np.testing.assert_array_equal(np.concatenate([batch["x"] for batch in batches]), X)
        np.testing.assert_array_equal(np.concatenate([batch["ids"] for batch in batches]), IDS)
        assert (batches[0]["x"].dtype, batches[0]["ids"].dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("make", KINDS)
def test_exactly_the_rows_asked_for_are_read(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stream = opened(tmp_path, {**make(tmp_path), "rows": 7})
    batches = list(stream.batches(4))
    assert len(stream) == 7 and sum(len(batch["x"]) for batch in batches) == 7
    if make is generator:
        assert (tmp_path / "asked").read_text() == "." * 7


READ = """
import sys, json
from pathlib import Path
from optimize.benchmarks.worker import peak_bytes
from optimize.calibration import open_calibration
from optimize.pipeline.data import Calibration
from optimize.signature import Signature, TensorSpec
signature = Signature((TensorSpec("x", "float32", ("batch", 1000)),))
peaks = []
for rows in (10, 10_000):
    wanted = Calibration(**json.loads(sys.argv[1]), rows=rows).wanted(Path("."))
    assert sum(len(batch["x"]) for batch in open_calibration(wanted, signature).batches(8)) == rows
    peaks.append(peak_bytes())
print(peaks[1] - peaks[0])
"""


def test_what_lies_in_one_file_is_not_held_in_memory(tmp_path: Path) -> None:
    """40 MB each; what is mapped counts as held once it was read."""
    import pyarrow as pa

    (tmp_path / "folder").mkdir()
    (tmp_path / "dataset").mkdir()
    x = np.random.default_rng(0).standard_normal((10_000, 1000), np.float32)
    np.savez(tmp_path / "rows.npz", x=x)
    np.save(tmp_path / "folder" / "x.npy", x)
    table = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 1000)})
    with pa.ipc.new_stream(str(tmp_path / "dataset" / "rows.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    (tmp_path / "dataset" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "rows.arrow"}]}))
    for section in ({"file": "rows.npz"}, {"folder": "folder"}, {"dataset": "dataset"}):
        command = [sys.executable, "-c", READ, json.dumps(section)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
        assert int(done.stdout) < 16e6, section


def test_more_rows_than_there_are_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="has 11 rows, and `rows: 12` asks for more"):
        opened(tmp_path, {**npz(tmp_path), "rows": 12})
    with pytest.raises(UserError, match="yielded 11 rows, and `rows: 12` asks for more"):
        list(opened(tmp_path, {**generator(tmp_path), "rows": 12}).batches(4))


def test_images_are_resized_cut_and_scaled_as_declared(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "images").mkdir()
    for name, colour in (("a.png", (255, 0, 0)), ("b.png", (0, 51, 0))):
        Image.new("RGB", (12, 8), colour).save(tmp_path / "images" / name)
    section = {"images": "images", "transform": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}
    (batch,) = opened(tmp_path, section, Signature((TensorSpec("x", "float32", ("batch", 3, 4, 4)),))).batches(8)
    assert batch["x"].shape == (2, 3, 4, 4)
    np.testing.assert_allclose(batch["x"][:, :, 0, 0], [[1, -1, -1], [-1, -0.6, -1]], atol=1e-6)
    last = {"images": "images", "transform": {"layout": "nhwc", "channels": "bgr", "scale": 1, "resize": 16}}
    (batch,) = opened(tmp_path, last, Signature((TensorSpec("x", "uint8", ("batch", 16, 20, 3)),))).batches(8)
    assert batch["x"].shape == (2, 16, 20, 3) and batch["x"][0, 0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": X}, "has no array 'ids'; it has x"),
        ({"x": X.astype(np.float64), "ids": IDS}, "x is float64, and the signature says float32"),
        ({"x": X[:, :2], "ids": IDS}, r"x: float32\[11, 2\] does not fit"),
        ({"x": X[:0], "ids": IDS[:0]}, "has no rows"),
        ({"x": X[:3], "ids": IDS}, "different numbers of rows"),
        ({"x": np.where(X == 20, np.nan, X), "ids": IDS}, "x holds NaN or infinite values"),
        ({"x": np.ones_like(X), "ids": np.ones_like(IDS)}, "every row is the same"),
    ],
)
def test_rows_that_cannot_calibrate_are_refused_with_their_key(
    tmp_path: Path, arrays: dict[str, Any], says: str
) -> None:
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(UserError, match=says) as caught:
        list(opened(tmp_path, {"file": "rows.npz"}).batches(4))
    assert caught.value.key == "data.calibration"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("yield {'x': np.zeros(3, np.float32)}", "has no array 'ids'"),
        ("raise KeyError('lost')", "rows.py:rows raised KeyError: 'lost'"),
        ("yield [1, 2]", "yielded a list; expected a mapping"),
        ("yield {'x': np.zeros((1, 3), np.float32), 'ids': np.zeros(2, int)}", r"x: float32\[2, 1, 3\] does not fit"),
        ("yield {'x': np.zeros(3, np.float32), 'ids': np.zeros(n, int)}", "rows of one batch differ"),
    ],
)
def test_a_generator_that_is_wrong_is_told_what_was_expected(tmp_path: Path, body: str, says: str) -> None:
    (tmp_path / "rows.py").write_text(f"import numpy as np\ndef rows():\n  for n in range(9):\n    {body}\n")
    with pytest.raises(UserError, match=says):
        list(opened(tmp_path, {"generator": "rows.py:rows", "rows": 2}).batches(2))


def test_a_fixed_batch_takes_only_rows_that_fill_it(tmp_path: Path) -> None:
    signature = Signature((TensorSpec("x", "float32", (4, 3)),))
    with pytest.raises(UserError, match=r"`rows: 6` does not fill batches of 4, which the signature fixes; write 4"):
        opened(tmp_path, {**npz(tmp_path), "rows": 6}, signature)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("rows.npz", "file"),
        ("c:/data/rows.npz", "file"),
        ("run:2/rows", "folder"),
        ("rows", "folder"),
        ("rows.py:rows", "generator"),
        ("package.rows:rows", "generator"),
        ("random", "random"),
    ],
)
def test_a_string_is_short_for_what_it_looks_like(text: str, kind: str) -> None:
    assert Calibration(**{"rows": 3, **calibration_in_short(text)}).kind == kind
