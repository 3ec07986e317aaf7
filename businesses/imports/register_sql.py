"""The set-based half of a register import: what is compared and written, in SQL.

`import_keys` has number and digest of every row read; `import_rows` the values of those that are new or changed.
"""
# ruff: noqa: S608  every name put into a statement is a constant of this module or of those it imports

from datetime import date

from businesses.sources.companies_house import COMPANY_URL, NAME
from businesses.sources.companies_house_values import REGISTER_COLUMNS

WRITTEN = ("id", "source", "register_snapshot_on", *REGISTER_COLUMNS)
COLUMNS = ", ".join(WRITTEN)
# Where no text is known the text is empty; where no date or number is, it is NULL.
NOT_NULL = tuple(name for name in WRITTEN if not name.endswith("_on") and not name.startswith("charges_"))
DROP_STAGING = "DROP TABLE import_keys, import_duplicates, import_rows"
KEYS = ("position", "company_number", "register_hash")
CREATE_KEYS = "CREATE UNLOGGED TABLE import_keys (position bigint, company_number text, register_hash uuid)"
CREATE_ROWS = f"CREATE UNLOGGED TABLE import_rows AS SELECT {COLUMNS} FROM businesses WITH NO DATA"

# The first row of a number counts.
FIND_DUPLICATES = """
    CREATE UNLOGGED TABLE import_duplicates AS
    SELECT k.position, f.first
    FROM import_keys k
    JOIN (SELECT company_number, min(position) AS first FROM import_keys GROUP BY 1 HAVING count(*) > 1) f
      USING (company_number)
    WHERE k.position <> f.first;
    DELETE FROM import_keys k USING import_duplicates d WHERE d.position = k.position
"""
DUPLICATES = "COPY (SELECT position, first FROM import_duplicates ORDER BY 1) TO STDOUT"


def differing(snapshot_on: date) -> str:
    """Rows to write: new ones, and those that differ, unless the register was asked about the company since."""
    return f"""
        COPY (
            SELECT k.position FROM import_keys k LEFT JOIN businesses b USING (company_number)
            WHERE b.register_hash IS DISTINCT FROM k.register_hash
              AND (b.register_checked_on IS NULL OR b.register_checked_on <= '{snapshot_on.isoformat()}') ORDER BY 1
        ) TO STDOUT
    """


UPDATE = f"""
    UPDATE businesses b
    SET {", ".join(f"{name} = s.{name}" for name in WRITTEN if name not in {"id", "source", "company_number"})},
        updated_at = now()
    FROM import_rows s WHERE b.company_number = s.company_number
"""
# A row that something else inserted meanwhile is left as it is: it has no register hash, so the next import updates it.
INSERT = f"""
    INSERT INTO businesses ({COLUMNS})
    SELECT {COLUMNS} FROM import_rows s
    WHERE NOT EXISTS (SELECT FROM businesses b WHERE b.company_number = s.company_number)
    ON CONFLICT (company_number) DO NOTHING
"""

ADDRESS = ("address_line1", "address_line2", "town", "county", "country", "postcode")
CHARGES = {name.removeprefix("charges_"): name for name in REGISTER_COLUMNS if name.startswith("charges_")}


def _address(side: str) -> str:
    """The fields of the address that differ, as they are on one side."""
    fields = ", ".join(f"('{name}', {side}.{name}, b.{name} <> s.{name})" for name in ADDRESS)
    return f"(SELECT jsonb_object_agg(f.name, f.value) FROM (VALUES {fields}) f (name, value, differs) WHERE f.differs)"


def _charges(side: str) -> str:
    counts = ", ".join(f"'{key}', {side}.{name}" for key, name in CHARGES.items())
    return f"jsonb_build_object({counts})"


def _words(side: str) -> str:
    lines = ", ".join(f"{side}.{name}" for name in ADDRESS if name != "country")
    return (
        f"(SELECT array_agg(w ORDER BY w) FROM regexp_split_to_table(lower(concat_ws(' ', {lines})), '\\W+') w "
        "WHERE w <> '')"
    )


def _codes(side: str) -> str:
    return f"(SELECT array_agg(code ORDER BY code) FROM unnest({side}.sic_codes) code)"


# As in `businesses.profiles`: the same words cut into other lines, or a country that only one side names, are no move.
# The words are only looked at where the columns differ: it takes long.
IS_MOVED = f"""
    CASE WHEN ({", ".join(f"b.{name}" for name in ADDRESS)}) = ({", ".join(f"s.{name}" for name in ADDRESS)}) THEN false
         WHEN b.country <> s.country AND b.country <> '' AND s.country <> '' THEN true
         ELSE {_words("b")} IS DISTINCT FROM {_words("s")} END
"""
# kind, whether it happened, the value before (b) and after (s), and what else the payload tells.
CHANGES = ",\n".join(
    f"('{kind}', {happened}, {before}, {after}, {more})"
    for kind, happened, before, after, more in (
        ("name_changed", "lower(b.name) <> lower(s.name)", "to_jsonb(b.name)", "to_jsonb(s.name)", "'{}'::jsonb"),
        (
            "address_changed",
            IS_MOVED,
            _address("b"),
            _address("s"),
            "'{}'",
        ),
        (
            # One insolvency procedure may follow another; other sources write the same text in another case.
            "status_changed",
            "b.status <> s.status OR lower(b.status_raw) <> lower(s.status_raw)",
            "to_jsonb(b.status)",
            "to_jsonb(s.status)",
            "jsonb_build_object('before_raw', b.status_raw, 'after_raw', s.status_raw)",
        ),
        (
            "sic_changed",
            f"b.sic_codes <> s.sic_codes AND {_codes('b')} IS DISTINCT FROM {_codes('s')}",
            "to_jsonb(b.sic_codes)",
            "to_jsonb(s.sic_codes)",
            "'{}'",
        ),
        (
            "accounts_category_changed",
            "b.accounts_category <> s.accounts_category",
            "to_jsonb(b.accounts_category)",
            "to_jsonb(s.accounts_category)",
            "'{}'",
        ),
        ("charge_registered", "b.charges_total < s.charges_total", _charges("b"), _charges("s"), "'{}'"),
        ("charge_satisfied", "b.charges_satisfied < s.charges_satisfied", _charges("b"), _charges("s"), "'{}'"),
    )
)


def _events(*, business: str, happened_on: str, changes: str, tables: str) -> str:
    """One row for each change; the same change of the same snapshot has the same fingerprint, and is there once."""
    return f"""
    INSERT INTO business_events (business_id, kind, occurred_on, source, source_url, payload, fingerprint)
    SELECT {business}, e.kind, {happened_on}, '{NAME}', '{COMPANY_URL}' || s.company_number,
           e.more || jsonb_build_object('before', e.before, 'after', e.after, 'snapshot_on', s.register_snapshot_on),
           md5(concat_ws('|', s.company_number, e.kind, e.before, e.after, e.more, s.register_snapshot_on))::uuid
    FROM {tables}, LATERAL (VALUES {changes}) e (kind, happened, before, after, more)
    WHERE e.happened
    ON CONFLICT (fingerprint) DO NOTHING
    """


# Of rows that an earlier, not a later, snapshot wrote; a row of another source says nothing about the register before.
CHANGE_EVENTS = _events(
    business="b.id",
    happened_on="NULL::date",  # a snapshot says "by then"
    changes=CHANGES,
    tables="import_rows s JOIN businesses b ON b.company_number = s.company_number"
    " AND b.register_hash IS NOT NULL AND b.register_snapshot_on <= s.register_snapshot_on",
)
# The numbers of foreign companies' branches in England, Scotland and Northern Ireland: their date is that on which the
# first establishment here opened. An overseas entity (OE) only owns land here: neither founded nor opened anything.
BRANCH = "s.company_number ~ '^(FC|SF|NF)'"
NEW_EVENTS = _events(
    business="s.id",
    happened_on="s.incorporated_on",
    changes=f"""
        ('incorporated', NOT {BRANCH} AND s.company_number NOT LIKE 'OE%', NULL::jsonb, jsonb_build_object(
            'name', s.name, 'number', s.company_number, 'incorporated_on', s.incorporated_on), '{{}}'::jsonb),
        ('branch_registered', {BRANCH}, NULL, jsonb_build_object(
            'name', s.name, 'number', s.company_number, 'country_of_origin', s.country_of_origin), '{{}}')
    """,
    tables="import_rows s JOIN businesses b USING (id)",
)


def overdue_events(*, since: date, snapshot_on: date) -> str:
    """Companies of the snapshot whose accounts fell due since the last one, and are not there.

    Their rows need not have changed: only time has passed. The fingerprint is that of `companies_house_overdue`, so
    that an event is once for each due date, whichever source tells of it. Insolvent companies file no accounts.
    """
    return f"""
    INSERT INTO business_events (business_id, kind, occurred_on, source, source_url, payload, fingerprint)
    SELECT b.id, 'accounts_overdue', b.accounts_next_due_on + 1, '{NAME}', '{COMPANY_URL}' || b.company_number,
           jsonb_build_object('due_on', b.accounts_next_due_on, 'last_made_up_on', b.accounts_last_made_up_on,
                              'snapshot_on', '{snapshot_on.isoformat()}'),
           encode(substr(sha256(convert_to(concat_ws(
               chr(31), 'accounts_overdue', b.company_number, b.accounts_next_due_on), 'UTF8')), 1, 16), 'hex')::uuid
    FROM businesses b JOIN import_keys k USING (company_number)
    WHERE b.accounts_next_due_on >= '{since.isoformat()}' AND b.accounts_next_due_on < '{snapshot_on.isoformat()}'
      AND b.status IN ('active', 'strike_off_proposed')
    ON CONFLICT (fingerprint) DO NOTHING
    """
