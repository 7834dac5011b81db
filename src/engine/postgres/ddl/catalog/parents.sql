-- Tables that others inherit from or are partitions of: those of the relations $1, or of all where it is NULL. By pg_inherits, of
-- which a row is a child. PostgreSQL 13 to 18.
SELECT DISTINCT i.inhparent
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhparent AND c.relkind IN ('r', 'p', 'f')
WHERE $1::oid[] IS NULL OR i.inhrelid = ANY ($1::oid[])
ORDER BY i.inhparent
