-- Partition keys of the relations $1, by the index of pg_partitioned_table. PostgreSQL 13 to 18.
SELECT p.partrelid AS relation, p.partstrat::text AS strategy, (p.partattrs::int2[])[0:] AS columns,
       pg_get_expr(p.partexprs, p.partrelid) AS expressions, ARRAY (
           SELECT CASE WHEN op.opcdefault THEN ''
                       WHEN op.opcnamespace = 'pg_catalog'::regnamespace THEN quote_ident(op.opcname)
                       ELSE quote_ident(n.nspname) || '.' || quote_ident(op.opcname) END
           FROM unnest(p.partclass::oid[]) WITH ORDINALITY AS k (oid, place)
           JOIN pg_opclass op ON op.oid = k.oid JOIN pg_namespace n ON n.oid = op.opcnamespace ORDER BY k.place) AS classes,
       ARRAY (
           SELECT CASE WHEN co.oid IS NULL OR co.oid = coalesce(a.attcollation, 'pg_catalog."default"'::regcollation::oid) THEN ''
                       WHEN co.collnamespace = 'pg_catalog'::regnamespace THEN co.collname::text
                       ELSE quote_ident(n.nspname) || '.' || quote_ident(co.collname) END
           FROM unnest(p.partcollation::oid[], p.partattrs::int2[]) WITH ORDINALITY AS k (oid, number, place)
           LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.number AND k.number <> 0
           LEFT JOIN pg_collation co ON co.oid = k.oid LEFT JOIN pg_namespace n ON n.oid = co.collnamespace
           ORDER BY k.place) AS collations,
       dn.nspname::text AS default_schema, dc.relname::text AS default_name
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_partitioned_table p ON p.partrelid = wanted.oid
LEFT JOIN pg_class dc ON dc.oid = p.partdefid
LEFT JOIN pg_namespace dn ON dn.oid = dc.relnamespace
ORDER BY p.partrelid
