-- How many relations a filter matches. $1 schema or NULL, $2 kinds, $3 pattern or NULL. One pass over pg_class.
-- PostgreSQL 13 to 18.
SELECT count(*)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = ANY ($2::"char"[])
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND ($1::text IS NULL OR n.nspname = $1::name)
  AND ($3::text IS NULL OR c.relname::text LIKE $3::text)
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
