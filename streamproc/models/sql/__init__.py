"""The registry of models and assignments in SQLite or PostgreSQL. The only place that knows SQLAlchemy and alembic."""
