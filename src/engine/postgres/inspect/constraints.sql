-- Keys, foreign keys and checks of the relations $1. A foreign key to a partitioned table has a copy for each partition
-- on the same table; the copies are left out. PostgreSQL 13 to 18.
SELECT con.conrelid, con.contype::text, con.conname::text, con.conkey, con.convalidated, con.condeferrable,
       con.confupdtype::text, con.confdeltype::text, rn.nspname::text, rc.relname::text,
       CASE WHEN con.contype = 'f' THEN ARRAY (
           SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY AS k (attnum, position)
           JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.attnum ORDER BY k.position) END,
       pg_get_expr(con.conbin, con.conrelid)
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_constraint con ON con.conrelid = wanted.oid AND con.contype IN ('p', 'u', 'f', 'c')
LEFT JOIN pg_constraint parent ON parent.oid = con.conparentid AND parent.conrelid = con.conrelid
LEFT JOIN pg_class rc ON rc.oid = con.confrelid
LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace
WHERE parent.oid IS NULL
ORDER BY con.conrelid, con.conname
