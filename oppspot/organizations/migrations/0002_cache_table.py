"""The table of the database cache; nothing when another cache is configured."""

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.management import call_command
from django.db import migrations


def create(apps, schema_editor):
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)
    for alias in settings.CACHES:
        if isinstance(caches[alias], BaseDatabaseCache):
            # A cache may be lost in a crash; writing to it then waits for no disk.
            table = schema_editor.quote_name(caches[alias]._table)
            schema_editor.execute(f"ALTER TABLE {table} SET UNLOGGED")


class Migration(migrations.Migration):
    dependencies = [("organizations", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
