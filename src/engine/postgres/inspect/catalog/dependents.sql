-- What depends on the relation $1: kind, how, schema, name, through what, columns of the relation. By the index of pg_depend on
-- what is referred to, and those of pg_inherits, pg_trigger and pg_publication_rel; the few publications are read whole. What
-- belongs to an extension is told as well, for it depends all the same. PostgreSQL 13 to 18.
WITH row_types AS (
    SELECT t.oid FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = $1 AND c.reltype <> 0
    UNION ALL
    SELECT t.typarray FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = $1 AND c.reltype <> 0 AND t.typarray <> 0
), referrers AS (
    SELECT d.classid, d.objid, d.deptype, array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL) AS columns
    FROM pg_depend d
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
    GROUP BY d.classid, d.objid, d.deptype
)
SELECT CASE c.relkind WHEN 'm' THEN 'materialized view' WHEN 'v' THEN 'view' ELSE 'rule' END AS kind, 'reads' AS dependence,
       n.nspname::text AS schema, c.relname::text AS name, CASE WHEN r.rulename = '_RETURN' THEN '' ELSE r.rulename::text END AS through,
       d.columns
FROM referrers d
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_class <> $1
JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'table', 'references', n.nspname::text, c.relname::text, con.conname::text, ARRAY (
           SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.number ORDER BY k.place)
FROM (SELECT DISTINCT objid FROM referrers WHERE classid = 'pg_constraint'::regclass) d
JOIN pg_constraint con ON con.oid = d.objid AND con.contype = 'f' AND con.confrelid = $1 AND con.conrelid <> $1
JOIN pg_class c ON c.oid = con.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'sequence', 'owned', n.nspname::text, c.relname::text, '', d.columns
FROM referrers d
JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'S' AND d.deptype IN ('a', 'i')
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'table', CASE WHEN c.relispartition THEN 'partition' ELSE 'inherits' END, n.nspname::text, c.relname::text, '', NULL
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = $1
UNION ALL
SELECT CASE f.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, 'reads', n.nspname::text,
       f.proname || '(' || oidvectortypes(f.proargtypes) || ')', '', d.columns
FROM referrers d
JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
JOIN pg_namespace n ON n.oid = f.pronamespace
UNION ALL
SELECT 'function', 'called', n.nspname::text, f.proname || '(' || oidvectortypes(f.proargtypes) || ')', t.tgname::text, NULL
FROM pg_trigger t
JOIN pg_proc f ON f.oid = t.tgfoid
JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE t.tgrelid = $1 AND NOT t.tgisinternal
UNION ALL
SELECT 'trigger', 'reads', n.nspname::text, c.relname::text, t.tgname::text, d.columns
FROM referrers d
JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid AND NOT t.tgisinternal AND t.tgrelid <> $1
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'policy', 'reads', n.nspname::text, c.relname::text, p.polname::text, d.columns
FROM referrers d
JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid AND p.polrelid <> $1
JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'publication', 'publishes', '', p.pubname::text, '', NULL
FROM pg_publication_rel r
JOIN pg_publication p ON p.oid = r.prpubid
WHERE r.prrelid = $1
UNION ALL -- 15+
SELECT 'publication', 'publishes', '', p.pubname::text, '', NULL -- 15+
FROM pg_class c -- 15+
JOIN pg_publication_namespace pn ON pn.pnnspid = c.relnamespace -- 15+
JOIN pg_publication p ON p.oid = pn.pnpubid -- 15+
WHERE c.oid = $1 AND c.relkind IN ('r', 'p') -- 15+
UNION ALL
SELECT 'publication', 'publishes', '', p.pubname::text, '', NULL
FROM pg_publication p
JOIN pg_class c ON c.oid = $1 AND c.relkind IN ('r', 'p')
WHERE p.puballtables
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'c' THEN 'type' ELSE 'table' END, 'row type',
       n.nspname::text, c.relname::text, '', NULL
FROM row_types t
JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_class'::regclass AND d.objid <> $1
JOIN pg_class c ON c.oid = d.objid
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT CASE f.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, 'row type', n.nspname::text,
       f.proname || '(' || oidvectortypes(f.proargtypes) || ')', '', NULL
FROM row_types t
JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_proc'::regclass
JOIN pg_proc f ON f.oid = d.objid
JOIN pg_namespace n ON n.oid = f.pronamespace
UNION ALL
SELECT 'type', 'row type', n.nspname::text, u.typname::text, '', NULL
FROM row_types t
JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_type'::regclass
JOIN pg_type u ON u.oid = d.objid AND u.typtype = 'd'
JOIN pg_namespace n ON n.oid = u.typnamespace
