-- Functions, procedures and aggregates $1 but those that read a relation among $2, whose bodies could not be printed for its
-- lock. By the index of pg_proc. PostgreSQL 13 to 18.
SELECT f.oid, l.lanname::text AS language, f.prosrc AS source,
       pg_get_function_sqlbody(f.oid) AS sql_body, -- 14+
       NULL::text AS sql_body, -- before 14
       CASE WHEN f.prokind <> 'a' THEN pg_get_functiondef(f.oid) END AS definition,
       pg_get_function_result(f.oid) AS return_type, f.prosecdef AS definer,
       f.provolatile::text AS volatility, f.proparallel::text AS parallel, f.proisstrict AS strict, f.proleakproof AS leakproof,
       f.procost::float8 AS cost, f.prorows::float8 AS rows, f.proretset AS returns_set, f.prokind = 'w' AS window,
       f.proconfig AS settings, nullif(f.prosupport, 0)::regproc::text AS support,
       ARRAY (SELECT format_type(k.oid, NULL)
              FROM unnest(coalesce(f.proallargtypes, f.proargtypes::oid[])) WITH ORDINALITY AS k (oid, place)
              ORDER BY k.place) AS argument_types,
       f.proargnames AS argument_names, f.proargmodes::text[] AS argument_modes,
       ARRAY (SELECT pg_get_function_arg_default(f.oid, place)
              FROM generate_series(1, cardinality(coalesce(f.proallargtypes, f.proargtypes::oid[]))) AS place
              ORDER BY place) AS argument_defaults,
       a.aggtransfn::regproc::text AS state_function, format_type(a.aggtranstype, NULL) AS state_type,
       nullif(a.aggfinalfn, 0)::regproc::text AS final_function, nullif(a.aggcombinefn, 0)::regproc::text AS combine_function,
       a.agginitval AS initial_state, nullif(a.aggsortop, 0)::regoper::text AS sort_operator, a.aggkind::text AS aggregate_kind
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_proc f ON f.oid = wanted.oid
JOIN pg_language l ON l.oid = f.prolang
LEFT JOIN pg_aggregate a ON a.aggfnoid = f.oid
WHERE NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = ANY ($2::oid[]))
