-- Names and kinds of all relations. MariaDB reads no more than a header of each table for it; MySQL 8 reads its dictionary.
SELECT TABLE_NAME, TABLE_TYPE
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ?
