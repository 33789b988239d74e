"""The Python in an answer, as files that a tool can be given.

What is labelled with a path is a file. The rest is one file of all blocks in their order, since a
later one may use what an earlier one defines, with blank lines where the answer has prose: each
line of code is as far from the first as it is in the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, count, pairwise
from pathlib import PurePosixPath

from rung.verifiers.answer_files import safe_path
from rung.verifiers.fenced import Block, blocks

MOST_BLOCKS = 500

_NAMES = frozenset({"python", "py", "python3", "pyi"})
_ENDS = frozenset({".py", ".pyi"})


@dataclass(frozen=True, slots=True)
class Source:
    """One file: ``line`` is where in the answer its first line stands.

    ``starts`` are the first lines, of its own, of the blocks that it is made of.
    """

    path: str
    text: str
    line: int = 1
    starts: tuple[int, ...] = (1,)


class TooManyError(Exception):
    """The answer has more blocks than are looked at."""


def sources(answer: str, file: str) -> list[Source]:
    """The Python files of ``answer``; ``file`` is the path of what is labelled with none.

    An answer without any block is code as a whole; blocks that name no language count where none
    names Python. Raises LayoutError for a path that leads out, and TooManyError.
    """
    found = blocks(answer)
    if not found:
        return [_whole(answer, file)] if answer.strip() else []
    if len(found) > MOST_BLOCKS:
        raise TooManyError
    chosen = [block for block in found if _is_python(block)]
    chosen = chosen or [block for block in found if not block.language and not block.path]
    files = {path: block for block in chosen if (path := _path_of(block))}
    loose = [block for block in chosen if not _path_of(block) and block.text.strip()]
    named = [Source(path, f"{block.text}\n", block.line) for path, block in files.items()]
    return [*named, *([_joined(loose, _free(file, set(files)))] if loose else [])]


def apart(answer: str, file: str) -> list[Source]:
    """As `sources`, but each block without a path is a file of its own, named after ``file``."""
    made: list[Source] = []
    whole = sources(answer, file)
    taken = {source.path for source in whole}
    for source in whole:
        lines = source.text.split("\n")
        starts = (*source.starts, len(lines) + 1)
        for number, (start, end) in enumerate(pairwise(starts), 1):
            text = "\n".join(lines[start - 1 : end - 1]).rstrip("\n")
            path = source.path if number == 1 else _free(source.path, taken)
            taken.add(path)
            made.append(Source(path, f"{text}\n", source.line + start - 1))
    return made


def _whole(answer: str, file: str) -> Source:
    """Answers seldom end as files do."""
    bare = answer.lstrip("\n")
    return Source(file, bare.rstrip() + "\n", 1 + len(answer) - len(bare))


def _is_python(block: Block) -> bool:
    return block.language in _NAMES or PurePosixPath(block.path).suffix in _ENDS


def _path_of(block: Block) -> str:
    path = block.path
    return safe_path(path) if PurePosixPath(path).suffix in _ENDS else ""


def _joined(loose: list[Block], file: str) -> Source:
    first = loose[0].line
    lines: list[str] = []
    starts: list[int] = []
    for block in loose:
        lines += [""] * (block.line - first - len(lines))
        starts.append(len(lines) + 1)
        lines += block.text.split("\n")
    return Source(file, "\n".join(lines).rstrip("\n") + "\n", first, tuple(starts))


def _free(path: str, taken: set[str]) -> str:
    """``path``, or one like it that is not ``taken``."""
    place = PurePosixPath(path)
    others = (str(place.with_name(f"{place.stem}_{n}{place.suffix}")) for n in count(2))
    return next(each for each in chain((path,), others) if each not in taken)
