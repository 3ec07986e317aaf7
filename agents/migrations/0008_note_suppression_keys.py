"""Have the entries that are there name their keys.

They do not tell under which key they were made, so each names all that are known now: from here on none of them can go
missing unnoticed. A key that was lost before cannot be found out.
"""

from django.db import migrations


def note(apps, schema_editor):
    from agents.suppression import known_key_ids

    schema_editor.execute("UPDATE suppressions SET key_ids = %s WHERE kind <> 'company'", [known_key_ids()])


class Migration(migrations.Migration):
    dependencies = [("agents", "0007_suppression_keys")]
    operations = [migrations.RunPython(note, migrations.RunPython.noop)]
