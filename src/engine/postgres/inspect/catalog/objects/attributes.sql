-- Attributes of the composite types $1, by an index of pg_attribute. PostgreSQL 13 to 18.
SELECT t.oid, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS data_type,
       CASE WHEN co.collnamespace <> 'pg_catalog'::regnamespace
            THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE co.collname END::text AS collation,
       d.description AS comment
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_type t ON t.oid = wanted.oid
JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type base ON base.oid = a.atttypid
LEFT JOIN pg_collation co ON co.oid = a.attcollation AND a.attcollation <> base.typcollation
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
LEFT JOIN pg_description d ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
ORDER BY t.oid, a.attnum
