-- What a new file has to be told before, or beside, its first table; all of it is in the header.
SELECT e.encoding, v.auto_vacuum, a.application_id, u.user_version
FROM pragma_encoding AS e, pragma_auto_vacuum AS v, pragma_application_id AS a, pragma_user_version AS u
