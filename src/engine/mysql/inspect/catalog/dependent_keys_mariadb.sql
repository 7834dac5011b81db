-- Foreign keys that point to a table, by InnoDB's own list: KEY_COLUMN_USAGE would open every table of the database for it.
-- Needs PROCESS. The names are those of files: `@0020` is a space.
SELECT ID,
       CONVERT(CAST(CAST(SUBSTRING_INDEX(FOR_NAME, '/', 1) AS BINARY) AS CHAR CHARACTER SET filename) USING utf8mb4),
       CONVERT(CAST(CAST(SUBSTRING_INDEX(FOR_NAME, '/', -1) AS BINARY) AS CHAR CHARACTER SET filename) USING utf8mb4)
FROM information_schema.INNODB_SYS_FOREIGN
WHERE CAST(CONVERT(CAST(CAST(SUBSTRING_INDEX(REF_NAME, '/', 1) AS BINARY) AS CHAR CHARACTER SET filename) USING utf8mb4)
           AS BINARY) = CAST(? AS BINARY)
  AND CAST(CONVERT(CAST(CAST(SUBSTRING_INDEX(REF_NAME, '/', -1) AS BINARY) AS CHAR CHARACTER SET filename) USING utf8mb4)
           AS BINARY) = CAST(? AS BINARY)
