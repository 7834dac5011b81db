-- Spatial reference systems, on MariaDB alone; 0 is none. Opens the tables, so it is asked only where there is a spatial column.
SELECT F_TABLE_NAME, F_GEOMETRY_COLUMN, CAST(SRID AS UNSIGNED)
FROM information_schema.GEOMETRY_COLUMNS
WHERE F_TABLE_SCHEMA = ?
