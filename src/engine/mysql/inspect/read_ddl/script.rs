//! Statements one behind the other, with the settings that they need between them.

use std::collections::BTreeMap;

use crate::model::schema::{DdlKind, DdlStatement, Skipped};

/// Settings of a session by name, as SQL writes their values.
pub(super) type Settings = BTreeMap<&'static str, String>;

/// What was written so far.
pub(super) struct Script {
    schema: String,
    /// Owners are asked for.
    pub(super) owners: bool,
    statements: Vec<DdlStatement>,
    pub(super) skipped: Vec<Skipped>,
    /// The settings that hold behind the last statement.
    current: Settings,
}

impl Script {
    pub(super) fn new(schema: &str, owners: bool) -> Self {
        Self {
            schema: schema.to_owned(),
            owners,
            statements: Vec::new(),
            skipped: Vec::new(),
            current: Settings::new(),
        }
    }

    /// Adds a statement that runs under some settings; the text comes without its end.
    pub(super) fn add(&mut self, settings: &Settings, kind: DdlKind, name: &str, table: &str, sql: &str) {
        let changed = settings.iter().filter(|(name, value)| self.current.get(*name) != Some(value));
        let changed: Vec<String> = changed.map(|(name, value)| format!("{name} = {value}")).collect();
        if !changed.is_empty() {
            self.set(&changed);
            self.current.extend(settings.clone());
        }
        self.push(kind, name, table, sql);
    }

    /// Names what is not written.
    pub(super) fn skip(&mut self, subject: String, reason: &str, remedy: &str) {
        self.skipped.push(Skipped {
            subject,
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
            ..Skipped::default()
        });
    }

    /// All of it, and the session as it was before.
    pub(super) fn finish(mut self) -> (Vec<DdlStatement>, Vec<Skipped>) {
        let changed: Vec<String> = self.current.keys().map(|name| format!("{name} = DEFAULT")).collect();
        if !changed.is_empty() {
            self.set(&changed);
        }
        (self.statements, self.skipped)
    }

    fn set(&mut self, settings: &[String]) {
        self.push(DdlKind::Setting, "", "", &format!("SET {}", settings.join(", ")));
    }

    fn push(&mut self, kind: DdlKind, name: &str, table: &str, sql: &str) {
        let schema = if kind == DdlKind::Setting { String::new() } else { self.schema.clone() };
        let sql = format!("{sql};");
        self.statements.push(DdlStatement { kind, schema, name: name.to_owned(), table: table.to_owned(), sql });
    }
}

/// What tables need: nothing that refuses what the server has, and texts as this server sends them.
pub(super) fn plain() -> Settings {
    Settings::from([
        ("character_set_client", "utf8mb4".to_owned()),
        ("sql_mode", "'NO_ENGINE_SUBSTITUTION'".to_owned()),
    ])
}

/// The settings that something was made with. Texts are sent as UTF-8, so that another character set can be told only where all of a
/// text is the same in both; where it is not, nothing is said of it.
pub(super) fn made_with(sql_mode: &str, character_set: &str, collation: &str, sql: &str) -> (Settings, bool) {
    let mut settings = plain();
    if !sql_mode.is_empty() || character_set.is_empty() {
        settings.insert("sql_mode", format!("'{}'", sql_mode.replace('\'', "''")));
    }
    let is_same = match character_set {
        "" | "utf8mb4" => true,
        "utf8" | "utf8mb3" => sql.chars().all(|letter| letter.len_utf8() < 4),
        // Not of the kind in which a byte of ASCII can mean something else.
        "ucs2" | "utf16" | "utf16le" | "utf32" => false,
        _ => sql.is_ascii(),
    };
    if is_same && !character_set.is_empty() {
        settings.insert("character_set_client", character_set.to_owned());
    }
    if !collation.is_empty() {
        settings.insert("collation_connection", collation.to_owned());
    }
    (settings, is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_where_they_change_and_given_back() {
        let mut script = Script::new("s", false);
        let strict = made_with("ANSI", "latin1", "latin1_swedish_ci", "x").0;
        script.add(&plain(), DdlKind::Table, "a", "", "A");
        script.add(&plain(), DdlKind::Table, "b", "", "B");
        script.add(&strict, DdlKind::Routine, "c", "", "C");
        let texts: Vec<String> = script.finish().0.into_iter().map(|statement| statement.sql).collect();
        assert_eq!(
            texts,
            [
                "SET character_set_client = utf8mb4, sql_mode = 'NO_ENGINE_SUBSTITUTION';",
                "A;",
                "B;",
                "SET character_set_client = latin1, collation_connection = latin1_swedish_ci, sql_mode = 'ANSI';",
                "C;",
                "SET character_set_client = DEFAULT, collation_connection = DEFAULT, sql_mode = DEFAULT;",
            ]
        );
    }

    #[test]
    fn a_character_set_is_told_where_the_text_is_the_same_in_it() {
        assert!(made_with("", "utf8mb3", "", "é").1 && !made_with("", "utf8mb3", "", "😀").1);
        assert!(made_with("", "latin1", "", "e").1 && !made_with("", "latin1", "", "é").1);
    }
}
