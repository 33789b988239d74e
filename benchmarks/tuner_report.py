"""What a study of the tuner leaves behind: results as JSON, tables as Markdown, its conditions."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from conditions import cpu_model

DIGITS = 5


def conditions() -> dict[str, Any]:
    """The machine and the versions; the load says whether others used it too."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "load": [round(each, 2) for each in os.getloadavg()],
    }


def write(
    folder: Path, name: str, found: Mapping[str, Any], tables: Sequence[str], more: str = ""
) -> None:
    """``name``.json and ``name``.md in the folder; the tables are printed too, all but ``more``."""
    text = "\n\n".join(tables)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(rounded(found), indent=1) + "\n", "utf-8")
    (folder / f"{name}.md").write_text(f"{text}\n\n{more}".strip() + "\n", "utf-8")
    print(text)


def rounded(value: Any) -> Any:
    """The same with floating-point numbers cut to ``DIGITS`` decimals."""
    match value:
        case float():
            return round(value, DIGITS) + 0.0
        case dict():
            return {key: rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [rounded(each) for each in value]
        case _:
            return value
