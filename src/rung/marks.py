"""Sessions of which nothing may leave this machine, as soon as any process knows of one.

The ledger says so once a private request has ended. Until then others of its session may come to
another process, at the same time or a moment later.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

TOPIC: Final = "private"

MOST_PRIVATE: Final = 100_000
"""Sessions that are remembered to be private, at about 100 bytes each."""


class Board(Protocol):
    """Where processes that share a ledger tell each other things."""

    def tell(self, topic: str, name: str, value: Mapping[str, Any]) -> None:
        """Tell the others. Never waits, never raises."""
        ...

    def follow(self, topic: str, heed: Callable[[Any], None]) -> None:
        """Have ``heed`` called with each notice of a topic, in any thread."""
        ...


class PrivateMarks:
    """The newest sessions that are private, by their scope: a hash (see `core.conversation`)."""

    def __init__(self) -> None:
        self._scopes: OrderedDict[str, None] = OrderedDict()
        self._board: Board | None = None

    def share(self, board: Board) -> None:
        """Tell other processes of each new one from now on, and hear of theirs."""
        self._board = board
        board.follow(TOPIC, self._heed)

    def __contains__(self, scope: str) -> bool:
        return scope in self._scopes

    def __len__(self) -> int:
        return len(self._scopes)

    def add(self, scope: str, *, told: bool = False) -> None:
        """Remember one; ``told``: from the ledger, where everybody can read it."""
        known = scope in self._scopes
        self._scopes[scope] = None
        if known:
            self._scopes.move_to_end(scope)
            return
        self._bound()
        if self._board is not None and not told:
            self._board.tell(TOPIC, scope, {})

    def _heed(self, notice: Any) -> None:
        # In another thread: single steps, none of which can be seen half done.
        self._scopes[str(notice.name)] = None
        self._bound()

    def _bound(self) -> None:
        while len(self._scopes) > MOST_PRIVATE:
            self._scopes.popitem(last=False)
