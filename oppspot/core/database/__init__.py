"""A Django database engine over an embedded Postgres with pgvector, started on the first connection."""
