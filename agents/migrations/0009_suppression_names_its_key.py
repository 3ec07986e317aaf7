"""No hash without its key."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0008_note_suppression_keys")]
    operations = [
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind", "company"), ("key_ids__len__gt", 0), _connector="OR"),
                name="suppression_names_its_key",
            ),
        ),
    ]
