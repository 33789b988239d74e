"""Programs that judge code inside a sandbox: on the standard library alone, by any Python 3.10 on.

They are laid out in the sandbox as the package ``rung_inside``. ``judge`` runs the tests and calls
the code, which ``answer`` runs elsewhere; ``beside`` runs both in one process.
"""
