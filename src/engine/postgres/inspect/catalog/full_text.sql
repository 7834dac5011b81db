-- The first $1 indexes for searching texts by their words, which are the GIN and GiST indexes over a tsvector, and how many
-- tables have one. Indexes of partitions are those of their table. One pass over pg_index. PostgreSQL 13 to 18.
SELECT n.nspname::text AS schema, t.relname::text AS name, c.relname::text AS index, ARRAY (
           SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number <> 0
           WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns,
       (dense_rank() OVER (ORDER BY t.oid) + dense_rank() OVER (ORDER BY t.oid DESC) - 1) AS table_count
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition
JOIN pg_am a ON a.oid = c.relam AND a.amname IN ('gin', 'gist')
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = t.oid AND e.deptype = 'e')
  AND EXISTS (SELECT FROM unnest(i.indclass::oid[]) AS k (oid)
              JOIN pg_opclass o ON o.oid = k.oid AND o.opcintype = 'tsvector'::regtype)
ORDER BY n.nspname, t.relname, c.relname
LIMIT $1
