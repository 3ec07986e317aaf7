"""The extension and the function that the register's columns are made of."""

from django.db import migrations
from pgvector.django import VectorExtension


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        VectorExtension(),
        migrations.RunSQL(
            # array_to_string is only STABLE, for element types whose text form depends on settings; text is not one.
            "CREATE FUNCTION oppspot_words(text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT "
            "AS $$ SELECT array_to_string($1, ' ') $$",
            "DROP FUNCTION oppspot_words(text[])",
        ),
    ]
