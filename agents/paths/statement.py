"""The one statement that finds paths, as text. What it means stands in `search`.

It expands from the target, one hop at a time, and looks up the last hop among the known companies: so nothing is
expanded three hops deep, and a search among thousands of known companies costs little more than among a few. `OFFSET 0`
keeps the planner from turning look-ups of a few rows, of which it cannot know how few they are, into scans.
"""

# An office in the company that is expanded (a) and one of the same officer elsewhere (b): 0 to 1.
_ROLE = "coalesce((%(roles)s::jsonb ->> {0}.role)::float8, %(other_role)s::float8)"
_TIE = """CASE WHEN {0}.resigned_on IS NULL OR {0}.resigned_on > %(day)s::date THEN 1::float8
    ELSE %(resigned)s::float8
        * power(0.5::float8, (%(day)s::date - {0}.resigned_on) / (365.25 * %(half_life)s)::float8) END"""
_RARITY = "(ln(2::float8) / ln(greatest(2, {0})::float8))"


def _known(years: str) -> str:
    return (
        f"(%(least_overlap)s::float8 + (1 - %(least_overlap)s::float8) * least(1, {years} / %(known_years)s::float8))"
    )


# Days in both offices; unknown days of appointment, which make the difference null, count as none.
_DAYS_BOTH = """(CASE WHEN a.appointed_on IS NULL OR b.appointed_on IS NULL THEN 0 ELSE greatest(0,
    least(coalesce(a.resigned_on, %(day)s::date), coalesce(b.resigned_on, %(day)s::date), %(day)s::date)
    - greatest(a.appointed_on, b.appointed_on)) END)"""
_YEARS = """(CASE WHEN a.appointed_on IS NULL THEN 0 ELSE greatest(0,
    least(coalesce(a.resigned_on, %(day)s::date), %(day)s::date) - a.appointed_on) END / 365.25::float8)"""
_TOGETHER = f"""least({_ROLE.format("a")}, {_ROLE.format("b")}) * least({_TIE.format("a")}, {_TIE.format("b")})
    * {_known(f"({_DAYS_BOTH} / 365.25::float8)")}"""
_ALONE = f"{_ROLE.format('a')} * {_TIE.format('a')} * {_known(_YEARS)}"

_OFFICER_COMPANIES = """(SELECT count(*) AS companies FROM (
    SELECT DISTINCT m.business_id FROM appointments m WHERE m.officer_id = {0} LIMIT %(officer_companies)s + 1) few)"""
_LEFT_OUT_OFFICER = """CASE WHEN f.name_normalised = ANY(%(names)s::text[]) THEN 'listed'
    WHEN {best} = 0 THEN 'nominee' WHEN {companies} > %(officer_companies)s THEN 'too many companies' END"""
_LEFT_OUT_ADDRESS = """CASE WHEN {key} = ANY(%(addresses)s::uuid[]) THEN 'listed'
    WHEN {companies} > %(address_companies)s THEN 'too many companies' END"""
_AT_ADDRESS = """(SELECT array_agg(few.id) AS ids, count(*) AS companies FROM (
    SELECT o.id FROM businesses o WHERE oppspot_address_key(o.address_line1, o.postcode) = {0}
    LIMIT %(address_companies)s + 1) few)"""

# Where the company `w.company` leads by its officers; an officer who is left out leads nowhere, and says why. That
# condition stands inside: on the join it would be looked at after all that an agent's offices lead to was made.
_BY_OFFICER = f"""
    SELECT pair.company, 'officer:' || near.officer_id AS connector, pair.ties,
        pair.strength * {_RARITY.format("d.companies")} AS strength, why.left_out
    FROM (SELECT a.officer_id, max({_ROLE.format("a")}) AS best FROM appointments a
          WHERE a.business_id = w.company GROUP BY a.officer_id OFFSET 0) near
    JOIN officers f ON f.id = near.officer_id
    CROSS JOIN LATERAL {_OFFICER_COMPANIES.format("near.officer_id")} d
    CROSS JOIN LATERAL (SELECT {_LEFT_OUT_OFFICER.format(best="near.best", companies="d.companies")} AS left_out) why
    LEFT JOIN LATERAL (
        SELECT DISTINCT ON (b.business_id) b.business_id AS company, ARRAY[a.id, b.id] AS ties, {_TOGETHER} AS strength
        FROM appointments a JOIN appointments b ON b.officer_id = a.officer_id AND b.business_id <> a.business_id
        WHERE why.left_out IS NULL AND a.officer_id = near.officer_id AND a.business_id = w.company
            AND {_ROLE.format("a")} > 0 AND {_ROLE.format("b")} > 0
        ORDER BY b.business_id, 3 DESC, a.id, b.id
    ) pair ON true
    WHERE NOT EXISTS (SELECT FROM person WHERE person.id = near.officer_id)
"""  # noqa: S608  constants
_BY_ADDRESS = f"""
    SELECT there.id, 'address:' || here.key, '{{}}'::bigint[],
        %(address)s::float8 * {_RARITY.format("d.companies")}, why.left_out
    FROM (SELECT oppspot_address_key(c.address_line1, c.postcode) AS key FROM businesses c
          WHERE c.id = w.company AND c.status <> 'dissolved' OFFSET 0) here
    CROSS JOIN LATERAL {_AT_ADDRESS.format("here.key")} d
    CROSS JOIN LATERAL (SELECT {_LEFT_OUT_ADDRESS.format(key="here.key", companies="d.companies")} AS left_out) why
    LEFT JOIN LATERAL (
        SELECT o.id FROM businesses o WHERE why.left_out IS NULL
            AND o.id = ANY(d.ids) AND o.id <> w.company AND o.status <> 'dissolved'
    ) there ON true
    WHERE here.key IS NOT NULL
"""  # noqa: S608  constants

# Where the companies that were reached touch known companies and people. Few are reached and very many may be known, so
# it goes from the reached: their officers' other offices, and what else is at their addresses, are looked up among the
# known. Officers and addresses of too many companies are only asked whether they lead to any, up to the first that they
# do; or, where few are known, these are asked, rather than all that an agent has. `IS TRUE` keeps the planner from
# joining: it looks up row by row in a table of the known, which it makes once.
_IS_OWN = "(({0} IN (SELECT id FROM own)) IS TRUE)"
_AMONG_OWN = f"""(SELECT t.* FROM own CROSS JOIN LATERAL (SELECT * FROM appointments t
        WHERE t.officer_id = f.officer_id AND t.business_id = own.id OFFSET 0) t WHERE %(are_few)s
    UNION ALL SELECT t.* FROM appointments t
        WHERE NOT %(are_few)s AND t.officer_id = f.officer_id AND {_IS_OWN.format("t.business_id")} OFFSET 0)"""  # noqa: S608  constants
_OFFICER_BEST = f"""(SELECT coalesce(max(one.strength), 0) FROM (
    SELECT {_TOGETHER} AS strength FROM office a CROSS JOIN LATERAL {_AMONG_OWN} b
    WHERE a.officer_id = f.officer_id AND {_TOGETHER} > 0 LIMIT 1) one)"""  # noqa: S608  constants
_ADDRESS_LEADS_TO_OWN = f"""CASE WHEN %(are_few)s THEN d.key IN (SELECT key FROM own_address)
    ELSE EXISTS (SELECT FROM businesses o WHERE oppspot_address_key(o.address_line1, o.postcode) = d.key
        AND o.status <> 'dissolved' AND {_IS_OWN.format("o.id")} OFFSET 0) END"""  # noqa: S608  constants
_MET = f"""
    reached AS MATERIALIZED (SELECT DISTINCT company FROM walk WHERE left_out IS NULL),
    office AS MATERIALIZED (
        SELECT a.* FROM reached CROSS JOIN LATERAL (
            SELECT * FROM appointments t WHERE t.business_id = reached.company OFFSET 0) a
    ),
    officer AS MATERIALIZED (
        SELECT one.officer_id, f.name_normalised, d.companies, d.companies > %(officer_companies)s AS is_crowded
        FROM (SELECT DISTINCT officer_id FROM office OFFSET 0) one
        JOIN officers f ON f.id = one.officer_id
        CROSS JOIN LATERAL {_OFFICER_COMPANIES.format("one.officer_id")} d
        WHERE NOT EXISTS (SELECT FROM person WHERE person.id = one.officer_id)
    ),
    tie AS MATERIALIZED (
        SELECT b.* FROM officer f CROSS JOIN LATERAL (
            SELECT * FROM appointments t WHERE t.officer_id = f.officer_id OFFSET 0) b
        WHERE NOT f.is_crowded
    ),
    here AS MATERIALIZED (
        SELECT r.company, o.key FROM reached r CROSS JOIN LATERAL (
            SELECT oppspot_address_key(c.address_line1, c.postcode) AS key FROM businesses c
            WHERE c.id = r.company AND c.status <> 'dissolved' OFFSET 0) o WHERE o.key IS NOT NULL
    ),
    address AS MATERIALIZED (
        SELECT one.key, n.ids, n.companies, n.companies > %(address_companies)s AS is_crowded,
            {_LEFT_OUT_ADDRESS.format(key="one.key", companies="n.companies")} AS left_out
        FROM (SELECT DISTINCT key FROM here OFFSET 0) one CROSS JOIN LATERAL {_AT_ADDRESS.format("one.key")} n
    ),
    beside AS MATERIALIZED (
        SELECT d.key, near.id FROM address d CROSS JOIN LATERAL unnest(d.ids) near (id) WHERE NOT d.is_crowded
    ),
    own_near AS MATERIALIZED (
        SELECT id FROM (SELECT business_id AS id FROM tie UNION SELECT id FROM beside) near
        WHERE id IN (SELECT id FROM own)
    ),
    own_address AS MATERIALIZED (
        SELECT o.key FROM own CROSS JOIN LATERAL (
            SELECT oppspot_address_key(c.address_line1, c.postcode) AS key FROM businesses c
            WHERE c.id = own.id AND c.status <> 'dissolved' OFFSET 0) o WHERE o.key IS NOT NULL
    ),
    shared AS MATERIALIZED (
        SELECT DISTINCT ON (a.business_id, a.officer_id, b.business_id) a.business_id AS company, a.officer_id,
            b.business_id AS start, ARRAY[a.id, b.id] AS ties, {_TOGETHER} AS strength
        FROM tie b JOIN own_near ON own_near.id = b.business_id JOIN office a ON a.officer_id = b.officer_id
        ORDER BY a.business_id, a.officer_id, b.business_id, strength DESC, a.id, b.id
    ),
    met AS MATERIALIZED (
        SELECT s.company, s.start, 'officer:' || s.officer_id AS connector, s.ties,
            s.strength * {_RARITY.format("d.companies")} AS strength, d.left_out
        FROM shared s JOIN (
            SELECT f.officer_id, f.companies,
                {_LEFT_OUT_OFFICER.format(best="one.best", companies="f.companies")} AS left_out
            FROM (SELECT officer_id, max(strength) AS best FROM shared GROUP BY officer_id) one
            JOIN officer f ON f.officer_id = one.officer_id
        ) d ON d.officer_id = s.officer_id
        WHERE s.strength > 0 OR d.left_out IS NOT NULL
        UNION ALL
        SELECT NULL, NULL, 'officer:' || f.officer_id, '{{}}'::bigint[], 0,
            {_LEFT_OUT_OFFICER.format(best=_OFFICER_BEST, companies="f.companies")}
        FROM officer f WHERE f.is_crowded AND EXISTS (SELECT FROM {_AMONG_OWN} b)
        UNION ALL
        SELECT here.company, o.id, 'address:' || here.key, '{{}}'::bigint[],
            %(address)s::float8 * {_RARITY.format("d.companies")}, d.left_out
        FROM beside JOIN own_near ON own_near.id = beside.id
        JOIN businesses o ON o.id = beside.id AND o.status <> 'dissolved'
        JOIN address d ON d.key = beside.key JOIN here ON here.key = beside.key
        UNION ALL
        SELECT NULL, NULL, 'address:' || d.key, '{{}}'::bigint[], 0, d.left_out
        FROM address d WHERE d.is_crowded AND {_ADDRESS_LEADS_TO_OWN}
        UNION ALL
        SELECT * FROM (
            SELECT DISTINCT ON (a.business_id, a.officer_id) a.business_id AS company, NULL::uuid,
                'officer:' || a.officer_id, ARRAY[a.id], {_ALONE} AS strength, NULL
            FROM office a JOIN person ON person.id = a.officer_id
            ORDER BY a.business_id, a.officer_id, strength DESC, a.id) known
        WHERE strength > 0
    )
"""  # noqa: S608  constants

# Rows: the paths, the strongest first (`left_out` null), then what was left out on the way, each once.
FIND = f"""
WITH RECURSIVE
    own AS MATERIALIZED (SELECT unnest(%(sources)s::uuid[]) AS id),
    person AS MATERIALIZED (SELECT DISTINCT unnest(%(people)s::bigint[]) AS id),
    walk (hops, company, companies, connectors, ties, strengths, strength, left_out) AS (
        SELECT 0, %(target)s::uuid, ARRAY[%(target)s::uuid], '{{}}'::text[], '{{}}'::bigint[], '{{}}'::float8[],
            1::float8, NULL::text
        UNION ALL
        SELECT w.hops + 1, step.company, w.companies || step.company, w.connectors || step.connector,
            w.ties || step.ties, w.strengths || step.strength, w.strength * step.strength, step.left_out
        FROM walk w CROSS JOIN LATERAL ({_BY_OFFICER} UNION ALL {_BY_ADDRESS} OFFSET 0) step
        WHERE w.hops < %(max_hops)s - 1 AND w.left_out IS NULL AND (step.left_out IS NOT NULL
            OR (step.company <> ALL(w.companies) AND step.connector <> ALL(w.connectors)
                AND NOT {_IS_OWN.format("step.company")}))
    ),
    {_MET},
    found AS (
        SELECT companies, connectors, ties, strengths, strength,
            row_number() OVER (ORDER BY round(strength::numeric, 9) DESC, hops, companies, connectors COLLATE "C") place
        FROM (SELECT w.hops, w.companies || met.start AS companies, w.connectors || met.connector AS connectors,
                w.ties || met.ties AS ties, w.strengths || met.strength AS strengths,
                w.strength * met.strength AS strength
              FROM walk w JOIN met ON met.company = w.company
              WHERE w.left_out IS NULL AND met.left_out IS NULL AND met.connector <> ALL(w.connectors)) every
        ORDER BY place LIMIT %(limit)s
    ),
    gone AS (
        SELECT DISTINCT connector, left_out FROM (
            SELECT connectors[array_upper(connectors, 1)] AS connector, left_out FROM walk WHERE left_out IS NOT NULL
            UNION ALL SELECT connector, left_out FROM met WHERE left_out IS NOT NULL) every
    )
SELECT place, companies, connectors, ties, strengths, strength, NULL AS left_out FROM found
UNION ALL SELECT NULL, NULL, ARRAY[connector], NULL, NULL, NULL, left_out FROM gone
"""  # noqa: S608  constants
