-- Those of the tables $2 of the schemas $1 whose plans compute nothing but what belongs to the server: no row security and no rules but
-- that of a materialised view, and with their partitions and children no foreign tables, no defaults, checks, indexes, statistics or
-- partition keys that depend on functions or operators of users. Neither do the types of their columns, with what those are arrays of
-- and domains over: no casts, defaults and checks that do, and no ranges and rows of users, for whose values their functions and those
-- of what is in them are called. Types that only a superuser makes are the server's, and so are enumerations. What is the server's own
-- has numbers below 16384. By indexes of the catalogs, for each table as many rows as it has columns, constraints and indexes.
-- PostgreSQL 13 to 18.
WITH RECURSIVE wanted AS (
    SELECT c.oid AS root, n.nspname::text AS schema, c.relname::text AS name
    FROM unnest($1::text[], $2::text[]) AS w (schema, name)
    JOIN pg_namespace n ON n.nspname = w.schema::name
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name::name
    WHERE c.oid >= 16384 AND NOT c.relrowsecurity AND (NOT c.relhasrules OR c.relkind = 'm')
), part AS (
    SELECT root, root AS oid FROM wanted
    UNION
    SELECT p.root, i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
), held AS (
    SELECT p.root, a.atttypid AS oid
    FROM part p
    JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT h.root, inner_type.oid
    FROM held h
    JOIN pg_type t ON t.oid = h.oid
    CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype)) AS inner_type (oid)
    WHERE inner_type.oid <> 0
), own (root, classid, objid) AS (
    SELECT p.root, 'pg_class'::regclass::oid, p.oid FROM part p
    UNION ALL
    SELECT p.root, 'pg_attrdef'::regclass, d.oid FROM part p JOIN pg_attrdef d ON d.adrelid = p.oid
    UNION ALL
    SELECT p.root, 'pg_constraint'::regclass, o.oid FROM part p JOIN pg_constraint o ON o.conrelid = p.oid
    UNION ALL
    SELECT p.root, 'pg_class'::regclass, x.indexrelid FROM part p JOIN pg_index x ON x.indrelid = p.oid
    UNION ALL
    SELECT p.root, 'pg_statistic_ext'::regclass, e.oid FROM part p JOIN pg_statistic_ext e ON e.stxrelid = p.oid
    UNION ALL
    SELECT h.root, 'pg_type'::regclass, t.oid FROM held h JOIN pg_type t ON t.oid = h.oid AND t.typtype = 'd'
    UNION ALL
    SELECT h.root, 'pg_constraint'::regclass, o.oid FROM held h JOIN pg_constraint o ON o.contypid = h.oid
), unsafe (root) AS (
    SELECT p.root FROM part p JOIN pg_class c ON c.oid = p.oid WHERE c.relkind NOT IN ('r', 'p', 'm')
    UNION ALL
    SELECT o.root
    FROM own o
    JOIN pg_depend d ON d.classid = o.classid AND d.objid = o.objid
    WHERE d.refobjid >= 16384
        AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass)
    UNION ALL
    SELECT h.root FROM held h JOIN pg_type t ON t.oid = h.oid WHERE t.oid >= 16384 AND t.typtype NOT IN ('b', 'd', 'e')
    UNION ALL
    SELECT h.root
    FROM held h
    JOIN pg_cast k ON k.castfunc >= 16384 AND h.oid IN (k.castsource, k.casttarget)
)
SELECT schema, name FROM wanted WHERE root NOT IN (SELECT root FROM unsafe)
