//! Findings.

use super::super::{enum_from_proto, skipped, time};
use crate::{
    grpc::proto::v1::{self, lint_schema_response::Event},
    model::{
        Result,
        schema::{LintFinding, LintSeverity, LintSubject},
    },
    service::schema::{LintEvent, LintProfile, LintSelection},
};

/// Which rules hold.
pub fn lint_selection(message: &v1::LintSchemaRequest) -> Result<LintSelection> {
    let profile = match enum_from_proto(message.profile, "profile")? {
        v1::LintProfile::Unspecified | v1::LintProfile::Default => LintProfile::Default,
        v1::LintProfile::Strict => LintProfile::Strict,
    };
    LintSelection::new(profile, &message.enabled_rules, &message.disabled_rules)
}

/// A message of the stream.
pub fn lint_event(event: LintEvent, served_by: &str) -> Event {
    match event {
        LintEvent::Finding(finding) => Event::Finding(self::finding(*finding)),
        LintEvent::Summary { tables, rules, counts, skipped: left_out, time: began, duration } => {
            Event::Summary(v1::LintSchemaSummary {
                table_count: count(tables),
                rule_count: i32::try_from(rules).unwrap_or(i32::MAX),
                error_count: count(counts.errors),
                warning_count: count(counts.warnings),
                info_count: count(counts.infos),
                skipped: left_out.into_iter().map(skipped).collect(),
                served_by: served_by.to_owned(),
                discovery_time: Some(time::timestamp(began)),
                discovery_duration: Some(time::duration(duration)),
            })
        }
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn finding(finding: LintFinding) -> v1::LintFinding {
    let (subject_kind, subject) = subject(finding.subject);
    v1::LintFinding {
        rule: finding.rule.id.to_owned(),
        severity: severity(finding.rule.severity).into(),
        schema: finding.table.schema,
        table: finding.table.name,
        subject_kind: subject_kind.into(),
        subject,
        message: finding.message,
        explanation: finding.rule.explanation.to_owned(),
        evidence: finding
            .evidence
            .into_iter()
            .map(|evidence| v1::LintEvidence { name: evidence.name.to_owned(), value: evidence.value })
            .collect(),
        fix: finding.fix,
    }
}

fn severity(severity: LintSeverity) -> v1::LintSeverity {
    match severity {
        LintSeverity::Info => v1::LintSeverity::Info,
        LintSeverity::Warning => v1::LintSeverity::Warning,
        LintSeverity::Error => v1::LintSeverity::Error,
    }
}

fn subject(subject: LintSubject) -> (v1::LintSubjectKind, String) {
    match subject {
        LintSubject::Table => (v1::LintSubjectKind::Table, String::new()),
        LintSubject::Column(name) => (v1::LintSubjectKind::Column, name),
        LintSubject::Index(name) => (v1::LintSubjectKind::Index, name),
        LintSubject::ForeignKey(name) => (v1::LintSubjectKind::ForeignKey, name),
        LintSubject::UniqueConstraint(name) => (v1::LintSubjectKind::UniqueConstraint, name),
    }
}
