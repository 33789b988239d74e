"""Where untrusted commands run: in bubblewrap, with no network, no host files and hard limits."""

from rung.sandbox.box import Sandbox, Unsandboxed
from rung.sandbox.shape import (
    MEBIBYTE,
    PYTHON,
    Box,
    Check,
    Dialogue,
    Ended,
    Job,
    JobError,
    Limits,
    Proof,
    Ran,
    UnavailableError,
)

__all__ = [
    "Sandbox",
    "Unsandboxed",
    "Box",
    "Job",
    "JobError",
    "Limits",
    "Ran",
    "Ended",
    "PYTHON",
    "MEBIBYTE",
    "Dialogue",
    "Proof",
    "Check",
    "UnavailableError",
]
