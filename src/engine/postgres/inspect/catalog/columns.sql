-- Columns of the relations $1, by an index of pg_attribute. What few columns have is looked up for those alone: built-in types
-- have numbers under 10000, and texts of the usual types the collation 100. PostgreSQL 13 to 18.
SELECT a.attrelid, a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.attidentity::text, a.attgenerated::text, ad.expression, co.name, a.attstorage::text,
       a.attcompression::text, -- 14+
       ''::text, -- before 14
       nullif(a.attstattarget, -1)::int4, e.nspname::text, e.typname::text, a.attndims::int4, a.attinhcount::int4,
       a.attislocal, a.attoptions, a.attfdwoptions, a.attacl IS NOT NULL,
       nn.conname::text -- 18+
       NULL::text -- before 18
FROM unnest($1::oid[]) AS wanted (oid)
CROSS JOIN LATERAL (SELECT * FROM pg_attribute WHERE attrelid = wanted.oid AND attnum > 0 AND NOT attisdropped OFFSET 0) a
LEFT JOIN LATERAL (
    SELECT pg_get_expr(d.adbin, d.adrelid) AS expression
    FROM pg_attrdef d WHERE a.atthasdef AND d.adrelid = a.attrelid AND d.adnum = a.attnum OFFSET 0) ad ON true
LEFT JOIN LATERAL (
    SELECT CASE WHEN c.collnamespace <> 'pg_catalog'::regnamespace
                THEN quote_ident(n.nspname) || '.' || quote_ident(c.collname) ELSE c.collname::text END AS name
    FROM pg_type t JOIN pg_collation c ON c.oid = a.attcollation JOIN pg_namespace n ON n.oid = c.collnamespace
    WHERE a.attcollation <> 0 AND NOT (a.attcollation = 100 AND a.atttypid IN (25, 1042, 1043))
      AND t.oid = a.atttypid AND a.attcollation <> t.typcollation OFFSET 0) co ON true
LEFT JOIN LATERAL (
    SELECT n.nspname, named.typname
    FROM pg_type t JOIN pg_type named ON named.oid = CASE t.typcategory WHEN 'A' THEN t.typelem ELSE t.oid END
    JOIN pg_namespace n ON n.oid = named.typnamespace
    WHERE a.atttypid >= 10000 AND t.oid = a.atttypid AND named.typnamespace <> 'pg_catalog'::regnamespace OFFSET 0) e ON true
LEFT JOIN pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum] -- 18+
ORDER BY a.attrelid, a.attnum
