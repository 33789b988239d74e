"""The Python module that an answer is: one fenced block of it, or all of it."""

from __future__ import annotations

from rung.verifiers.base import shown
from rung.verifiers.fenced import Block, blocks

MOST_BLOCKS = 2_000
_PYTHON = {"python", "py", "python3", "py3"}
_UNNAMED = {"", "text", "txt", "plaintext", "code"}


class NoCodeError(ValueError):
    """The answer holds no code to test, or more than one; the message says how to repair it."""


def code_of(answer: str, module: str) -> str:
    """The code that is to be imported as ``module``.

    The last block that is labelled with the module's file, else the only Python block, else the
    only block, else an answer without any block as a whole. Raises NoCodeError.
    """
    found = blocks(answer)
    if len(found) > MOST_BLOCKS:
        raise NoCodeError(f"the answer has more than {MOST_BLOCKS:,} blocks")
    file = module.replace(".", "/") + ".py"
    named = [each for each in found if _labelled(each, file)]
    if named:
        return _text(named[-1])
    python = [each for each in found if each.language in _PYTHON]
    python = python or [each for each in found if each.language in _UNNAMED]
    if len(python) == 1:
        return _text(python[0])
    if python:
        said = f"the answer has {len(python):,} Python blocks"
        raise NoCodeError(f"{said}: write one, with all of the code, or begin it with `# {file}`")
    if found:
        languages = ", ".join(sorted({shown(each.language, 20) for each in found})[:5])
        raise NoCodeError(f"the answer has no Python: its blocks are {languages}")
    if not answer.strip():
        raise NoCodeError("the answer is empty: write the code in a ```python block")
    return answer


def _labelled(block: Block, file: str) -> bool:
    path = block.path
    return bool(path) and (path == file or path.endswith(f"/{file}"))


def _text(block: Block) -> str:
    return f"{block.text}\n"
