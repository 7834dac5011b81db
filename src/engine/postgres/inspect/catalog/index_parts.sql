-- What the indexes $1 index at each position, and what they carry beside. Only an expression is printed.
-- An order of NULLs is told where the method has one. PostgreSQL 13 to 18.
SELECT i.indrelid AS relation, i.indexrelid AS index, part.place <= i.indnkeyatts AS key, part.number AS column,
       CASE WHEN part.number = 0 THEN pg_get_indexdef(i.indexrelid, part.place::int4, true) END AS expression,
       CASE WHEN am.ordered THEN coalesce(i.indoption[part.place - 1], 0::int2) END AS option,
       CASE WHEN co.collnamespace <> 'pg_catalog'::regnamespace
            THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE co.collname END::text AS collation,
       opn.nspname::text AS class_schema, op.opcname::text AS class_name, op.opcdefault AS class_default,
       a.attoptions AS class_parameters
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_index i ON i.indexrelid = wanted.oid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN (SELECT oid, pg_indexam_has_property(oid, 'can_order') AS ordered FROM pg_am WHERE amtype = 'i' OFFSET 0) am
    ON am.oid = c.relam
CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS part (number, place)
JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = part.place
LEFT JOIN pg_attribute base ON base.attrelid = i.indrelid AND base.attnum = part.number AND part.number <> 0
LEFT JOIN pg_collation co ON co.oid = i.indcollation[part.place - 1] AND part.place <= i.indnkeyatts
                         AND co.oid <> coalesce(base.attcollation, 'pg_catalog."default"'::regcollation::oid)
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
LEFT JOIN pg_opclass op ON op.oid = i.indclass[part.place - 1] AND part.place <= i.indnkeyatts
LEFT JOIN pg_namespace opn ON opn.oid = op.opcnamespace
ORDER BY i.indrelid, i.indexrelid, part.place
