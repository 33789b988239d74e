"""Finding the configuration in force for a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rung import config
from rung.config import Config

ConfigPath = Annotated[
    Path | None,
    Parameter(name=["--config"], help="A rung.toml; else $RUNG_CONFIG, ./rung.toml, your own."),
]
Json = Annotated[bool, Parameter(name=["--json"], negative="", help="Print one JSON document.")]


def load(path: Path | None) -> Config:
    """The configuration named, found, or built in, without looking at its parts."""
    env = config.environment()
    found = path or config.find(env, Path.cwd())
    if found is None:
        return config.built_in(env)
    from rung.assemble import problems

    return config.load(found, env, problems)
