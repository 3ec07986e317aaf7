"""Fill the table of SIC codes from the file that carries them."""

from django.db import migrations


def load(apps, schema_editor):
    from businesses.sic import titles

    sic_code = apps.get_model("businesses", "SicCode")
    sic_code.objects.bulk_create(
        [sic_code(code=code, title=title) for code, title in titles().items()],
        update_conflicts=True,
        update_fields=["title"],
        unique_fields=["code"],
    )


class Migration(migrations.Migration):
    dependencies = [("businesses", "0002_register")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
