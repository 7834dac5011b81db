-- Indexes of the relations $1, by an index of pg_index. Each is opened for its size. A plain one is told in full here: a B-tree
-- over columns with their own collations and by operator classes of the server, which have numbers under 16384 and no options.
-- The parts of the others are told by index_parts.sql. PostgreSQL 13 to 18.
SELECT i.indrelid AS relation, i.indexrelid AS oid, c.relname::text AS name, am.amname::text AS method,
       i.indisunique AS unique, i.indisprimary AS primary, i.indisvalid AS valid, i.indisready AS ready,
       i.indnullsnotdistinct AS nulls_not_distinct, -- 15+
       false AS nulls_not_distinct, -- before 15
       pg_get_expr(i.indpred, i.indrelid) AS predicate,
       CASE c.relkind WHEN 'i' THEN coalesce(pg_relation_size(i.indexrelid), -1) ELSE 0 END AS size,
       c.reloptions AS storage_parameters, d.description AS comment, con.conname::text AS constraint_name,
       ts.spcname::text AS tablespace, i.indisclustered AS clustered, parent.nspname::text AS parent_schema,
       parent.relname::text AS parent_name, pg_get_indexdef(i.indexrelid) AS definition,
       (i.indkey::int2[])[0:] AS columns, (i.indclass::oid[])[0:] AS classes, (i.indoption::int2[])[0:] AS options,
       i.indexprs IS NULL AND am.amname = 'btree' AND 16384 > ALL (i.indclass::oid[])
       AND (0 = ALL (i.indcollation::oid[]) OR NOT EXISTS (
           SELECT FROM unnest(i.indkey::int2[], i.indcollation::oid[]) AS part (number, collated)
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = part.number
           WHERE part.collated <> a.attcollation)) AS plain
FROM unnest($1::oid[]) AS wanted (oid)
CROSS JOIN LATERAL (SELECT * FROM pg_index WHERE indrelid = wanted.oid OFFSET 0) i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
LEFT JOIN LATERAL (
    SELECT conname FROM pg_constraint
    WHERE (i.indisunique OR i.indisexclusion) AND conrelid = i.indrelid AND conindid = i.indexrelid
      AND contype IN ('p', 'u', 'x') OFFSET 0) con ON true
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN LATERAL (
    SELECT n.nspname, p.relname
    FROM pg_inherits inh JOIN pg_class p ON p.oid = inh.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
    WHERE c.relispartition AND inh.inhrelid = c.oid OFFSET 0) parent ON true
ORDER BY i.indrelid, c.relname
