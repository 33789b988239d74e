"""`rung init`: a two-tier rung.toml from what this machine has."""

from __future__ import annotations

import asyncio
import json as jsonlib
import os
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rung import config
from rung.cli.neighbours import chat_model
from rung.cli.output import console, one_line, plain, print_json
from rung.cli.presets import PRESETS, Preset
from rung.cli.settings import Json
from rung.config import FILE_NAME
from rung.core.errors import ConfigError
from rung.providers.embedded.locate import INSTALL
from rung.surroundings import Surroundings, look_around

HEAD = """\
# The ladder of this project: cheap to dear, the model you would use alone last.
# `rung config check` names every fault; `rung doctor` looks whether the tiers answer.

"""


def init(
    *,
    path: Annotated[Path, Parameter(name=["--path"], help="Where to write it.")] = Path(FILE_NAME),
    preset: Preset | None = None,
    force: Annotated[bool, Parameter(negative="", help="Overwrite what is there.")] = False,
    json: Json = False,
) -> None:
    """Find local servers and API keys, and write a ladder of two tiers: local, then your own model.

    With a verifier, a ladder that ends in the model you would use alone is at least as good as it,
    and only cost is at stake.

    Args:
        preset: A whole ladder with its rules instead. `articles`: simple work, documentation and
            formatting start on this machine, coding at a workhorse, the rest at a cheap cloud tier.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already.", fix="use --force to overwrite it")
    env = config.environment()
    around = asyncio.run(look_around(config.built_in(env)))
    text, tiers = compose(around) if preset is None else (PRESETS[preset](around), [])
    from rung.inspection import problems

    # A preset names keys that may not be there yet: `rung doctor` tells of them.
    checked = config.parse(text, path, env, problems if preset is None else None)
    tiers = tiers or list(checked.file.ladders[checked.default_ladder].tiers)
    _write(path, text)
    if json:
        print_json({"path": str(path), "tiers": tiers, "found": _found(around)})
        return
    to = console()
    for line in _found(around):
        to.print(f"  found {one_line(line, 100)}")
    to.print(f"wrote {plain(str(path))}: {' -> '.join(tiers)} -> inbox")
    to.print("next: `rung doctor`, then `rung serve` or `rung ask`")
    if not around.keyed:
        to.print("[dim]no API key was found: export one (OPENAI_API_KEY ...) and run it again[/]")


def compose(around: Surroundings) -> tuple[str, list[str]]:
    """The text of a rung.toml for these surroundings, and its tiers' names in order.

    Raises ConfigError where there is nothing to build a ladder from.
    """
    tables: dict[str, dict[str, str | bool | int]] = {}
    if (chosen := chat_model(around.local)) is not None:
        found, model = chosen
        tables["local"] = {
            "provider": found.provider,
            "model": model,
            "base_url": found.base_url,
        }
    if not tables and around.embedded:
        tables["local"] = {"provider": "embedded"}
    for row in around.keyed[:1]:
        tables["own"] = {"provider": row.name, "model": row.suggested or ""}
    if "own" not in tables and around.embedded:
        tables["careful"] = {"provider": "embedded", "constrained": True, "samples": 3}
    if not tables:
        raise ConfigError(
            "there is nothing to build a ladder from: no local server, no API key, no model.",
            fix=f"start Ollama, export an API key, or {INSTALL}",
        )
    return HEAD + "\n".join(_toml(tables)), list(tables)


def _toml(tables: dict[str, dict[str, str | bool | int]]) -> list[str]:
    lines: list[str] = []
    for name, table in tables.items():
        lines.append(f"[tiers.{name}]")
        # A JSON string, number or boolean is one in TOML too.
        lines += [f"{key} = {jsonlib.dumps(value)}" for key, value in table.items()]
        lines.append("")
    lines += ["[ladders.default]", f"tiers = {jsonlib.dumps(list(tables))}", ""]
    return lines


def _write(path: Path, text: str) -> None:
    """Write whole or not at all: a reader never sees half a configuration."""
    half: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            half = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError as error:
        if half is not None:
            half.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None


def _found(around: Surroundings) -> list[str]:
    lines = [f"{f.provider} at {f.base_url}: {', '.join(f.models[:5])}" for f in around.local]
    lines += [f"a key for {row.name} in {row.key_variable}" for row in around.keyed]
    lines += ["the embedded model"] if around.embedded else []
    return lines
