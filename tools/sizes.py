"""Gates that no linter has: lengths, forbidden names, where the environment is read.

An exception is a line in EXCEPTIONS with the number of the ADR that grants it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "rung"
MODULE_LINES = 400
FUNCTION_LINES = 60
FORBIDDEN_FILES = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
ENVIRONMENT = {"environ", "environb", "getenv"}
MAY_READ_ENVIRONMENT = {"config.py"}
EXCEPTIONS: dict[str, str] = {
    # Processes inside of the sandbox: one sets its own environment, one proves that it is bare.
    "src/rung/sandbox/inside/slot.py": "0014",
    "src/rung/sandbox/inside/battery.py": "0014",
}


def main() -> int:
    """Print every breach; the number of them decides the status."""
    breaches = [
        breach
        for path in sorted(SOURCES.rglob("*.py"))
        for breach in _breaches(path)
        if breach.partition(":")[0] not in EXCEPTIONS
    ]
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


def _breaches(path: Path) -> Iterator[str]:
    name = str(path.relative_to(ROOT))
    text = path.read_text("utf-8")
    lines = text.count("\n")
    if lines > MODULE_LINES:
        yield f"{name}: {lines} lines, more than {MODULE_LINES}"
    if path.name in FORBIDDEN_FILES:
        yield f"{name}: a name that says nothing"
    for node in ast.walk(ast.parse(text)):
        if said := _breach(node, path):
            yield f"{name}:{getattr(node, 'lineno', 0)}: {said}"


def _breach(node: ast.AST, path: Path) -> str | None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            return f"{node.name} has {length} lines" if length > FUNCTION_LINES else None
        case ast.Global():
            return "global state"
        case ast.Attribute(attr=attr, value=ast.Name(id="os")) if attr in ENVIRONMENT:
            allowed = str(path.relative_to(SOURCES)) in MAY_READ_ENVIRONMENT
            return None if allowed else "only config.py reads the environment"
        case _:
            return None


if __name__ == "__main__":
    sys.exit(main())
