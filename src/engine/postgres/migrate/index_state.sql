-- Whether the index named $1 on the table named $2, both as written in a statement, is valid, and its full name.
SELECT i.indisvalid, pg_catalog.format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace AND c.relname = (pg_catalog.parse_ident($1))[1]::name
JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE t.oid = pg_catalog.to_regclass($2)
