"""`optimize init`."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optimize.errors import UserError

if TYPE_CHECKING:
    from optimize.newcomers.drafting import Draft
    from optimize.newcomers.finding import DataFile
    from optimize.newcomers.looking import Seen

FILE_KEYS = ("file", "path", "model", "folder", "directory", "weights")
"""What kinds of source call the place of the model."""
INPUT = re.compile(r"(?P<name>[^=\s]+)=(?P<dtype>[a-z]+[0-9]*)\[(?P<shape>[^\]]*)\]")


@click.command(name="init")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=Path("pipeline.yaml"), show_default=True)
@click.option("--factory", metavar="FILE.py:NAME", help="What builds the module of a state_dict.")
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME=DTYPE[DIMS]", help="An input, such as image=float32[batch,1,8,8]."
)
@click.option("--calibration", type=click.Path(path_type=Path), help="An .npz with one array per input.")
@click.option("--evaluation", type=click.Path(path_type=Path), help="An .npz with labels as well.")
@click.option("--trust", is_flag=True, help="You made the model yourself: what loading it executes may be executed.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(
    model: Path, output: Path, factory: str | None, inputs: tuple[str, ...], calibration: Path | None,
    evaluation: Path | None, trust: bool, force: bool,
) -> int:  # fmt: skip
    """Look at MODEL and write a commented pipeline file for it; ask only what cannot be found out."""
    from optimize.newcomers.drafting import draft_text
    from optimize.newcomers.looking import look
    from optimize.newcomers.paths import paths_from
    from optimize.reports.words import megabytes

    if output.exists() and not force:
        raise UserError(f"{output} is there already; add --force to write over it, or --output OTHER.yaml")
    seen = look(model)
    _check_kind(seen)
    click.echo(f"{seen.path}: {seen.what}, {megabytes(seen.size_bytes)}")
    trusted = trust or _ask_trust(seen)
    data = _data(seen, calibration, evaluation)
    draft = replace(
        _draft(seen, output.resolve().parent, factory, dict(map(_parse_input, inputs)), data), trusted=trusted
    )
    schema = _write_schema(output.resolve().parent)
    _write(output, draft_text(draft, paths_from(seen.kind), schema))
    first = "" if trusted or not seen.trust else "say in it whether you trust the model, then: "
    click.echo(f"wrote {output}; next: {first}optimize plan {output}, then: optimize run {output}")
    return 0


def _check_kind(seen: Seen) -> None:
    from optimize.sources.base import sources

    if seen.kind not in sources():
        raise UserError(
            f"{seen.path} is {seen.what}, and this release has no source of kind {seen.kind}; it has "
            f"{', '.join(sources())}"
        )


def _ask_trust(seen: Seen) -> bool:
    """Only at a terminal: elsewhere the question stands in the file, and `optimize run` asks it."""
    if not seen.trust or not sys.stdin.isatty():
        return False
    executes = ", ".join(seen.trust)
    return click.confirm(f"Loading it executes {executes}. Did you make it yourself, or do you trust who did?")


def _data(seen: Seen, calibration: Path | None, evaluation: Path | None) -> tuple[DataFile | None, DataFile | None]:
    from optimize.newcomers.finding import find_data, read_data, sort_out

    given = []
    for path in (calibration, evaluation):
        data = read_data(path) if path else None
        if path and data is None:
            raise UserError(
                f"{path} is not an .npz of plain arrays with one count of rows; np.savez(path, name=array) makes one"
            )
        given.append(data)
    found = sort_out(find_data(seen.path.parent))
    return given[0] or found[0], given[1] or found[1]


def _draft(
    seen: Seen, base: Path, factory: str | None, inputs: dict[str, Any], data: tuple[DataFile | None, DataFile | None]
) -> Draft:
    from optimize.newcomers.drafting import Draft, draft_name

    source: dict[str, Any] = {"kind": seen.kind}
    comments: dict[str, str] = {}
    if seen.kind == "pytorch":
        source |= _factory(seen, base, factory, comments)
    source[_file_key(seen.kind)] = _relative(seen.path, base)
    if inputs:
        source["inputs"] = inputs
    elif seen.kind in ("pytorch", "torchscript"):
        source["inputs"] = _inputs(seen, data, comments)
    calibration, evaluation = data
    return Draft(
        draft_name(_name(seen.path)), str(seen.path), source, comments,
        calibration=_relative(calibration.path, base) if calibration else "",
        evaluation=_relative(evaluation.path, base) if evaluation and evaluation.labels else "",
        labels=evaluation.labels if evaluation else "",
        trust=seen.trust,
    )  # fmt: skip


def _name(path: Path) -> str:
    """The model's own name, or its folder's where its own says nothing."""
    return path.resolve().parent.name if path.stem in ("weights", "model", "pytorch_model") else path.stem


def _file_key(kind: str) -> str:
    """The key of the kind's own section that names the model."""
    from optimize.sources.base import sources

    fields = sources()[kind].Options.model_fields
    required = [name for name, info in fields.items() if info.is_required()]
    return next(
        (key for key in FILE_KEYS if key in required), next((key for key in FILE_KEYS if key in fields), "file")
    )


def _factory(seen: Seen, base: Path, given: str | None, comments: dict[str, str]) -> dict[str, str]:
    """With where the weights stand in a training checkpoint."""
    from optimize.newcomers.details import details
    from optimize.newcomers.finding import find_factory

    known = {} if seen.weights or seen.trust else details("pytorch", seen.path)
    key = {"weights_key": known["weights_key"]} if known.get("weights_key") else {}
    if given:
        return {"factory": given, **key}
    found = find_factory(seen.path.parent, seen.weights or known.get("weights", {}))
    if found:
        comments["factory"] = "the class whose attributes are those of the state_dict"
        return {"factory": _relative(seen.path.parent / found, base), **key}
    question = "What builds the module (path/to/file.py:Class)"
    flag = f"--factory model.py:Net: the class or function that builds the module of {seen.path.name}"
    return {"factory": _ask(question, flag), **key}


def _inputs(seen: Seen, data: tuple[DataFile | None, DataFile | None], comments: dict[str, str]) -> dict[str, Any]:
    file = data[0] or data[1]
    if file:
        comments["inputs"] = f"as the arrays of {file.path.name} are"
        return {name: _spec(dtype, ("batch", *shape[1:])) for name, (dtype, shape) in file.inputs.items()}
    answer = _ask(
        "Its inputs, such as image=float32[batch,1,8,8]; several with spaces between",
        f"--input NAME=DTYPE[DIMS] for each input, or --calibration data.npz: {seen.path.name} does not tell",
    )
    return dict(map(_parse_input, answer.split()))


def _parse_input(text: str) -> tuple[str, dict[str, Any]]:
    found = INPUT.fullmatch(text.replace(" ", ""))
    if not found:
        raise UserError(f"--input {text}: expected NAME=DTYPE[DIMS], such as image=float32[batch,1,8,8]")
    shape = [part for part in found["shape"].split(",") if part]
    return found["name"], _spec(found["dtype"], tuple(int(part) if part.isdigit() else part for part in shape))


def _spec(dtype: str, shape: tuple[int | str, ...]) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape)}


def _ask(question: str, flag: str) -> str:
    """At a terminal a question; elsewhere an error that names the option."""
    if sys.stdin.isatty():
        return str(click.prompt(question))
    raise UserError(f"cannot be found out: add {flag}")


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path.resolve(), base)).as_posix()


def _write_schema(base: Path) -> str:
    """Beside the store, so that an editor checks the file against this very release, offline."""
    from optimize.schemas import pipeline_schema
    from optimize.store import write_whole

    path = base / ".optimize" / "pipeline.schema.json"
    text = json.dumps(pipeline_schema(), indent=2, sort_keys=True) + "\n"
    try:
        write_whole(path, text.encode("utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; give --output in a folder that can") from error
    return path.relative_to(base).as_posix()


def _write(path: Path, text: str) -> None:
    from optimize.store import write_whole

    try:
        write_whole(path, text.encode("utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; give --output elsewhere") from error
