//! Whose collation a name is, by its form: a definition carries the name as its engine has it.

use crate::model::connection::EngineKind;

/// The collations that SQLite always has.
pub(in crate::engine) const OF_SQLITE: [&str; 3] = ["BINARY", "NOCASE", "RTRIM"];
/// Character sets of MySQL and MariaDB, with which the names of their collations begin, and what stands for all sets.
const CHARACTER_SETS: [&str; 42] = [
    "armscii8", "ascii", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932", "dec8",
    "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u",
    "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "uca1400", "ucs2", "ujis",
    "utf16", "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4",
];

/// The engine that a collation is of; absent where the name does not tell, as that of one that somebody made.
pub(in crate::engine) fn engine_of(name: &str) -> Option<EngineKind> {
    if OF_SQLITE.contains(&name) {
        return Some(EngineKind::Sqlite);
    }
    let (set, _) = name.split_once('_')?;
    CHARACTER_SETS.contains(&set).then_some(EngineKind::Mysql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collation_is_known_by_its_form() {
        for (name, engine) in [
            ("utf8mb3_general_ci", Some(EngineKind::Mysql)),
            ("uca1400_ai_ci", Some(EngineKind::Mysql)),
            ("NOCASE", Some(EngineKind::Sqlite)),
            ("de_DE.utf8", None),
            ("C", None),
            ("german_ci", None),
        ] {
            assert_eq!(engine_of(name), engine, "{name}");
        }
    }
}
