-- Tables that the relations $1 are partitions of or inherit from, by an index of pg_inherits. PostgreSQL 13 to 18.
SELECT i.inhrelid AS relation, n.nspname::text AS schema, c.relname::text AS name
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_inherits i ON i.inhrelid = wanted.oid
JOIN pg_class c ON c.oid = i.inhparent
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY i.inhrelid, i.inhseqno
