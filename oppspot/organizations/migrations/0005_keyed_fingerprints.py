"""The fingerprint of a body is keyed: in words alone, as hashes of either kind look alike and live a day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0004_idempotent_requests"),
    ]

    operations = [
        migrations.AlterField(
            model_name="idempotentrequest",
            name="fingerprint",
            field=models.CharField(help_text="Keyed SHA-256 of the body as canonical JSON, in hex.", max_length=64),
        ),
    ]
