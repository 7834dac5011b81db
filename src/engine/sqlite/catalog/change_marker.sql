-- Two numbers of the header of the file: the first goes up with every change of the schema, the second tells of growth.
SELECT v.schema_version || '.' || p.page_count FROM pragma_schema_version AS v, pragma_page_count AS p
