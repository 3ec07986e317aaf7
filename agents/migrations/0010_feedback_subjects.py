"""A verdict is on a kind of result that there is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0009_suppression_names_its_key"),
        ("organizations", "0004_idempotent_requests"),
    ]

    operations = [
        migrations.AlterField(
            model_name="feedback",
            name="subject_type",
            field=models.CharField(
                choices=[
                    ("opportunity", "Opportunity"),
                    ("scorecard", "Scorecard"),
                    ("intro_path", "Introduction path"),
                    ("report", "Report"),
                    ("draft", "Draft"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="feedback",
            constraint=models.CheckConstraint(
                condition=models.Q(("subject_type__in", ["opportunity", "scorecard", "intro_path", "report", "draft"])),
                name="feedback_subject_known",
            ),
        ),
    ]
