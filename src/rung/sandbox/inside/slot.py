"""Runs inside a sandbox: imports what test runs need, waits for one job, becomes it.

Started as ``python -I -c <this file> <modules>`` in a work folder that holds these modules, which
it imports too, and nothing else. Writes one byte when it is warm, then reads from stdin a length
(4 bytes, big-endian) and that many bytes of JSON: ``argv``, whose first word is the program to run,
and ``environment``. What follows on stdin is the job's own.
"""

import asyncio  # noqa: F401 - imported to be there already, as are those below
import collections  # noqa: F401
import dataclasses  # noqa: F401
import decimal  # noqa: F401
import importlib
import itertools  # noqa: F401
import json
import math  # noqa: F401
import os
import random
import re  # noqa: F401
import runpy
import sys
import traceback  # noqa: F401
import typing  # noqa: F401
import unittest  # noqa: F401


def _exactly(size: int) -> bytes:
    """Not one byte more, which would be the job's: so not through a buffer."""
    read = b""
    while len(read) < size:
        more = os.read(0, size - len(read))
        if not more:
            # The host has gone, or wants no job of this slot.
            os._exit(0)
        read += more
    return read


def _main() -> None:
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    for module in sys.argv[1:]:
        importlib.import_module(module)
    sys.path.pop(0)
    os.write(1, b"W")
    job = json.loads(_exactly(int.from_bytes(_exactly(4), "big")))
    os.environ.clear()
    os.environ.update(job["environment"])
    random.seed()
    sys.argv = job["argv"]
    folder = os.path.dirname(os.path.join(os.getcwd(), sys.argv[0]))  # noqa: PTH109, PTH118, PTH120
    sys.path.insert(0, folder)
    runpy.run_path(sys.argv[0], run_name="__main__")


_main()
