"""A writer whose files may not grow past a limit, as on a full disk; then the limit is lifted.

    python ledger_squeezed.py FILE BYTES

Prints one JSON document: what was acknowledged, refused, readable while full, and written after.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from rung.core.errors import LedgerError
from rung.ledger import Ledger

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.outcomes import outcome


async def main(path: Path, most_bytes: int) -> dict[str, object]:
    ledger = Ledger.open(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    names = [f"req-{number:04d}" for number in range(1000)]
    found = await asyncio.gather(
        *(ledger.append(outcome(name)) for name in names), return_exceptions=True
    )
    taken = [name for name, error in zip(names, found, strict=True) if error is None]
    refused = [error for error in found if isinstance(error, LedgerError)]
    readable = len(ledger.recent(2000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for name in sorted(set(names) - set(taken)):
        await ledger.append(outcome(name))
    after = len(ledger.recent(2000))
    ledger.close()
    return {
        "taken": len(taken),
        "refused": len(refused),
        "said": str(refused[0]) if refused else "",
        "readable": readable,
        "after": after,
    }


if __name__ == "__main__":
    done = asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
    sys.stdout.write(json.dumps(done))
