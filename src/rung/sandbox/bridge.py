"""A way for jobs to what only root can walk to: tools below a closed home.

Nobody can mount what he cannot walk to, and bubblewrap runs as nobody. So root mounts these folders
where that user can walk, in a mount namespace that ends with the job, and then becomes that user.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = 10
_SCRIPT = (
    'mount=$1 bare=$2 become=$3 user=$4; shift 4; while [ "$1" != -- ]; do'
    ' "$mount" -n --bind -- "$1" "$2" || exit 1; shift 2; done; shift;'
    ' exec "$bare" -i "$become" --reuid="$user" --regid="$user" --clear-groups -- "$@"'
)
"""A shell adds to its environment, which what it becomes must not be given."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """What only root reaches of what jobs are shown; nothing where everybody does."""

    unshare: str = ""
    shell: str = ""
    mount: str = ""
    bare: str = ""
    become: str = ""
    user: int = 0
    places: tuple[Path, ...] = ()

    def over(self, base: Path) -> Crossing:
        """The way for one job, by empty folders and files that are made below ``base``."""
        if not self.places:
            return Crossing()
        ends = {place: base / f"shown-{i}" for i, place in enumerate(self.places)}
        for place, end in ends.items():
            if place.is_dir():
                end.mkdir(exist_ok=True)
            else:
                end.touch()
        pairs = [str(path) for pair in ends.items() for path in pair]
        programs = (self.mount, self.bare, self.become, str(self.user))
        words = (self.unshare, "--mount", "--propagation", "private", "--", self.shell, "-c")
        return Crossing((*words, _SCRIPT, "bridge", *programs, *pairs, "--"), ends)

    def holds(self, base: Path, program: str) -> bool:
        """Whether it can be crossed here: ``program`` is run behind it. Blocks."""
        try:
            words = (*self.over(base).words, program)
            tried = subprocess.run(  # noqa: S603 - found in the system's own folders
                words, capture_output=True, check=False, timeout=_SECONDS, env={}
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return tried.returncode == 0


@dataclass(frozen=True, slots=True)
class Crossing:
    """A bridge for one job: ``words`` stand before its command, and only root can run them."""

    words: tuple[str, ...] = ()
    ends: Mapping[Path, Path] = field(default_factory=dict)

    def source(self, place: Path) -> Path:
        """Where bubblewrap finds what jobs see at ``place``."""
        return self.ends.get(place, place)
