//! A database with one of everything.

use crate::harness::mariadb::MariadbServer;

/// Makes it, for the client of MariaDB, which knows DELIMITER.
const SQL: &str = r#"
CREATE TABLE kinds (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  small TINYINT(1) NULL, amount DECIMAL(10,2) NOT NULL DEFAULT 1.50, ratio DOUBLE, bits BIT(5),
  word VARCHAR(100) NOT NULL DEFAULT 'it''s', fixed CHAR(3), body LONGTEXT, raw BLOB, key16 BINARY(16),
  doc JSON, made DATETIME(6) DEFAULT NULL, seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  day DATE, clock TIME, born YEAR, mood ENUM('a','b'), tags SET('x','y'), place POINT,
  doubled DECIMAL(12,2) AS (amount * 2) STORED, word_length INT AS (CHAR_LENGTH(word)) VIRTUAL,
  CONSTRAINT amount_positive CHECK (amount >= 0),
  UNIQUE KEY word_unique (word), KEY body_prefix (body(10)), KEY amount_down (amount DESC, small), FULLTEXT KEY body_text (body)
) ENGINE=InnoDB COMMENT='Alle Arten, 各种';
CREATE TABLE `odd ``name; ü` (`key` INT PRIMARY KEY, `select` VARCHAR(20) COLLATE utf8mb4_bin COMMENT 'a comment');
CREATE TABLE team (id INT PRIMARY KEY, lead_id INT, KEY lead (lead_id));
CREATE TABLE person (id INT PRIMARY KEY, team_id INT, CONSTRAINT person_team FOREIGN KEY (team_id) REFERENCES team (id) ON DELETE SET NULL ON UPDATE CASCADE);
ALTER TABLE team ADD CONSTRAINT team_lead FOREIGN KEY (lead_id) REFERENCES person (id);
CREATE TABLE empty_one (id INT PRIMARY KEY);
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, said TEXT);
CREATE VIEW big AS SELECT id, word FROM kinds WHERE amount > 10;
CREATE VIEW bigger AS SELECT id, 'don''t */ -- count; me' AS note FROM big;
CREATE SEQUENCE numbers START WITH 7;
DELIMITER ;;
CREATE TRIGGER kinds_log AFTER INSERT ON kinds FOR EACH ROW BEGIN
  -- it's; logged
  INSERT INTO log (said) VALUES (CONCAT('new ', NEW.word));
END;;
CREATE PROCEDURE tidy(IN days INT) BEGIN DELETE FROM log WHERE id < days; SELECT 'done; (really)'; END;;
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM log;;
DELIMITER ;
INSERT INTO kinds (small, amount, ratio, bits, word, fixed, body, raw, key16, doc, made, day, clock, born, mood, tags, place) VALUES
 (1, 12.34, 0.1, b'10101', 'naïve 日本語 🦀', 'abc', 'line\nbreak (1), (2); -- ''quoted''', 0x00FF275C0A, REPEAT(0x27, 16), '{"a": [1, null]}', '2024-02-29 12:00:00.123456', '2024-02-29', '-12:30:00', 1999, 'b', 'x,y', ST_GeomFromText('POINT(1 2)')),
 (NULL, 0, NULL, NULL, 'back\\slash ''); DROP TABLE x; --', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO kinds (word, body, raw, amount) SELECT CONCAT('row ', seq), REPEAT(CONCAT(seq, '''),('), 20), UNHEX(SHA2(seq, 256)), seq FROM seq_1_to_3000;
INSERT INTO `odd ``name; ü` VALUES (1, 'x'), (2, NULL);
INSERT INTO team VALUES (1, NULL);
INSERT INTO person VALUES (1, 1), (2, NULL);
UPDATE team SET lead_id = 1;
"#;

/// A new database with one of everything; its name.
pub(super) fn create() -> String {
    let server = MariadbServer::shared();
    let database = server.create_database();
    server.sql(&database, SQL);
    database
}

/// Tables, views, routines and rows as one text that is the same for two databases that are equal.
pub(super) fn describe(database: &str) -> String {
    let server = MariadbServer::shared();
    let tables = "kinds, `odd ``name; ü`, team, person, empty_one, log";
    let shows = tables.split(", ").map(|table| format!("SHOW CREATE TABLE {table};"));
    let others = [
        "SHOW CREATE VIEW big; SHOW CREATE VIEW bigger; SHOW CREATE TRIGGER kinds_log; SHOW CREATE PROCEDURE tidy;",
        "SHOW CREATE FUNCTION twice; SHOW CREATE EVENT nightly; SELECT NEXTVAL(numbers) >= 7;",
        "SELECT @@character_set_database, @@collation_database;",
    ];
    let sums = format!("CHECKSUM TABLE {tables};");
    let script: String = shows.chain(others.map(str::to_owned)).chain([sums]).collect();
    let text = server.sql(database, &script).replace(&format!("{database}."), "");
    // The moment at which a trigger was made is not part of a dump.
    let made = |line: &str| line.starts_with("kinds_log\t");
    let cut = |line: &str| line.rsplitn(5, '\t').nth(4).unwrap_or(line).to_owned();
    text.lines().map(|line| if made(line) { cut(line) } else { line.to_owned() }).collect::<Vec<_>>().join("\n")
}
