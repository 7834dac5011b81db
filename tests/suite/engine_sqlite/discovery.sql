CREATE TABLE people (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE CONSTRAINT people_name CHECK (name <> ''),
    email TEXT CONSTRAINT people_email UNIQUE ON CONFLICT IGNORE,
    born INTEGER,
    decade INTEGER GENERATED ALWAYS AS (born / 10 * 10) VIRTUAL,
    label TEXT AS (name || ' ' || born) STORED,
    CONSTRAINT people_once UNIQUE (name, born) ON CONFLICT REPLACE,
    CONSTRAINT people_born CHECK (born > 1800)
);
CREATE INDEX people_partial ON people (born DESC, name COLLATE BINARY, name, lower(email) COLLATE NOCASE)
    WHERE born IS NOT NULL;
CREATE TABLE counted_late (x TEXT, "Id" INTEGER, CONSTRAINT counted PRIMARY KEY (id AUTOINCREMENT));
CREATE TABLE no_alias (id INTEGER PRIMARY KEY DESC, x TEXT);
CREATE TABLE pairs (
    a INT, b TEXT, CONSTRAINT pairs_key PRIMARY KEY (b COLLATE NOCASE DESC, a) ON CONFLICT FAIL
) STRICT, WITHOUT ROWID;
CREATE TABLE friends (
    person INTEGER CONSTRAINT friends_person REFERENCES people
        MATCH FULL ON DELETE CASCADE ON UPDATE SET DEFAULT,
    b TEXT,
    a INT,
    CONSTRAINT friends_pair FOREIGN KEY (b, a) REFERENCES pairs MATCH PARTIAL DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT nobody FOREIGN KEY (person) REFERENCES nowhere
);
CREATE VIEW adults (id, name) AS SELECT id, name FROM people WHERE born < 2000;
CREATE VIEW counts AS SELECT count(*) AS people FROM adults;
CREATE TRIGGER adults_insert INSTEAD OF INSERT ON adults WHEN new.name <> 'BEGIN'
BEGIN INSERT INTO people (name) VALUES (new.name); END;
CREATE TRIGGER friends_made AFTER UPDATE OF a, "b" ON friends
BEGIN UPDATE people SET born = 1900 WHERE id = new.person; END;
CREATE TRIGGER people_gone BEFORE DELETE ON people BEGIN DELETE FROM friends WHERE person = old.id; END;
CREATE TRIGGER pairs_seen AFTER INSERT ON pairs WHEN EXISTS (SELECT 1 FROM no_alias) BEGIN SELECT 1; END;
CREATE VIRTUAL TABLE notes USING fts5(name, email UNINDEXED, content='people', content_rowid='id');
CREATE VIRTUAL TABLE notes_more USING fts4(title, body, notindexed=body);
CREATE VIRTUAL TABLE words USING fts5vocab(notes, 'row');
CREATE VIRTUAL TABLE areas USING rtree(id, low, high);
INSERT INTO people (name, born) VALUES ('Ada', 1815), ('Grace', 1906);
DELETE FROM people WHERE name = 'Grace';
