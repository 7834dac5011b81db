-- Keys of the objects of users that are no tables, with the oid that their details are read by: for triggers, policies and rules
-- that of their table. $1 kinds, $2 schema or NULL, $3 pattern or NULL. Objects of extensions and the functions
-- that come with a type are left out. One pass over the
-- catalog of each kind that is asked for. PostgreSQL 13 to 18.
SELECT found.kind, coalesce(n.nspname::text, '') AS schema, found.name, found.relation, found.signature, found.oid
FROM (
    SELECT CASE t.typtype WHEN 'e' THEN 'ENUM' WHEN 'd' THEN 'DOMAIN' WHEN 'r' THEN 'RANGE_TYPE' ELSE 'COMPOSITE_TYPE' END AS kind,
           t.typnamespace AS namespace, t.typname::text AS name, '' AS relation, '' AS signature, t.oid,
           'pg_type'::regclass::oid AS class, t.oid AS member
    FROM pg_type t
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')
    UNION ALL
    SELECT 'SEQUENCE', c.relnamespace, c.relname::text, '', '', c.oid, 'pg_class'::regclass, c.oid
    FROM pg_class c WHERE c.relkind = 'S'
    UNION ALL
    SELECT CASE f.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, f.pronamespace, f.proname::text,
           '', oidvectortypes(f.proargtypes), f.oid, 'pg_proc'::regclass, f.oid
    FROM pg_proc f
    WHERE f.pronamespace <> 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'TRIGGER', c.relnamespace, t.tgname::text, c.relname::text, '', c.oid, 'pg_class'::regclass, c.oid
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'POLICY', c.relnamespace, p.polname::text, c.relname::text, '', c.oid, 'pg_class'::regclass, c.oid
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    UNION ALL
    SELECT 'RULE', c.relnamespace, r.rulename::text, c.relname::text, '', c.oid, 'pg_class'::regclass, c.oid
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'EXTENSION', e.extnamespace, e.extname::text, '', '', e.oid, 'pg_extension'::regclass, e.oid
    FROM pg_extension e
    UNION ALL
    SELECT 'COLLATION', c.collnamespace, c.collname::text, '', '', c.oid, 'pg_collation'::regclass, c.oid
    FROM pg_collation c WHERE c.collnamespace <> 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'PUBLICATION', 0, p.pubname::text, '', '', p.oid, 'pg_publication'::regclass, p.oid
    FROM pg_publication p
    UNION ALL
    SELECT 'FOREIGN_SERVER', 0, s.srvname::text, '', '', s.oid, 'pg_foreign_server'::regclass, s.oid
    FROM pg_foreign_server s
    UNION ALL
    SELECT 'SCHEMA', 0, n.nspname::text, '', '', n.oid, 'pg_namespace'::regclass, n.oid
    FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
) AS found
LEFT JOIN pg_namespace n ON n.oid = found.namespace
WHERE found.kind = ANY ($1::text[])
  AND ($3::text IS NULL OR found.name LIKE $3::text)
  AND ($2::text IS NULL OR n.nspname = $2::name)
  AND (n.oid IS NULL OR found.kind = 'EXTENSION' OR (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'))
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = found.class AND e.objid = found.member
                    AND (e.deptype = 'e' OR (e.deptype = 'i' AND e.classid = 'pg_proc'::regclass)))
