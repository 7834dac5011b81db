//! The findings of a schema as it was, to which those of another one are compared.

use std::collections::{HashMap, HashSet};

use crate::{
    engine::{Dialect, migrate::HISTORY_TABLE},
    model::{
        Error, Result,
        schema::{
            LintFinding, LintSubject, Skipped,
            definition::{folded, full_name},
        },
    },
};

/// Most findings that are kept.
const MAX_FINDINGS: usize = 100_000;
/// What stands between the names of a finding; no name has it in it.
const BETWEEN: &str = "\0";

/// Whether a finding was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service::schema) enum Known {
    /// It was.
    Yes,
    /// It was not.
    No,
    /// One was there whose names are others by their case alone. Whether that is this one shows when all were seen.
    ByFoldedName,
    /// Nobody knows, and nothing is to be said of it.
    Open,
}

/// Rule and folded names of a finding.
type Key = (&'static str, String);

/// The findings of a schema as it was. Each stands for one of the other schema: the names of both count, and not their figures.
#[derive(Debug, Default)]
pub(in crate::service::schema) struct Baseline {
    /// Exact names of the findings that stand for none yet.
    found: HashMap<Key, Vec<String>>,
    count: usize,
    /// What nothing could be said of, folded.
    open: HashSet<String>,
}

impl Baseline {
    /// Adds a finding, which is told in the words of a dialect.
    pub(in crate::service::schema) fn add(
        &mut self,
        finding: &LintFinding,
        dialect: Option<&'static dyn Dialect>,
    ) -> Result<()> {
        self.count += 1;
        if self.count > MAX_FINDINGS {
            let description =
                format!("has more than {MAX_FINDINGS} findings; choose a schema, a name pattern or fewer rules");
            return Err(Error::invalid_field("base", description));
        }
        let names = names(finding, dialect);
        self.found.entry((finding.rule.id, folded(&names))).or_default().push(names);
        Ok(())
    }

    /// Notes what nothing could be said of.
    pub(in crate::service::schema) fn leave_open(&mut self, skipped: &[Skipped]) {
        self.open.extend(skipped.iter().map(|skipped| folded(&skipped.subject)));
    }

    /// Whether a finding was there before. The one that it is stands for no other then.
    pub(in crate::service::schema) fn take(
        &mut self,
        finding: &LintFinding,
        dialect: Option<&'static dyn Dialect>,
    ) -> Known {
        // What dbkeeper made for itself is no change of anybody's.
        if finding.table.name == HISTORY_TABLE || self.is_open(finding, dialect) {
            return Known::Open;
        }
        let names = names(finding, dialect);
        let Some(left) = self.found.get_mut(&(finding.rule.id, folded(&names))) else { return Known::No };
        match left.iter().position(|known| *known == names) {
            Some(place) => {
                left.swap_remove(place);
                Known::Yes
            }
            None if left.is_empty() => Known::No,
            None => Known::ByFoldedName,
        }
    }

    /// When all were seen: whether one was there whose names are others by their case alone.
    pub(in crate::service::schema) fn take_folded(
        &mut self,
        finding: &LintFinding,
        dialect: Option<&'static dyn Dialect>,
    ) -> bool {
        let key = (finding.rule.id, folded(&names(finding, dialect)));
        self.found.get_mut(&key).is_some_and(|left| left.pop().is_some())
    }

    /// True for a finding about something that could not be read, or that was not told.
    fn is_open(&self, finding: &LintFinding, dialect: Option<&'static dyn Dialect>) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let schema = schema(finding, dialect);
        let default = dialect.and_then(Dialect::default_schema).unwrap_or_default();
        let schemas = [finding.table.schema.as_str(), schema, if schema.is_empty() { default } else { schema }];
        schemas.into_iter().any(|schema| {
            let table = full_name(schema, &finding.table.name);
            let part = match &finding.subject {
                LintSubject::Table | LintSubject::UniqueConstraint(_) => None,
                LintSubject::Column(name) => Some(format!("column {table}.{name}")),
                LintSubject::Index(name) => Some(format!("index {table}.{name}")),
                LintSubject::ForeignKey(_) => Some(format!("foreign key {table} ({})", finding.columns.join(", "))),
            };
            let kinds = ["table", "partitioned table", "foreign table"];
            let whole = kinds.into_iter().map(|kind| format!("{kind} {table}"));
            let of_rule = part.iter().map(|part| format!("{} of {part}", finding.rule.id)).collect::<Vec<_>>();
            whole.chain(part).chain(of_rule).any(|object| self.open.contains(&folded(&object)))
        })
    }
}

/// A schema as a definition names it: the default one has no name, and engines without schemas have the database's there.
fn schema<'a>(finding: &'a LintFinding, dialect: Option<&'static dyn Dialect>) -> &'a str {
    let schema = finding.table.schema.as_str();
    match dialect.map(Dialect::default_schema) {
        None => schema,
        Some(Some(default)) if default != schema => schema,
        Some(_) => "",
    }
}

/// What tells a finding from others of its rule. A key is known by its columns, because engines give each a name of their own to what has
/// none.
fn names(finding: &LintFinding, dialect: Option<&'static dyn Dialect>) -> String {
    let (kind, name) = match &finding.subject {
        LintSubject::Table => ("table", ""),
        LintSubject::Column(name) => ("column", name.as_str()),
        LintSubject::Index(name) => ("index", name.as_str()),
        LintSubject::ForeignKey(_) => ("foreign key", ""),
        LintSubject::UniqueConstraint(_) => ("unique constraint", ""),
    };
    let own = [schema(finding, dialect), &finding.table.name, kind, name];
    own.into_iter().chain(finding.columns.iter().map(String::as_str)).collect::<Vec<_>>().join(BETWEEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::postgres::dialect::PostgresDialect,
        model::schema::{Evidence, ObjectName},
        service::schema::RULES,
    };

    const POSTGRES: Option<&'static dyn Dialect> = Some(&PostgresDialect);

    fn finding(table: &str, subject: LintSubject, columns: &[&str]) -> LintFinding {
        LintFinding {
            rule: RULES[0],
            table: ObjectName { schema: "public".to_owned(), name: table.to_owned() },
            subject,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            message: String::new(),
            evidence: Vec::new(),
            fix: Vec::new(),
        }
    }

    fn of_table(name: &str) -> LintFinding {
        finding(name, LintSubject::Table, &[])
    }

    fn baseline(found: &[LintFinding]) -> Baseline {
        let mut baseline = Baseline::default();
        found.iter().for_each(|finding| baseline.add(finding, POSTGRES).unwrap());
        baseline
    }

    #[test]
    fn figures_and_names_of_keys_do_not_count_and_all_else_does() {
        let key = |name: &str, columns: &[&str]| finding("a", LintSubject::ForeignKey(name.to_owned()), columns);
        let mut known = baseline(&[of_table("a"), key("a_b_fkey", &["b"])]);
        let grown = LintFinding { evidence: vec![Evidence { name: "size", value: "9".to_owned() }], ..of_table("a") };
        assert_eq!(known.take(&grown, POSTGRES), Known::Yes);
        assert_eq!(known.take(&of_table("a"), POSTGRES), Known::No, "one stands for one");
        assert_eq!(known.take(&key("fk_a_b", &["c"]), POSTGRES), Known::No);
        assert_eq!(known.take(&key("fk_a_b", &["b"]), POSTGRES), Known::Yes);
        let mut known = baseline(&[of_table("a")]);
        let other_rule = LintFinding { rule: RULES[1], ..of_table("a") };
        assert_eq!(known.take(&other_rule, POSTGRES), Known::No);
        let column = finding("a", LintSubject::Column("x".to_owned()), &[]);
        assert_eq!(known.take(&column, POSTGRES), Known::No);
        let mut elsewhere = of_table("a");
        elsewhere.table.schema = "other".to_owned();
        assert_eq!(known.take(&elsewhere, POSTGRES), Known::No);
        elsewhere.table.schema.clear();
        assert_eq!(known.take(&elsewhere, POSTGRES), Known::Yes, "the default schema has no name");
    }

    #[test]
    fn of_two_names_that_differ_in_case_the_exact_one_counts_first() {
        let mut known = baseline(&[of_table("Track")]);
        assert_eq!(known.take(&of_table("track"), POSTGRES), Known::ByFoldedName);
        assert_eq!(known.take(&of_table("Track"), POSTGRES), Known::Yes);
        assert!(!known.take_folded(&of_table("track"), POSTGRES), "it is another table");
        let mut known = baseline(&[of_table("Track")]);
        assert_eq!(known.take(&of_table("track"), POSTGRES), Known::ByFoldedName);
        assert!(known.take_folded(&of_table("track"), POSTGRES), "it got another case");
        assert!(!known.take_folded(&of_table("track"), POSTGRES));
    }

    #[test]
    fn what_could_not_be_read_before_is_not_new() {
        let skipped = |subject: &str| Skipped { subject: subject.to_owned(), ..Skipped::default() };
        let mut known = Baseline::default();
        let subjects = ["table public.a", "partitioned table b", "index c.I", "foreign key d (x, y)"];
        known.leave_open(&subjects.map(skipped));
        known.leave_open(&[skipped(&format!("{} of foreign key e (x)", RULES[0].id))]);
        let index = |name: &str| finding("c", LintSubject::Index(name.to_owned()), &[]);
        let key = |columns: &[&str]| finding("d", LintSubject::ForeignKey(String::new()), columns);
        for open in [of_table("a"), of_table("b"), index("i"), key(&["x", "y"]), of_table(HISTORY_TABLE)] {
            assert_eq!(known.take(&open, POSTGRES), Known::Open, "{open:?}");
        }
        let of_rule = LintFinding { table: of_table("e").table, ..key(&["x"]) };
        assert_eq!(known.take(&of_rule, POSTGRES), Known::Open);
        let of_other_rule = LintFinding { rule: RULES[1], ..of_rule };
        for new in [of_table("c"), index("j"), key(&["x"]), of_table("d"), of_other_rule] {
            assert_eq!(known.take(&new, POSTGRES), Known::No, "{new:?}");
        }
    }

    #[test]
    fn a_schema_with_too_many_findings_is_refused() {
        let mut known = Baseline::default();
        let one = of_table("a");
        for _ in 0..MAX_FINDINGS {
            known.add(&one, POSTGRES).unwrap();
        }
        let error = known.add(&one, POSTGRES).unwrap_err();
        assert!(error.message().contains("100000 findings"), "{error}");
    }
}
