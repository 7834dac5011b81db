-- The first $3 tables that each of the publications $1 names; the filters of those among $2 would have to be waited for.
-- PostgreSQL 13 to 18.
SELECT p.oid, t.schema, t.name, t.columns, t.filter
FROM unnest($1::oid[]) AS p (oid)
CROSS JOIN LATERAL (
    SELECT n.nspname::text AS schema, c.relname::text AS name,
           ARRAY (SELECT a.attname::text FROM unnest(r.prattrs::int2[]) WITH ORDINALITY AS k (number, place) -- 15+
                  JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k.number ORDER BY k.place) AS columns, -- 15+
           CASE WHEN c.oid <> ALL ($2::oid[]) THEN pg_get_expr(r.prqual, r.prrelid) END AS filter -- 15+
           '{}'::text[] AS columns, NULL::text AS filter -- before 15
    FROM pg_publication_rel r
    JOIN pg_class c ON c.oid = r.prrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.prpubid = p.oid
    ORDER BY n.nspname, c.relname
    LIMIT $3
) AS t
