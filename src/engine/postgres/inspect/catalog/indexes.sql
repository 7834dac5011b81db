-- Indexes of the relations $1, by an index of pg_index. Each is opened for its size. PostgreSQL 13 to 18.
SELECT i.indrelid AS relation, i.indexrelid AS oid, c.relname::text AS name, am.amname::text AS method,
       i.indisunique AS unique, i.indisprimary AS primary, i.indisvalid AS valid, i.indisready AS ready,
       i.indnullsnotdistinct AS nulls_not_distinct, -- 15+
       false AS nulls_not_distinct, -- before 15
       pg_get_expr(i.indpred, i.indrelid) AS predicate,
       CASE c.relkind WHEN 'i' THEN coalesce(pg_relation_size(i.indexrelid), -1) ELSE 0 END AS size,
       c.reloptions AS storage_parameters, d.description AS comment, con.conname::text AS constraint_name,
       ts.spcname::text AS tablespace, i.indisclustered AS clustered, pn.nspname::text AS parent_schema,
       pc.relname::text AS parent_name, pg_get_indexdef(i.indexrelid) AS definition
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_index i ON i.indrelid = wanted.oid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
LEFT JOIN pg_constraint con ON con.conrelid = i.indrelid AND con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_inherits inh ON inh.inhrelid = c.oid
LEFT JOIN pg_class pc ON pc.oid = inh.inhparent
LEFT JOIN pg_namespace pn ON pn.oid = pc.relnamespace
ORDER BY i.indrelid, c.relname
