"""Which containers a candidate is bundled for, and why it cannot be. Pure: it is asked when the plan is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimize.benchmarks.fingerprint import instruction_sets
from optimize.benchmarks.targets import Target, machine_architecture
from optimize.bundles.images import Content, Image, find_image, known_images, newest, refusal
from optimize.errors import UserError
from optimize.pipeline.schema import Bundle as Section
from optimize.stages import Bundle, bundles

AUTO = "auto"


def containers_for(section: Section, format: str) -> tuple[str, ...]:
    """Those that are named; for `auto` the leanest that serves the format as it is wanted, and none where none does."""
    if section.containers != (AUTO,):
        return section.containers
    image = find_image(section.image) if section.image else None
    fitting = (name for name in bundles() if not _cause(name, section, format, image))
    return tuple(list(fitting)[:1])


def check_section(section: Section, target: Target) -> None:
    """What is wrong whatever the candidate. Raises UserError."""
    for name in section.containers:
        if name != AUTO and name not in bundles():
            raise UserError(
                f"{name!r} is not a container; write auto or some of {', '.join(bundles())}", "bundle.container"
            )
    if len(section.containers) > 1 and AUTO in section.containers:
        raise UserError("auto stands beside other containers; write auto alone, or name them all", "bundle.container")
    image = find_image(section.image) if section.image else None
    if image and section.containers != (AUTO,) and image.container not in section.containers:
        raise UserError(
            f"{section.image} is an image of the {image.container} container, and bundle.container names "
            f"{', '.join(section.containers)}; write {image.container}, or auto",
            "bundle.image",
        )
    if section.multi_model and target.kind == "serverless":
        raise UserError("a serverless endpoint serves one model; leave multi_model out", "bundle.multi_model")
    if image and image.architecture != target.architecture:
        raise UserError(
            f"{image} is for {image.architecture}, and {target.name} has {target.architecture}; take an image for that",
            "bundle.image",
        )


def why_not_bundled(section: Section, target: Target, content: Content) -> str:
    """Why such a candidate could not be served as the file asks; empty where it can."""
    elsewhere = _not_on(target, content)
    if elsewhere:
        return elsewhere
    image = find_image(section.image) if section.image else None
    names = containers_for(section, content.format)
    if not names:
        causes = dict.fromkeys(_cause(name, section, content.format, image) for name in bundles())
        return f"no container serves it as bundle asks: {'; '.join(causes)}"
    first = next(filter(None, (_cause(name, section, content.format, None) for name in names)), "")
    if first:
        return f"{first}; bundle.container may also be {_alternatives(section, content.format)}"
    return refusal(image, content) if image else ""


def read_limits(section: Section, format: str) -> Mapping[str, int]:
    """The highest versions of the format that the image reads, by the name of the version; where containers alone are
    named, what the newest image of each reads. Empty where nothing is known to bound it."""
    if format != "onnx":
        return {}
    if section.image:
        images = list(filter(None, [find_image(section.image)]))
    else:
        known = {image.container for image in known_images()}
        images = [newest(name) for name in section.containers if name in known]
    bounds = {"opset": [image.opset for image in images], "ir": [image.ir for image in images]}
    return {name: min(filter(None, found)) for name, found in bounds.items() if any(found)}


def _alternatives(section: Section, format: str) -> str:
    others = [name for name in bundles() if not _cause(name, section, format, None)]
    return ", ".join([AUTO, *others] if others else ["no other: none serves it so"])


def _cause(name: str, section: Section, format: str, image: Image | None) -> str:
    bundle: Bundle = bundles()[name]
    if format not in bundle.formats:
        return f"the {name} container cannot serve {format}"
    if section.code and not bundle.takes_code:
        return f"the {name} container runs no hooks (bundle.code)"
    if image and image.container != name:
        return f"{image} is an image of the {image.container} container"
    return ""


def _not_on(target: Target, content: Content) -> str:
    """What the target's processor alone rules out."""
    here = machine_architecture()
    if content.packed_for_x86 and target.architecture != "x86_64":
        return f"its weights are packed for x86 (FBGEMM), and {target.name} has {target.architecture}; take ONNX"
    if content.format != "aotinductor" or target.kind in ("local", "auto"):
        return ""
    if target.architecture != here:
        return f"AOTInductor compiles for this machine ({here}), and {target.name} has {target.architecture}"
    lacking = _instructions() - set(target.isa.names)
    return f"AOTInductor compiles with {', '.join(sorted(lacking))}, which {target.name} lacks" if lacking else ""


def _instructions() -> set[str]:
    """Of those here, what the compiler uses wherever it is there."""
    used: Sequence[str] = ("avx2", "avx512")
    return set(used) & set(instruction_sets())
