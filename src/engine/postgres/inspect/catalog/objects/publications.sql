-- Publications $1 with the number of the tables that they name, by indexes. PostgreSQL 13 to 18.
SELECT p.oid, p.puballtables AS all_tables, p.pubinsert AS inserts, p.pubupdate AS updates, p.pubdelete AS deletes,
       p.pubtruncate AS truncates, p.pubviaroot AS via_root,
       (SELECT count(*) FROM pg_publication_rel r WHERE r.prpubid = p.oid) AS table_count,
       ARRAY (SELECT n.nspname::text FROM pg_publication_namespace pn JOIN pg_namespace n ON n.oid = pn.pnnspid -- 15+
              WHERE pn.pnpubid = p.oid ORDER BY n.nspname) AS schemas -- 15+
       '{}'::text[] AS schemas -- before 15
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_publication p ON p.oid = wanted.oid
