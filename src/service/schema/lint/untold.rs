//! Rules that need what a definition does not say.

use super::rules::{self, LintSelection};
use crate::model::{
    connection::EngineKind,
    schema::{LintRule, SkippedRule},
};

const STORAGE: &str = "a definition does not say the storage engine of a table; look at the live database";
const CHARACTER_SET: &str = "a definition does not say the character set of a text; look at the live database";
const WORDS: &str = "which words are reserved differs from engine to engine; name one in `engine`";
const ZONES: &str = "which type a moment is best kept in differs from engine to engine; name one in `engine`";

/// Takes the rules out of a selection that cannot be told of a definition, and returns those that held. Rules that say nothing of an
/// engine hold for it in vain, as they do for its live databases.
pub(in crate::service::schema) fn untold(
    selection: &mut LintSelection,
    engine: Option<EngineKind>,
) -> Vec<SkippedRule> {
    let of_mysql: [(&'static LintRule, &str); 2] =
        [(rules::OBSOLETE_STORAGE_ENGINE, STORAGE), (rules::NARROW_CHARACTER_SET, CHARACTER_SET)];
    let of_any: [(&'static LintRule, &str); 2] = [(rules::ZONELESS_TIMESTAMP, ZONES), (rules::RESERVED_NAME, WORDS)];
    let (of_mysql, of_any) = match engine {
        Some(EngineKind::Mysql) => (Some(of_mysql), None),
        Some(EngineKind::Postgresql | EngineKind::Sqlite) => (None, None),
        None => (Some(of_mysql), Some(of_any)),
    };
    let mut skipped: Vec<SkippedRule> = of_mysql
        .into_iter()
        .chain(of_any)
        .flatten()
        .filter(|(rule, _)| selection.leave_out(rule))
        .map(|(rule, reason)| SkippedRule { rule, reason })
        .collect();
    skipped.sort_by_key(|skipped| skipped.rule.id);
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::LintProfile;

    fn skipped(engine: Option<EngineKind>, disabled: &[&str]) -> (Vec<&'static str>, usize) {
        let disabled: Vec<String> = disabled.iter().map(|id| (*id).to_owned()).collect();
        let mut selection = LintSelection::new(LintProfile::Strict, &[], &disabled).unwrap();
        let before = selection.count();
        let ids: Vec<_> = untold(&mut selection, engine).iter().map(|skipped| skipped.rule.id).collect();
        (ids, before - selection.count())
    }

    #[test]
    fn what_a_definition_does_not_say_is_skipped_where_it_would_have_held() {
        let of_mysql = vec!["storage-engine-without-transactions", "three-byte-utf8"];
        assert_eq!(skipped(Some(EngineKind::Mysql), &[]), (of_mysql.clone(), 2));
        assert_eq!(skipped(Some(EngineKind::Mysql), &["three-byte-utf8"]), (of_mysql[..1].to_vec(), 1));
        for engine in [EngineKind::Postgresql, EngineKind::Sqlite] {
            assert_eq!(skipped(Some(engine), &[]), (vec![], 0));
        }
        let all = vec![
            "reserved-name",
            "storage-engine-without-transactions",
            "three-byte-utf8",
            "timestamp-without-time-zone",
        ];
        assert_eq!(skipped(None, &[]), (all, 4));
    }
}
