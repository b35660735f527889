"""The site, and the pages that are generated, each by what it is for."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", ["pipeline.schema.json", "report.schema.json", "pipeline-file.md"])
def test_what_is_generated_is_up_to_date(name: str) -> None:
    texts = runpy.run_path(str(DOCS / "generate.py"))["generated"]()
    assert (DOCS / name).read_text(encoding="utf-8") == texts[name], "type: python docs/generate.py"


def test_the_site_builds_with_every_link_and_anchor_whole(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "pipeline-file.html").is_file()


def test_the_messages_that_are_explained_are_messages_of_this_tool() -> None:
    sources = [*ROOT.glob("optimize/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    code = " ".join(" ".join(file.read_text(encoding="utf-8") for file in sources).split())
    code = re.sub(r'" f?"', "", code)
    headings = re.findall(r"^### (.*)$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
    messages = [message for heading in headings for message in re.findall(r"`([^`]+)`", heading)]
    assert len(messages) > 12
    for message in messages:
        fragment = max(re.split(r"…|:|'[a-z]+'|[0-9±.%]+", message), key=len).strip()
        assert fragment in code, f"no message says {fragment!r} any more"


def test_every_command_that_the_pages_show_is_one() -> None:
    from optimize.cli import COMMANDS

    for page in DOCS.glob("*.md"):
        shown = re.findall(r"^(?:\$ |- |    - )?optimize ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(shown) <= COMMANDS.keys(), page.name


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_every_yaml_that_a_page_shows_is_yaml(page: str) -> None:
    for block in re.findall(
        r"^```yaml\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        assert yaml.safe_load(block) or block.startswith("# yaml-language-server"), block
