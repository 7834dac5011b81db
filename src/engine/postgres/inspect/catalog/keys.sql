-- Tables and views of users in code-point order (names collate as "C"). $1 schema or NULL, $2 kinds, $3 pattern or NULL,
-- $4 and $5 name to go on after or NULL, $6 most rows or NULL. One pass over pg_class. PostgreSQL 13 to 18.
SELECT c.oid
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = ANY ($2::"char"[])
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND ($1::text IS NULL OR n.nspname = $1::name)
  AND ($3::text IS NULL OR c.relname::text LIKE $3::text)
  AND ($4::text IS NULL OR (n.nspname, c.relname) > ($4::name, $5::name))
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY n.nspname, c.relname
LIMIT $6
