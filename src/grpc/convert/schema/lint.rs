//! Findings.

use prost_types::FieldMask;

use super::super::{enum_from_proto, etag::etag, field_mask::UpdatePaths, skipped, time};
use crate::{
    grpc::proto::v1::{self, lint_schema_response::Event},
    model::{
        Result,
        schema::{LintFinding, LintProfile, LintSettings, LintSettingsChange, LintSeverity, LintSubject},
    },
    service::schema::{LintEvent, LintSelection},
};

/// Which rules hold in a call, where its account has set those.
pub fn lint_selection(message: &v1::LintSchemaRequest, settings: &LintSettings) -> Result<LintSelection> {
    let (enabled, disabled) = (&message.enabled_rules, &message.disabled_rules);
    match profile(message.profile, "profile")? {
        Some(profile) => LintSelection::new(profile, enabled, disabled),
        None => LintSelection::of_settings(settings, enabled, disabled),
    }
}

fn profile(value: i32, field: &str) -> Result<Option<LintProfile>> {
    Ok(match enum_from_proto(value, field)? {
        v1::LintProfile::Unspecified => None,
        v1::LintProfile::Default => Some(LintProfile::Default),
        v1::LintProfile::Strict => Some(LintProfile::Strict),
    })
}

/// What an UpdateLintSettings changes.
pub fn lint_settings_change(message: v1::LintSettings, mask: Option<&FieldMask>) -> Result<LintSettingsChange> {
    let profile = profile(message.profile, "lint_settings.profile")?;
    let paths = UpdatePaths::resolve(
        mask,
        &[
            ("profile", profile.is_some()),
            ("enabled_rules", !message.enabled_rules.is_empty()),
            ("disabled_rules", !message.disabled_rules.is_empty()),
        ],
    )?;
    Ok(LintSettingsChange {
        profile: paths.contains("profile").then(|| profile.unwrap_or_default()),
        enabled: paths.contains("enabled_rules").then_some(message.enabled_rules),
        disabled: paths.contains("disabled_rules").then_some(message.disabled_rules),
    })
}

/// The settings of an account.
pub fn lint_settings(settings: LintSettings) -> v1::LintSettings {
    let profile = match settings.profile {
        LintProfile::Default => v1::LintProfile::Default,
        LintProfile::Strict => v1::LintProfile::Strict,
    };
    v1::LintSettings {
        name: "lintSettings".to_owned(),
        etag: etag(settings.revision),
        profile: profile.into(),
        enabled_rules: settings.enabled,
        disabled_rules: settings.disabled,
        update_time: settings.updated.map(time::timestamp),
    }
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
