"""How alembic runs here: on the connection that opens the ledger, inside its transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # The caller holds the write lock and commits; alembic would do so after each step.
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
