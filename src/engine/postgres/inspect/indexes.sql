-- Indexes of the relations $1. Only an index with an expression is printed, column by column. PostgreSQL 13 to 18.
SELECT i.indrelid, c.relname::text, am.amname::text, i.indisunique, i.indisprimary, i.indisvalid,
       i.indnkeyatts, (i.indkey::int2[])[0:], (i.indoption::int2[])[0:],
       CASE WHEN i.indexprs IS NOT NULL THEN ARRAY (
           SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) AS k ORDER BY k) END,
       pg_get_expr(i.indpred, i.indrelid),
       CASE c.relkind WHEN 'i' THEN coalesce(pg_relation_size(i.indexrelid), -1) ELSE 0 END
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_index i ON i.indrelid = wanted.oid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am am ON am.oid = c.relam
ORDER BY i.indrelid, c.relname
