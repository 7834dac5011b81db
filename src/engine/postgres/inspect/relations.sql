-- Tables and views of users in code-point order (names collate as "C"). $1 schema or NULL, $2 kinds, $3 and $4 name to
-- go on after or NULL, $5 most rows or NULL, $6 relations that are locked, whose size would have to be waited for,
-- $7 one name or NULL. One pass over pg_class. Sizes cost the most: PostgreSQL opens each relation and looks at each of its
-- files, so that the index of an empty TOAST table is not looked at as pg_table_size does. PostgreSQL 13 to 18.
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::int8, d.description,
       CASE WHEN c.oid = ANY ($6::oid[]) THEN -1
            WHEN c.relkind IN ('r', 'm') THEN coalesce(
                pg_relation_size(c.oid) + pg_relation_size(c.oid, 'fsm') + pg_relation_size(c.oid, 'vm')
                + CASE WHEN c.reltoastrelid = 0 OR pg_relation_size(c.reltoastrelid) = 0 THEN 0
                       ELSE pg_total_relation_size(c.reltoastrelid) END, -1)
            ELSE 0 END AS data_size,
       concat_ws(' ',
           CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
           CASE WHEN c.relispartition AND c.oid <> ALL ($6::oid[])
                THEN (SELECT 'PARTITION OF ' || i.inhparent::regclass FROM pg_inherits i WHERE i.inhrelid = c.oid)
                     || ' ' || pg_get_expr(c.relpartbound, c.oid) END,
           CASE WHEN c.relkind = 'p' AND c.oid <> ALL ($6::oid[])
                THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
           'WITH (' || array_to_string(c.reloptions, ', ') || ')')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE c.relkind = ANY ($2::"char"[])
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND ($1::name IS NULL OR n.nspname = $1)
  AND ($7::name IS NULL OR c.relname = $7)
  AND ($3::name IS NULL OR (n.nspname, c.relname) > ($3, $4::name))
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY n.nspname, c.relname
LIMIT $5
