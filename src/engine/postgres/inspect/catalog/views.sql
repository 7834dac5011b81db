-- Queries of the views among the relations $1. PostgreSQL 13 to 18.
SELECT c.oid, pg_get_viewdef(c.oid)
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_class c ON c.oid = wanted.oid AND c.relkind IN ('v', 'm')
