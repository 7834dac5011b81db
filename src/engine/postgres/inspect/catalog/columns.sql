-- Columns of the relations $1, by an index of pg_attribute. PostgreSQL 13 to 18.
SELECT a.attrelid, a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.attidentity::text, a.attgenerated::text, pg_get_expr(ad.adbin, ad.adrelid),
       CASE WHEN co.collnamespace <> 'pg_catalog'::regnamespace
            THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE co.collname END::text,
       d.description, a.attstorage::text,
       a.attcompression::text, -- 14+
       ''::text, -- before 14
       nullif(a.attstattarget, -1)::int4, en.nspname::text, e.typname::text, a.attndims::int4, a.attinhcount::int4,
       a.attislocal, a.attoptions, a.attfdwoptions,
       nn.conname::text -- 18+
       NULL::text -- before 18
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_attribute a ON a.attrelid = wanted.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type e ON e.oid = CASE t.typcategory WHEN 'A' THEN t.typelem ELSE t.oid END
                   AND e.typnamespace <> 'pg_catalog'::regnamespace
LEFT JOIN pg_namespace en ON en.oid = e.typnamespace
LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
LEFT JOIN pg_collation co ON co.oid = a.attcollation AND a.attcollation <> t.typcollation
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
LEFT JOIN pg_description d ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
LEFT JOIN pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum] -- 18+
ORDER BY a.attrelid, a.attnum
