-- Opens each table that passes the WHERE, for its statistics. What cannot be opened, for a lock or a fault, has no ENGINE and
-- the server's words in TABLE_COMMENT. Served alike by MySQL 5.7 and MariaDB 10.
SELECT TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_COLLATION, CREATE_OPTIONS, TABLE_COMMENT,
       CAST(TABLE_ROWS AS SIGNED), CAST(DATA_LENGTH AS SIGNED), CAST(INDEX_LENGTH AS SIGNED),
       CAST(AUTO_INCREMENT AS UNSIGNED)
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ?
