DROP TRIGGER purchase_line_points;

ALTER TABLE customer DROP COLUMN points;
