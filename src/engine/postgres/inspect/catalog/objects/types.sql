-- Enumerated, domain, composite and range types $1, by indexes. PostgreSQL 13 to 18.
SELECT t.oid, CASE WHEN t.typtype = 'e' THEN ARRAY (
           SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) END AS labels,
       CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base_type, t.typnotnull AS not_null,
       pg_get_expr(t.typdefaultbin, 0) AS default_expression,
       CASE WHEN co.collnamespace <> 'pg_catalog'::regnamespace
            THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE co.collname END::text AS collation,
       r.rngsubtype::regtype::text AS subtype, op.opcname::text AS operator_class,
       nullif(r.rngcanonical, 0)::regproc::text AS canonical, nullif(r.rngsubdiff, 0)::regproc::text AS difference,
       nullif(r.rngmultitypid, 0)::regtype::text AS multirange -- 14+
       NULL::text AS multirange -- before 14
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_type t ON t.oid = wanted.oid
LEFT JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_range r ON r.rngtypid = t.oid
LEFT JOIN pg_opclass op ON op.oid = r.rngsubopc
LEFT JOIN pg_collation co ON co.oid = CASE t.typtype WHEN 'r' THEN r.rngcollation
                                                     WHEN 'd' THEN nullif(t.typcollation, b.typcollation) END
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
