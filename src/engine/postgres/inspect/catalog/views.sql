-- Queries of the views among the relations $1. PostgreSQL 13 to 18.
SELECT c.oid, pg_get_viewdef(c.oid)
FROM unnest($1::oid[]) AS wanted (oid)
CROSS JOIN LATERAL (SELECT oid, relkind FROM pg_class WHERE pg_class.oid = wanted.oid OFFSET 0) c
WHERE c.relkind IN ('v', 'm')
