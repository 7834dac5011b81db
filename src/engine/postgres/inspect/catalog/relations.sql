-- The relations $1, in that order, none of which is locked. By the index of each catalog on its oid; the sizes are those of
-- summaries.sql. PostgreSQL 13 to 18.
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       c.reltuples::int8 AS row_estimate,
       CASE WHEN c.relkind IN ('r', 'm') THEN coalesce(
                pg_relation_size(c.oid) + pg_relation_size(c.oid, 'fsm') + pg_relation_size(c.oid, 'vm')
                + CASE WHEN c.reltoastrelid = 0 OR pg_relation_size(c.reltoastrelid) = 0 THEN 0
                       ELSE pg_total_relation_size(c.reltoastrelid) END, -1)
            ELSE 0 END AS data_size,
       CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS bound,
       CASE WHEN c.relispartition
            THEN (SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid) END AS parent,
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
       pg_get_userbyid(c.relowner)::text AS owner, c.relpersistence::text AS persistence, ts.spcname::text AS tablespace,
       am.amname::text AS access_method, c.reloptions AS storage_parameters, toast.reloptions AS toast_parameters,
       c.relrowsecurity AS row_security, c.relforcerowsecurity AS row_security_forced,
       c.relreplident::text AS replica_identity,
       CASE c.relreplident WHEN 'i' THEN (
           SELECT x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
           WHERE i.indrelid = c.oid AND i.indisreplident) END AS identity_index,
       c.relispopulated AS populated, tn.nspname::text AS of_schema, t.typname::text AS of_name,
       fs.srvname::text AS server, ft.ftoptions AS server_options, c.relacl IS NOT NULL AS has_grants
FROM unnest($1::oid[]) WITH ORDINALITY AS wanted (oid, place)
CROSS JOIN LATERAL (SELECT * FROM pg_class WHERE pg_class.oid = wanted.oid OFFSET 0) c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid AND toast.reloptions IS NOT NULL
LEFT JOIN pg_type t ON t.oid = c.reloftype
LEFT JOIN pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN pg_foreign_table ft ON ft.ftrelid = c.oid
LEFT JOIN pg_foreign_server fs ON fs.oid = ft.ftserver
ORDER BY wanted.place
