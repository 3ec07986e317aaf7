"""Companies by registered address: a key that is equal for one address in several spellings, and its index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import businesses.models.register

# PL/pgSQL, as `oppspot_words` is: an SQL function that cannot be inlined costs twice as much a call.
CREATE = """
CREATE FUNCTION oppspot_address_key(line1 text, postcode text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    line text := upper(regexp_replace(line1, '[^A-Za-z0-9]', '', 'g'));
    code text := upper(regexp_replace(postcode, '[^A-Za-z0-9]', '', 'g'));
BEGIN
    IF line = '' OR code = '' THEN RETURN NULL; END IF;
    RETURN md5(line || '|' || code)::uuid;
END $$
"""


class Migration(migrations.Migration):
    atomic = False  # the index is built beside the work of others
    dependencies = [("businesses", "0006_watchlist_exclusions")]
    operations = [
        migrations.RunSQL(CREATE, "DROP FUNCTION oppspot_address_key(text, text)"),
        AddIndexConcurrently(
            model_name="business",
            index=models.Index(
                businesses.models.register.AddressKey("address_line1", "postcode"), name="business_address_key"
            ),
        ),
    ]
