-- Tables with a text column and such columns: what a search of the texts would read. Domains count as what they narrow;
-- partitions are read through their table. One pass over pg_class and pg_attribute. PostgreSQL 13 to 18.
SELECT count(DISTINCT a.attrelid), count(*)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
  AND t.typcategory = 'S'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
