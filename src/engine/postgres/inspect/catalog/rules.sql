-- Rewrite rules of the relations $1 but those that make views, by an index of pg_rewrite. PostgreSQL 13 to 18.
SELECT r.ev_class AS relation, r.rulename::text AS name, r.ev_type::text AS command, r.is_instead AS instead,
       r.ev_enabled::text AS state, pg_get_ruledef(r.oid) AS definition, d.description AS comment
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_rewrite r ON r.ev_class = wanted.oid AND r.rulename <> '_RETURN'
LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_rewrite'::regclass AND d.objsubid = 0
ORDER BY r.ev_class, r.rulename
