"""From the text of a pipeline file to `Pipeline`, or to one message that says where, what, and what to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from optimize.errors import UserError
from optimize.pipeline.messages import EXAMPLES, line_of, validate
from optimize.pipeline.method_options import check_options
from optimize.pipeline.runtime_settings import check_settings
from optimize.pipeline.schema import Pipeline
from optimize.pipeline.wording import nearest
from optimize.sources.base import SourceOptions, sources


@dataclass(frozen=True)
class PipelineFile:
    """A pipeline with the place it was read from, so that later messages can name the line."""

    path: Path
    pipeline: Pipeline
    lines: Mapping[str, int]

    @property
    def base(self) -> Path:
        return self.path.resolve().parent

    def located(self, error: UserError) -> UserError:
        """The same error, with file and line in front."""
        return UserError(f"{self.path}{line_of(error.key, self.lines)}: {error.key}: {error.message}", "")

    def resolve(self, path: str) -> Path:
        return self.base / path


def load(path: Path, overrides: Sequence[str] = ()) -> PipelineFile:
    """Raises UserError: no such file, not YAML, or not a pipeline."""
    data, lines = _read(path)
    for override in overrides:
        _apply(data, override, lines)
    problems: list[str] = []
    source = _validate_source(data, path, lines, problems)
    pipeline = validate(
        Pipeline, {**data, "source": source or SourceOptions(kind="pytorch")}, "", path, lines, problems
    )
    if pipeline is not None:
        check_options(pipeline.candidates, path, lines, problems)
        check_settings(pipeline.candidates, path, lines, problems)
    if problems or pipeline is None:
        raise UserError("\n".join(problems))
    file = PipelineFile(path, pipeline, lines)
    _check_paths(file)
    return file


def _read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file. Give the path of a pipeline file: optimize run path/to/pipeline.yaml"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[str, int] = {}
        _note_lines(node, "", lines, path)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(
            f"{path}:{line}: not YAML: {error.problem}; check the indentation and the brackets there"
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}:1: expected keys such as `name:` and `source:`, got {type(data).__name__}")
    return data, lines


def _note_lines(node: yaml.Node | None, key: str, lines: dict[str, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner = f"{key}.{name.value}" if key else str(name.value)
            line = name.start_mark.line + 1
            if inner in lines:
                raise UserError(
                    f"{path}:{line}: {inner} stands here a second time (first on line {lines[inner]}); keep one"
                )
            lines[inner] = line
            _note_lines(value, inner, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[f"{key}.{index}"] = value.start_mark.line + 1
            _note_lines(value, f"{key}.{index}", lines, path)


def _apply(data: dict[str, Any], override: str, lines: dict[str, int]) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise UserError(f"-o {override}: expected KEY=VALUE, such as -o gates.size_mb=10")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"-o {override}: the value is not YAML: {error}") from error
    *parents, last = key.strip().split(".")
    section = data
    for parent in parents:
        inner = section.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UserError(f"-o {override}: {parent} is not a section, but {inner!r}")
        section = inner
    section[last] = value
    lines[key.strip()] = 0


def _validate_source(
    data: dict[str, Any], path: Path, lines: Mapping[str, int], problems: list[str]
) -> SourceOptions | None:
    section = data.get("source")
    if not isinstance(section, dict):
        given = "is missing" if section is None else f"is {section!r}"
        problems.append(
            f"{path}{line_of('source', lines)}: source {given}; write for example\n    {EXAMPLES['source']}"
        )
        return None
    kind, known = section.get("kind", "pytorch"), sources()
    if kind not in known:
        near = nearest(str(kind), known)
        problems.append(
            f"{path}{line_of('source.kind', lines)}: source.kind: {kind!r} is not a kind of source{near}; "
            f"one of {', '.join(known)}"
        )
        return None
    return validate(known[kind].Options, section, "source", path, lines, problems)


def _check_paths(file: PipelineFile) -> None:
    pipeline = file.pipeline
    paths = {f"source.{key}": path for key, path in pipeline.source.paths().items()}
    for key, reference in pipeline.source.code().items():
        if ".py:" in reference:
            paths[f"source.{key}"] = reference.rpartition(":")[0]
    if pipeline.data.calibration:
        paths |= {f"data.calibration.{key}": path for key, path in pipeline.data.calibration.paths().items()}
    if pipeline.data.evaluation:
        paths["data.evaluation.file"] = pipeline.data.evaluation.file
        if ".py:" in pipeline.data.evaluation.metric:
            paths["data.evaluation.metric"] = pipeline.data.evaluation.metric.rpartition(":")[0]
    if pipeline.bundle.code:
        paths["bundle.code"] = pipeline.bundle.code
    missing = [(key, path) for key, path in paths.items() if not file.resolve(path).exists()]
    if missing:
        raise UserError("\n".join(_missing(file, key, path) for key, path in missing))


def _missing(file: PipelineFile, key: str, path: str) -> str:
    folder = file.resolve(path).parent
    near = nearest(Path(path).name, [p.name for p in folder.iterdir()]) if folder.is_dir() else ""
    where = f"{file.path}{line_of(key, file.lines)}: {key}"
    return f"{where}: no such file: {path} (paths are relative to the pipeline file){near}"
