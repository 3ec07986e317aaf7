"""The set-based half of a tabular import, in SQL. `import_tabular` has one row for each that could be read.

`match` is the business that a row is about, `reason` why it is rejected; a column is NULL where the row does not say.
"""

# ruff: noqa: S608  every name put into a statement is a constant of this module or of those it imports

from businesses.sources.tabular_values import COLUMNS

STAGED = ("position", "raw", "import_hash", *COLUMNS)
DROP = "DROP TABLE import_tabular"
CREATE = f"""
    CREATE UNLOGGED TABLE import_tabular AS
    SELECT 0::bigint AS position, '' AS raw, import_hash, {", ".join(COLUMNS)},
           NULL::uuid AS match, NULL::text AS reason, NULL::text AS found_by
    FROM businesses WITH NO DATA
"""

MATCH_NUMBER = "UPDATE import_tabular s SET match = b.id FROM businesses b WHERE b.company_number = s.company_number"
# Another company number is another company; so is another domain, where only name and town are alike.
_SAME_NUMBER = "(b.company_number IS NULL OR s.company_number IS NULL)"


def _match(condition: str, what: str) -> str:
    return f"""
    UPDATE import_tabular s
    SET match = CASE WHEN f.count = 1 THEN f.id END,
        reason = CASE WHEN f.count > 1 THEN f.count || ' companies have the {what}' END
    FROM (
        SELECT s.position, count(*) AS count, min(b.id::text)::uuid AS id
        FROM import_tabular s JOIN businesses b ON {condition} AND {_SAME_NUMBER}
        WHERE s.match IS NULL AND s.reason IS NULL GROUP BY 1
    ) f
    WHERE f.position = s.position
    """


MATCH_DOMAIN = _match("b.domain = s.domain AND b.domain <> ''", "domain ' || s.domain || '")
MATCH_NAME = _match(
    "b.name_normalised = s.name_normalised AND upper(b.town) = upper(coalesce(s.town, ''))"
    " AND (b.domain = '' OR s.domain IS NULL)",
    "name ' || s.name || ' in ' || coalesce(s.town, 'no town') || '",
)
REJECT_NAMELESS = """
    UPDATE import_tabular SET reason = 'no name, and no company has this ' ||
        CASE WHEN company_number IS NULL THEN 'website' ELSE 'company number' END
    WHERE match IS NULL AND name IS NULL AND reason IS NULL
"""
# Rows of one file about one company: the first counts. What is compared is the first row with the same number, domain,
# or name and town, by the rules above.
REJECT_REPEATED = """
    UPDATE import_tabular s SET reason = 'the same company as line ' || (f.first & ((1::bigint << 40) - 1))
    FROM (
        SELECT position, least(
            CASE WHEN match IS NOT NULL THEN min(position) OVER (PARTITION BY match) END,
            CASE WHEN company_number IS NOT NULL THEN min(position) OVER (PARTITION BY company_number) END,
            CASE WHEN domain IS NOT NULL
                  AND coalesce(company_number = first_value(company_number) OVER domains, true)
                  AND coalesce(match = first_value(match) OVER domains, true)
                 THEN first_value(position) OVER domains END,
            CASE WHEN name_normalised IS NOT NULL
                  AND coalesce(company_number = first_value(company_number) OVER names, true)
                  AND coalesce(domain = first_value(domain) OVER names, true)
                  AND coalesce(match = first_value(match) OVER names, true)
                 THEN first_value(position) OVER names END
        ) AS first
        FROM import_tabular WHERE reason IS NULL
        WINDOW domains AS (PARTITION BY domain ORDER BY position),
               names AS (PARTITION BY name_normalised, upper(town) ORDER BY position)
    ) f
    WHERE f.position = s.position AND f.first < s.position
"""
RESOLVE = (MATCH_NUMBER, MATCH_DOMAIN, MATCH_NAME, REJECT_NAMELESS, REJECT_REPEATED)
REJECTED = "COPY (SELECT position, reason, raw FROM import_tabular WHERE reason IS NOT NULL ORDER BY 1) TO STDOUT"

# What the register says of a company it has, no other file changes: the next snapshot would tell it as news.
_REGISTER = {
    "name", "name_normalised", "sic_codes", "sic_titles", "status", "status_raw", "company_type", "incorporated_on",
    "address_line1", "address_line2", "town", "county", "country", "postcode",
}  # fmt: skip
# Columns that go with another, and may become empty with it.
_GOES_WITH = {"domain": "website", "sic_titles": "sic_codes", "status_raw": "status", "name_normalised": "name"}


def _merged(column: str) -> str:
    value = f"coalesce(s.{column}, b.{column})"
    if leader := _GOES_WITH.get(column):
        value = f"CASE WHEN s.{leader} IS NULL THEN b.{column} ELSE coalesce(s.{column}, '') END"
    return f"CASE WHEN b.register_hash IS NULL THEN {value} ELSE b.{column} END" if column in _REGISTER else value


_RESULT = ", ".join(map(_merged, COLUMNS))
UPDATE = f"""
    UPDATE businesses b
    SET ({", ".join(COLUMNS)}) = ROW ({_RESULT}), import_hash = s.import_hash, updated_at = now()
    FROM import_tabular s
    WHERE b.id = s.match AND s.reason IS NULL AND b.import_hash IS DISTINCT FROM s.import_hash
      AND ({", ".join(f"b.{column}" for column in COLUMNS)}) IS DISTINCT FROM ({_RESULT})
"""
_DEFAULTS = dict.fromkeys(COLUMNS, "''") | {
    "company_number": "NULL",
    "incorporated_on": "NULL",
    "founded_year": "NULL",
    "employee_count": "NULL",
    "categories": "'{}'",
    "sic_codes": "'{}'",
    "status": "'unknown'",
}
INSERT = f"""
    INSERT INTO businesses ({", ".join(COLUMNS)}, import_hash, source)
    SELECT {", ".join(f"coalesce({column}, {_DEFAULTS[column]})" for column in COLUMNS)}, import_hash, %s
    FROM import_tabular WHERE match IS NULL AND reason IS NULL ORDER BY position
    ON CONFLICT (company_number) DO NOTHING
"""
