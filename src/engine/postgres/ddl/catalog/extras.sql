-- What statements need and discovery does not tell, a row a fact: `CONSTRAINT` and `TRIGGER` that come with a parent of their table (a
-- trigger with how it fires), `STORAGE` of columns that differs from their type's, `IDENTITY` sequences of identity columns,
-- `RANGE_CLASS` of range types that is not the default one, `DOMAIN_CHECK` comments on checks of domains, `COLLATION` that somebody made as
-- discovery writes its name. One pass over each catalog, for the few rows that they are. PostgreSQL 13 to 18.
SELECT 'CONSTRAINT' AS fact, n.nspname::text AS schema, c.relname::text AS name,
       con.conname::text AS part, '' AS value
FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (con.contype = 'c' AND NOT con.conislocal) OR (con.contype = 'f' AND con.conparentid <> 0)
UNION ALL
SELECT 'TRIGGER', n.nspname::text, c.relname::text, t.tgname::text, ''
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgparentid <> 0 AND NOT t.tgisinternal
UNION ALL
SELECT 'STORAGE', n.nspname::text, c.relname::text, a.attname::text, ''
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attstorage <> t.typstorage AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'm')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'IDENTITY', n.nspname::text, c.relname::text, '', ''
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i' AND d.refobjsubid > 0
UNION ALL
SELECT 'RANGE_CLASS', n.nspname::text, t.typname::text, '', quote_ident(opn.nspname) || '.' || quote_ident(op.opcname)
FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_opclass op ON op.oid = r.rngsubopc JOIN pg_namespace opn ON opn.oid = op.opcnamespace
WHERE NOT op.opcdefault
UNION ALL
SELECT 'DOMAIN_CHECK', n.nspname::text, t.typname::text, con.conname::text, d.description
FROM pg_constraint con JOIN pg_type t ON t.oid = con.contypid JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = con.oid AND d.objsubid = 0
UNION ALL
SELECT 'COLLATION', n.nspname::text, c.collname::text, '', quote_ident(n.nspname) || '.' || quote_ident(c.collname)
FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace AND n.nspname <> 'pg_catalog'
