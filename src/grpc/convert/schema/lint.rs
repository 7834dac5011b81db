//! Findings.

use prost_types::FieldMask;

use super::super::{engine, enum_from_proto, etag::etag, field_mask::UpdatePaths, skipped, time};
use super::{
    definition::{optional_engine, schema_source},
    request::table_filter,
};
use crate::{
    grpc::proto::v1::{self, lint_schema_response::Event},
    model::{
        Error, Result, name,
        schema::{LintFinding, LintProfile, LintSettings, LintSettingsChange, LintSeverity, LintSubject, SkippedRule},
    },
    service::schema::{LintEvent, LintRequest, LintSelection, LintSummary, SchemaSource},
};

/// What is looked at by which rules, where the account of the caller has set those.
pub fn lint_request(message: v1::LintSchemaRequest, settings: &LintSettings) -> Result<LintRequest> {
    let selection = lint_selection(&message, settings)?;
    let engine = optional_engine(message.engine, "engine")?;
    let base = message.base.clone().map(|base| schema_source(Some(base), "base")).transpose()?;
    Ok(LintRequest { source: lint_source(message)?, base, engine, selection })
}

fn lint_source(message: v1::LintSchemaRequest) -> Result<SchemaSource> {
    if message.source.is_none() {
        if message.connection.is_empty() {
            let description =
                "is required where `source` is not given: name a database here, or give a schema as `source`";
            return Err(Error::invalid_field("connection", description));
        }
        return Ok(SchemaSource::Connection {
            connection: name::parse_connection(&message.connection, "connection")?,
            filter: table_filter(&message.schema, 0, &message.name_pattern)?,
        });
    }
    if !message.connection.is_empty() {
        let description = "must be absent where `connection` is given: look at one of the two";
        return Err(Error::invalid_field("source", description));
    }
    for (field, value) in [("schema", &message.schema), ("name_pattern", &message.name_pattern)] {
        if !value.is_empty() {
            let description = "is of `connection` alone; a connection in `source` has its own";
            return Err(Error::invalid_field(field, description));
        }
    }
    schema_source(message.source, "source")
}

fn lint_selection(message: &v1::LintSchemaRequest, settings: &LintSettings) -> Result<LintSelection> {
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
        LintEvent::Summary(summary) => Event::Summary(self::summary(*summary, served_by)),
    }
}

fn summary(summary: LintSummary, served_by: &str) -> v1::LintSchemaSummary {
    v1::LintSchemaSummary {
        table_count: count(summary.tables),
        rule_count: i32::try_from(summary.rules).unwrap_or(i32::MAX),
        error_count: count(summary.counts.errors),
        warning_count: count(summary.counts.warnings),
        info_count: count(summary.counts.infos),
        skipped: summary.skipped.into_iter().map(skipped).collect(),
        served_by: served_by.to_owned(),
        discovery_time: Some(time::timestamp(summary.time)),
        discovery_duration: Some(time::duration(summary.duration)),
        engine: summary.engine.map_or(v1::Engine::Unspecified, engine).into(),
        skipped_rules: summary.skipped_rules.into_iter().map(skipped_rule).collect(),
        known_count: count(summary.counts.known),
        base_skipped: summary.base_skipped.into_iter().map(skipped).collect(),
    }
}

fn skipped_rule(skipped: SkippedRule) -> v1::SkippedRule {
    v1::SkippedRule { rule: skipped.rule.id.to_owned(), reason: skipped.reason.to_owned() }
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
        columns: finding.columns,
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
