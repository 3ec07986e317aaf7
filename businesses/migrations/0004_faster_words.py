"""`oppspot_words` in PL/pgSQL: an SQL function that cannot be inlined costs twice as much a call, and each row has two."""

from django.db import migrations

DEFINITION = (
    "CREATE OR REPLACE FUNCTION oppspot_words(text[]) RETURNS text LANGUAGE {} IMMUTABLE PARALLEL SAFE STRICT AS"
)


class Migration(migrations.Migration):
    dependencies = [("businesses", "0003_sic_codes")]
    operations = [
        migrations.RunSQL(
            DEFINITION.format("plpgsql") + " $$ BEGIN RETURN array_to_string($1, ' '); END $$",
            DEFINITION.format("sql") + " $$ SELECT array_to_string($1, ' ') $$",
        ),
    ]
