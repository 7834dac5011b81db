-- The columns that foreign keys of the database point to in it, a row a column. Reads the definitions of the tables of the database.
-- MariaDB from 10.0, MySQL from 5.6.
SELECT TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = ? AND REFERENCED_TABLE_SCHEMA = TABLE_SCHEMA
ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION
