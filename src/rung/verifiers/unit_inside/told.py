"""Values and calls as people write them, short, and without asking another process for anything."""

from __future__ import annotations

import reprlib
from typing import Any

LONGEST = 160


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 5, 12, 12, 8
        self.maxset = self.maxfrozenset = 12
        self.maxstring, self.maxother, self.maxlong = 120, 80, 40

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out very large ones.
        return super().repr_int(x, level) if x.bit_length() < 10_000 else "a very large number"

    def repr_instance(self, x: Any, level: int) -> str:
        label = getattr(type(x), "rung_label", None)
        if label is not None:
            return f"<{type(x).__name__.lower()} {x.rung_label}>"
        return super().repr_instance(x, level)


def told(value: object) -> str:
    """``value`` in a few characters."""
    try:
        text = _Short().repr(value)
    except Exception:  # noqa: BLE001 - a value that cannot be told is named by its type
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def told_call(name: str, args: Any, kwargs: Any) -> str:
    """A call as it would be written."""
    words = [told(each) for each in args] + [f"{key}={told(item)}" for key, item in kwargs.items()]
    text = f"{name}({', '.join(words)})"
    return text if len(text) <= 2 * LONGEST else text[: 2 * LONGEST - 3] + "..."
