-- What needs what among the objects of users, by the steps of their statements. The type of a row, of an array and of several ranges
-- stand for what they come with. One pass over pg_depend and over the catalogs of what is told. PostgreSQL 13 to 18.
WITH node AS MATERIALIZED (
    SELECT 'pg_class'::regclass::oid AS class, c.oid,
           CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED_VIEW'
                          WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END AS step,
           c.relnamespace AS namespace, c.relname::text AS name, '' AS part
    FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid,
           CASE WHEN c.relkind IN ('r', 'p', 'f') THEN 'TABLE' WHEN c.relkind = 'v' THEN 'VIEW'
                WHEN c.relkind = 'm' THEN 'MATERIALIZED_VIEW' ELSE 'TYPE' END,
           base.typnamespace, base.typname::text, ''
    FROM pg_type t
    LEFT JOIN pg_type e ON e.typarray = t.oid
    LEFT JOIN pg_range r ON r.rngmultitypid = coalesce(e.oid, t.oid) -- 14+
    LEFT JOIN pg_range r ON false -- before 14
    JOIN pg_type base ON base.oid = coalesce(r.rngtypid, e.oid, t.oid)
    LEFT JOIN pg_class c ON c.oid = base.typrelid
    UNION ALL
    SELECT 'pg_proc'::regclass, f.oid, 'ROUTINE', f.pronamespace, f.proname::text, oidvectortypes(f.proargtypes) FROM pg_proc f
    UNION ALL
    SELECT 'pg_collation'::regclass, c.oid, 'COLLATION', c.collnamespace, c.collname::text, '' FROM pg_collation c
    UNION ALL
    SELECT 'pg_rewrite'::regclass, r.oid, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED_VIEW' END,
           c.relnamespace, c.relname::text, ''
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename = '_RETURN'
    UNION ALL
    SELECT 'pg_attrdef'::regclass, d.oid, CASE a.attgenerated WHEN '' THEN 'DEFAULT' ELSE 'TABLE' END,
           c.relnamespace, c.relname::text, CASE a.attgenerated WHEN '' THEN a.attname::text ELSE '' END
    FROM pg_attrdef d
    JOIN pg_class c ON c.oid = d.adrelid AND c.relkind IN ('r', 'p', 'f')
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL
    SELECT 'pg_constraint'::regclass, con.oid,
           CASE WHEN con.contypid <> 0 THEN 'TYPE' WHEN con.contype = 'c' THEN 'CHECK' ELSE 'KEY' END,
           coalesce(t.typnamespace, c.relnamespace), coalesce(t.typname, c.relname)::text,
           CASE WHEN con.contypid <> 0 THEN '' ELSE con.conname::text END
    FROM pg_constraint con
    LEFT JOIN pg_type t ON t.oid = con.contypid
    LEFT JOIN pg_class c ON c.oid = con.conrelid
    WHERE con.contype IN ('c', 'p', 'u', 'x')
), user_node AS MATERIALIZED (
    SELECT node.*, n.nspname::text AS schema FROM node JOIN pg_namespace n ON n.oid = node.namespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = node.class AND e.objid = node.oid AND e.deptype = 'e')
)
SELECT DISTINCT one.step, one.schema, one.name, one.part,
       other.step AS other_step, other.schema AS other_schema, other.name AS other_name, other.part AS other_part
FROM pg_depend d
JOIN user_node one ON one.class = d.classid AND one.oid = d.objid
JOIN user_node other ON other.class = d.refclassid AND other.oid = d.refobjid
WHERE (one.step, one.namespace, one.name, one.part) <> (other.step, other.namespace, other.name, other.part)
  -- That a default, a check or a key needs its table goes without saying.
  AND NOT (one.step IN ('DEFAULT', 'CHECK', 'KEY') AND other.step = 'TABLE' AND one.namespace = other.namespace
           AND one.name = other.name)
  -- A sequence is made before the column that it belongs to.
  AND NOT (one.step = 'SEQUENCE' AND other.step = 'TABLE')
