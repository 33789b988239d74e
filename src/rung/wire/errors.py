"""What every reader of a provider's bytes raises."""

from __future__ import annotations


class WireError(ValueError):
    """The bytes are not what their dialect says they are. The message is fit for the caller."""
