"""What the documentation shows runs and says what the code does."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rung import config
from rung.cli.main import COMMANDS
from rung.file_tables import (
    FileTable,
    LadderTable,
    LimitsTable,
    SandboxTable,
    ServerTable,
    TierTable,
)
from rung.inspection import problems
from rung.verifiers.catalogue import KINDS

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
NEEDS_A_PROVIDER = ("Tier.ollama", "OpenAI(")
KEYS = {"OPENAI_API_KEY": "sk-not-a-key"}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, found[1])
        for page in PAGES
        for found in BLOCK.findall(page.read_text("utf-8"))
        if found[0] == language
    ]


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_in_the_docs_runs(page: str, code: str) -> None:
    compiled = compile(code, page, "exec")
    if not any(word in code for word in NEEDS_A_PROVIDER):
        exec(compiled, {"__name__": "docs"})


def test_some_python_in_the_docs_is_run_and_not_only_compiled() -> None:
    assert any("assert" in code for _, code in blocks("python"))


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_toml_in_the_docs_is_accepted(
    page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = text if "[tiers." in text else f"{WHOLE}\n{text}"
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "person.json").write_text("{}")
    module = ModuleType("my_checks")
    module.short = lambda text: True
    monkeypatch.setitem(sys.modules, "my_checks", module)
    assert config.parse(whole, tmp_path / "rung.toml", KEYS, problems).file.tiers


WHOLE = '[tiers.a]\nprovider = "embedded"\n[ladders.default]\ntiers = ["a"]\n'


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text("utf-8"))
    assert [each for each in targets if not (page.parent / each).exists()] == []


def test_every_key_of_the_configuration_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    keys = {
        key
        for table in (FileTable, TierTable, LadderTable, LimitsTable, ServerTable, SandboxTable)
        for key in table.model_fields
    }
    assert {key for key in keys if f"`{key}`" not in page and f"[{key}" not in page} == set()


def test_every_kind_of_verifier_is_documented() -> None:
    page = (ROOT / "docs" / "verifiers.md").read_text("utf-8")
    assert {kind for kind in KINDS if f"| `{kind}`" not in page} == set()


def test_commands_that_the_readme_names_exist() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"^rung (\w+)", readme, re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)
