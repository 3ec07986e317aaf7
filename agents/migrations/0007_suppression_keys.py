"""Which key each entry of a do-not-contact list was hashed under."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0006_icp")]
    operations = [
        migrations.AddField(
            model_name="suppression",
            name="key_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=16),
                default=list,
                help_text="Which keys its hash may have been made under, all of them needed; of a company's number none.",
                size=None,
            ),
        ),
    ]
