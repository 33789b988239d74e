"""Programs that run inside a sandbox: on the standard library alone, by the system's Python."""
