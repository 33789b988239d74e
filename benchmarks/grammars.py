"""How often code_parses calls right code broken, and finds broken code, on files of yours.

    python benchmarks/grammars.py /usr/share /usr/lib/node_modules

All files below the folders are taken for right: those that a language's own parser refuses belong
out of them. Each that is read as right is then spoilt in three ways, some of which harm nothing.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from rung.verifiers import child_trees
from rung.verifiers.grammars import GRAMMARS, folders, grammar_for

ENDS = {
    end: language
    for language, ends in {
        "javascript": ".js .mjs .jsx",
        "typescript": ".ts",
        "tsx": ".tsx",
        "go": ".go",
        "rust": ".rs",
        "java": ".java",
        "c": ".c",
        "cpp": ".cc .cpp .hpp",
        "csharp": ".cs",
        "ruby": ".rb",
        "php": ".php",
        "bash": ".sh .bash",
        "yaml": ".yaml .yml",
    }.items()
    for end in ends.split()
}
MOST, MOST_OF_A_FOLDER = 500, 6
SMALLEST, LARGEST = 150, 30_000


def main() -> None:
    if folders(GRAMMARS.values()) is None:
        sys.exit("the grammars are not installed: pip install 'rung[code]'")
    chance = random.Random(1)
    by_language = collected([Path(each) for each in sys.argv[1:]], chance)
    print("language      right  broken?  unsure   spoilt   found  unsure")
    for language, texts in sorted(by_language.items()):
        found = [sure(language, text) for text in texts]
        right = [text for text, each in zip(texts, found, strict=True) if each is None]
        spoilt = [sure(language, each) for text in right for each in mutants(text, chance)]
        counts = [len(texts), found.count(True), found.count(False)]
        counts += [len(spoilt), spoilt.count(True), spoilt.count(False)]
        print(f"{language:12}", *(f"{count:7}" for count in counts))


def collected(places: list[Path], chance: random.Random) -> dict[str, list[str]]:
    """Texts by language; of one folder a few only, so that none fills the sample."""
    paths = [
        Path(folder, name)
        for place in places
        for folder, _, names in os.walk(place)
        for name in names
        if Path(name).suffix in ENDS and ".min." not in name
    ]
    chance.shuffle(paths)
    taken: dict[str, dict[str, Path]] = {}
    seen: dict[Path, int] = {}
    for path in paths:
        own = taken.setdefault(ENDS[path.suffix], {})
        text = read(path)
        if text and len(own) < MOST and seen.get(path.parent, 0) < MOST_OF_A_FOLDER:
            seen[path.parent] = seen.get(path.parent, 0) + 1
            own.setdefault(text, path)
    return {language: list(own) for language, own in taken.items()}


def read(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return text if SMALLEST <= len(text) <= LARGEST and "\0" not in text else ""


def sure(language: str, text: str) -> bool | None:
    """None where it is read as right, else whether the fault is a firm one."""
    work = {"packages": [], "blocks": [(grammar_for(language, text).told, text)]}
    (fault,) = child_trees.treed(work)
    return None if fault is None else fault[2] == child_trees.FIRM


def mutants(text: str, chance: random.Random) -> Iterator[str]:
    """One bracket less, one quote less, the end cut off."""
    for marks in ("(){}[]", "\"'"):
        places = [place for place, mark in enumerate(text) if mark in marks]
        if places:
            at = chance.choice(places)
            yield text[:at] + text[at + 1 :]
    yield text[: chance.randrange(len(text) // 4, len(text) * 3 // 4)]


if __name__ == "__main__":
    main()
