-- Views whose definition has the name of a table in it; the names of views follow. Without them the server would open every
-- table of the database to see whether it is a view.
SELECT TABLE_NAME, VIEW_DEFINITION
FROM information_schema.VIEWS
WHERE TABLE_SCHEMA = ? AND INSTR(VIEW_DEFINITION, ?) > 0 AND TABLE_NAME IN
