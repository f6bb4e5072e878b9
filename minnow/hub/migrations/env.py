"""Runs the migrations on the connection that ``Database.migrate`` hands over, inside its transaction."""

from alembic import context
from sqlalchemy import text

from minnow.hub.database import Base

MIGRATION_LOCK = 0x6D696E6E6F77

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
# The metadata gives the constraints of new tables their names; nothing else is taken from it.
context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
context.run_migrations()
