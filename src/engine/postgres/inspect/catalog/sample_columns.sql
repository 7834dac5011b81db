-- Columns of the relation $1 with the type below their domains, and whether the user may read them. By indexes.
-- PostgreSQL 13 to 18.
WITH RECURSIVE types AS (
    SELECT a.attnum, a.atttypid AS type FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT types.attnum, t.typbasetype FROM types
    CROSS JOIN LATERAL (SELECT d.typbasetype FROM pg_type d WHERE d.oid = types.type AND d.typtype = 'd' OFFSET 0) AS t
)
SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS data_type,
       CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname::text ELSE '' END AS base_type,
       t.typcategory = 'S' AS is_text, has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
       has_schema_privilege(c.relnamespace, 'USAGE') AS reachable
FROM types
JOIN pg_type t ON t.oid = types.type AND t.typtype <> 'd'
JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = types.attnum
JOIN pg_class c ON c.oid = a.attrelid
ORDER BY a.attnum
