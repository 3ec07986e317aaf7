"""Foreign keys between org-owned tables that hold the organisation, too: for migrations.

A row can then not refer to another organisation's, whatever the code does. The parent needs a unique constraint on
(org, id).
"""

from django.db.migrations import RunSQL


def composite_foreign_key(child: str, column: str, parent: str) -> RunSQL:
    """`(org_id, column)` of the table `child` refers to `(org_id, id)` of `parent`; checked at commit."""
    name = f"{child}_{column}_same_org"
    return RunSQL(
        f'ALTER TABLE {child} ADD CONSTRAINT "{name}" FOREIGN KEY (org_id, {column}) REFERENCES {parent} (org_id, id)'
        " DEFERRABLE INITIALLY DEFERRED",
        f'ALTER TABLE {child} DROP CONSTRAINT "{name}"',
    )
