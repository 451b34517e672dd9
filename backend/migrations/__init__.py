"""The schema, step by step: plain SQL, run by Alembic, all of one start in one transaction."""
