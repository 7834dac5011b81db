-- What the statements that cannot run in a transaction change: indexes, partitions that are being detached, databases and
-- tablespaces. One pass over small catalogs. PostgreSQL 13 to 18.
SELECT pg_catalog.md5(pg_catalog.concat_ws('/',
    (SELECT pg_catalog.string_agg(indexrelid || ':' || indisvalid, ',' ORDER BY indexrelid) FROM pg_catalog.pg_index),
    (SELECT pg_catalog.string_agg(inhrelid || ':' || inhparent, ',' ORDER BY inhrelid) FROM pg_catalog.pg_inherits),
    (SELECT pg_catalog.string_agg(oid || ':' || datname || ':' || dattablespace, ',' ORDER BY oid) FROM pg_catalog.pg_database),
    (SELECT pg_catalog.string_agg(oid || ':' || spcname, ',' ORDER BY oid) FROM pg_catalog.pg_tablespace)))
