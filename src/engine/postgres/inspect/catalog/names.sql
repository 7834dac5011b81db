-- Names of the relations $1, in that order, by indexes. PostgreSQL 13 to 18.
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM unnest($1::oid[]) WITH ORDINALITY AS wanted (oid, place)
JOIN pg_class c ON c.oid = wanted.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY wanted.place
