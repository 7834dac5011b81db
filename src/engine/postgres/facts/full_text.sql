-- Indexes on tsvector columns or expressions, of users' tables. PostgreSQL 13 to 18.
SELECT n.nspname::text, t.relname::text, c.relname::text
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am a ON a.oid = c.relam AND a.amname IN ('gin', 'gist')
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND EXISTS (
      SELECT FROM unnest(i.indclass::oid[]) AS k (oid)
      JOIN pg_opclass o ON o.oid = k.oid
      WHERE o.opcintype = 'tsvector'::regtype)
ORDER BY n.nspname, t.relname, c.relname
LIMIT $1
