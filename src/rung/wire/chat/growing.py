"""Tool calls that arrive in pieces, put together however a server tells them apart."""

from __future__ import annotations

from typing import Any

import msgspec

from rung.core.growth import CallGrowth
from rung.core.parts import ToolCall
from rung.wire.chat.calls import MOST_TOOL_CALLS, call_of
from rung.wire.errors import WireError

_MOST_LOOKS = 64
"""How often arguments are tried whether they are whole: each time costs their length."""


class _Growing:
    """One call: its arguments add up, the rest is told with the first piece."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.custom = False
        self.pieces: list[str] = []

    def told(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.pieces), custom=self.custom)


class GrowingCalls:
    """The calls of one stream, in the order in which they began."""

    def __init__(self) -> None:
        self._calls: list[_Growing] = []
        self._places: dict[int, int] = {}
        self._looks = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def told(self) -> tuple[ToolCall, ...]:
        """All calls so far."""
        return tuple(call.told() for call in self._calls)

    def add(self, told: Any) -> CallGrowth:
        """Take one piece. Raises WireError for what cannot be one."""
        piece = call_of(told)
        index = told.get("index")
        if index is not None and (not isinstance(index, int) or not 0 <= index < MOST_TOOL_CALLS):
            raise WireError("an event of the stream has an impossible tool call index")
        place = self._place(piece, index)
        call = self._calls[place]
        fresh = not call.name and bool(piece.name)
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        call.custom = call.custom or piece.custom
        if piece.arguments:
            call.pieces.append(piece.arguments)
        return CallGrowth(place, piece.name if fresh else "", piece.arguments)

    def _place(self, piece: ToolCall, index: int | None) -> int:
        place = self._unnumbered(piece) if index is None else self._places.get(index, -1)
        if place < 0 or self._is_another(self._calls[place], piece, numbered=index is not None):
            place = self._begin()
        if index is not None:
            self._places[index] = place
        return place

    def _begin(self) -> int:
        if len(self._calls) >= MOST_TOOL_CALLS:
            raise WireError(f"the stream has more than {MOST_TOOL_CALLS} tool calls")
        self._calls.append(_Growing())
        return len(self._calls) - 1

    def _unnumbered(self, piece: ToolCall) -> int:
        """The call that a piece without an index goes on with: of its id, or the last one."""
        if piece.id:
            known = (i for i, call in enumerate(self._calls) if call.id == piece.id)
            return next(known, -1)
        return len(self._calls) - 1

    def _is_another(self, call: _Growing, piece: ToolCall, *, numbered: bool) -> bool:
        """Whether a piece that names itself begins another call where ``call`` was expected.

        Some servers repeat the name, or even make up a new id, with every piece; others count all
        calls as 0. What tells them apart is whether the arguments so far are whole.
        """
        if not piece.name or not call.name or (piece.id and piece.id == call.id):
            return False
        if piece.name != call.name:
            return bool(piece.id) or not numbered
        return bool(piece.id or piece.arguments.strip()) and self._whole(call)

    def _whole(self, call: _Growing) -> bool:
        if not call.pieces or not call.pieces[-1].rstrip().endswith("}"):
            return False
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            return False
        try:
            msgspec.json.decode("".join(call.pieces), type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False
        return True
