"""Frames on a pipe: a length (4 bytes, big-endian) and that many bytes, one way and the other."""

from __future__ import annotations

import os

LONGEST = 8 << 20


class Pipe:
    """The two ends that a job was started with, put out of the way of what it runs.

    What is run finds nothing on its standard input and says what it likes to nobody.
    """

    def __init__(self) -> None:
        self._from = os.dup(0)
        self._to = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)

    def receive(self) -> bytes | None:
        """The next frame; None where there will be none."""
        head = self._exactly(4)
        return None if head is None else self._exactly(int.from_bytes(head, "big"))

    def send(self, frame: bytes) -> None:
        """Write one frame."""
        rest = memoryview(len(frame).to_bytes(4, "big") + frame)
        while rest:
            rest = rest[os.write(self._to, rest) :]

    def _exactly(self, size: int) -> bytes | None:
        read = bytearray()
        while len(read) < size:
            more = os.read(self._from, min(size - len(read), 1 << 20))
            if not more:
                return None
            read += more
        return bytes(read)
