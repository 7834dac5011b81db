-- Keys, foreign keys, checks and exclusions of the relations $1. A foreign key to a partitioned table has a copy for each
-- partition on the same table; the copies are left out. PostgreSQL 13 to 18.
SELECT con.conrelid AS relation, con.contype::text AS kind, con.conname::text AS name, con.conkey AS columns,
       con.convalidated AS validated, con.condeferrable AS deferrable, con.condeferred AS deferred,
       con.connoinherit AS no_inherit, con.confmatchtype::text AS match_type,
       con.confupdtype::text AS on_update, con.confdeltype::text AS on_delete,
       con.confdelsetcols AS on_delete_columns, -- 15+
       NULL::int2[] AS on_delete_columns, -- before 15
       con.conenforced AS enforced, con.conperiod AS period, -- 18+
       true AS enforced, false AS period, -- before 18
       rn.nspname::text AS referenced_schema, rc.relname::text AS referenced_table,
       CASE WHEN con.contype = 'f' THEN ARRAY (
           SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY AS k (attnum, position)
           JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.attnum ORDER BY k.position) END
           AS referenced_columns,
       pg_get_expr(con.conbin, con.conrelid) AS expression,
       CASE WHEN con.contype IN ('p', 'u', 'x') THEN con.conindid END AS index,
       CASE WHEN con.contype = 'x' THEN ARRAY (
           SELECT CASE WHEN o.oprnamespace = 'pg_catalog'::regnamespace THEN o.oprname::text
                       ELSE 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')' END
           FROM unnest(con.conexclop) WITH ORDINALITY AS k (oid, position)
           JOIN pg_operator o ON o.oid = k.oid JOIN pg_namespace n ON n.oid = o.oprnamespace
           ORDER BY k.position) END AS operators,
       d.description AS comment
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_constraint con ON con.conrelid = wanted.oid AND con.contype IN ('p', 'u', 'f', 'c', 'x')
LEFT JOIN pg_class rc ON rc.oid = con.confrelid
LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace
LEFT JOIN pg_description d ON d.objoid = con.oid AND d.classoid = 'pg_constraint'::regclass AND d.objsubid = 0
WHERE con.conparentid = 0
   OR (SELECT parent.conrelid FROM pg_constraint parent WHERE parent.oid = con.conparentid) IS DISTINCT FROM con.conrelid
ORDER BY con.conrelid, con.conname
