-- Triggers of the relations $1, those of constraints left out, by an index of pg_trigger. PostgreSQL 13 to 18.
SELECT t.tgrelid AS relation, t.oid, t.tgname::text AS name, pg_get_triggerdef(t.oid) AS definition,
       t.tgtype AS kind, t.tgqual IS NOT NULL AS conditional, t.tgenabled::text AS state,
       fn.nspname::text AS function_schema, f.proname::text AS function_name, t.tgnargs AS argument_count,
       t.tgargs AS arguments, ARRAY (
           SELECT a.attname::text FROM unnest(t.tgattr::int2[]) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
       d.description AS comment, t.tgconstraint <> 0 AS is_constraint, t.tgdeferrable AS deferrable,
       t.tginitdeferred AS deferred, t.tgoldtable::text AS old_table, t.tgnewtable::text AS new_table
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_trigger t ON t.tgrelid = wanted.oid AND NOT t.tgisinternal
JOIN pg_proc f ON f.oid = t.tgfoid
JOIN pg_namespace fn ON fn.oid = f.pronamespace
LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_trigger'::regclass AND d.objsubid = 0
ORDER BY t.tgrelid, t.tgname
