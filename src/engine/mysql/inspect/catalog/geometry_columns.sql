-- Spatial reference systems, on MariaDB alone; 0 is none. Opens the tables, so it is asked only where there is a spatial column.
-- The name of the column is in G_GEOMETRY_COLUMN; F_GEOMETRY_COLUMN is empty.
SELECT F_TABLE_NAME, G_GEOMETRY_COLUMN, CAST(SRID AS UNSIGNED)
FROM information_schema.GEOMETRY_COLUMNS
WHERE F_TABLE_SCHEMA = ?
