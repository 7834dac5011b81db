//! Recommendations.

use super::{super::skipped, super::small_count, super::time, request::table_filter};
use crate::{
    grpc::proto::v1,
    model::{
        Error, Result, Timestamp,
        schema::{Advice, AdviceSource, Figure, FigureKind, PlanComparison, Recommendation, TableUse, WriteCost},
    },
    service::schema::{
        AdviceRequest, AdviceSelection, DEFAULT_RECOMMENDATIONS, MAX_OWN_STATEMENTS, MAX_RECOMMENDATIONS,
        MAX_STATEMENT_SIZE, MAX_WINDOW,
    },
};

/// Longest statement of an answer, in characters.
const MAX_STATEMENT: usize = 1000;
/// Longest plan of an answer, in characters.
const MAX_PLAN: usize = 2000;

/// What is asked.
pub fn advice_request(message: v1::RecommendIndexesRequest) -> Result<AdviceRequest> {
    let default = AdviceRequest::default();
    check_statements(&message.statements)?;
    let window = time::duration_from_proto(message.min_window, std::time::Duration::ZERO..=MAX_WINDOW, "min_window")?;
    let not_negative = |value: Option<i64>, field: &str| match value {
        Some(..0) => Err(Error::invalid_field(field, "must not be negative")),
        value => Ok(value),
    };
    let length = message.min_text_length.map(u32::try_from).transpose();
    let length = length.map_err(|_| Error::invalid_field("min_text_length", "must not be negative"))?;
    let limit = match u32::try_from(message.limit) {
        Ok(0) => DEFAULT_RECOMMENDATIONS,
        Ok(limit) => limit.min(MAX_RECOMMENDATIONS),
        Err(_) => return Err(Error::invalid_field("limit", "must not be negative")),
    };
    Ok(AdviceRequest {
        filter: table_filter(&message.schema, 0, &message.name_pattern)?,
        rules: AdviceSelection::without(&message.disabled_rules)?,
        statements: message.statements,
        min_rows: not_negative(message.min_rows, "min_rows")?.unwrap_or(default.min_rows),
        min_unused_bytes: not_negative(message.min_unused_bytes, "min_unused_bytes")?,
        min_window: window.unwrap_or(default.min_window),
        min_text_length: length.unwrap_or(default.min_text_length),
        limit,
    })
}

fn check_statements(statements: &[String]) -> Result<()> {
    if statements.len() > MAX_OWN_STATEMENTS {
        let text = format!("must be at most {MAX_OWN_STATEMENTS}; it has {}", statements.len());
        return Err(Error::invalid_field("statements", text));
    }
    let long = statements.iter().position(|statement| statement.len() > MAX_STATEMENT_SIZE);
    match long {
        Some(place) => Err(Error::invalid_field(
            &format!("statements[{place}]"),
            format!("must be at most {MAX_STATEMENT_SIZE} bytes"),
        )),
        None => Ok(()),
    }
}

/// The answer.
pub fn advice(advice: Advice, total: usize) -> v1::RecommendIndexesResponse {
    let count = |count: usize| small_count(count as u64);
    let window = advice.since.map(|since: Timestamp| since.until(advice.time));
    v1::RecommendIndexesResponse {
        recommendations: advice.recommendations.into_iter().map(recommendation).collect(),
        total_size: count(total),
        sources: advice.sources.into_iter().map(source).collect(),
        statistics_since: advice.since.map(time::timestamp),
        statistics_window: window.map(time::duration),
        statement_count: count(advice.statements),
        unread_statement_count: count(advice.unread_statements),
        scanned_tables: advice.scanned_tables.into_iter().map(table_use).collect(),
        skipped: advice.skipped.into_iter().map(skipped).collect(),
        discovery_time: Some(time::timestamp(advice.time)),
        discovery_duration: Some(time::duration(advice.duration)),
    }
}

fn source(source: AdviceSource) -> v1::AdviceSource {
    v1::AdviceSource { name: source.name, used: source.used, detail: source.detail, remedy: source.remedy }
}

fn table_use((used, rows): (TableUse, i64)) -> v1::TableUse {
    v1::TableUse {
        schema: used.table.schema,
        table: used.table.name,
        row_estimate: rows,
        sequential_scans: used.sequential_scans,
        sequential_rows: used.sequential_rows,
        index_scans: used.index_scans,
    }
}

fn recommendation(found: Recommendation) -> v1::IndexRecommendation {
    v1::IndexRecommendation {
        id: found.id,
        rule: found.rule.id.to_owned(),
        answers: found.answers.into_iter().map(str::to_owned).collect(),
        schema: found.table.schema,
        table: found.table.name,
        index: found.index,
        columns: found.columns,
        message: found.message,
        evidence: found.evidence.into_iter().map(figure).collect(),
        plans: found.plans.into_iter().map(plan).collect(),
        size: found.size.map(|size| v1::SizeEstimate { bytes: size.bytes, method: size.method.to_owned() }),
        write_cost: found.write_cost.map(write_cost),
        title: found.title,
        up: found.up,
        down: found.down,
        usage: found.usage,
    }
}

fn figure(figure: Figure) -> v1::AdviceFigure {
    use FigureKind as F;
    use v1::AdviceFigureKind as K;
    let kind = match figure.kind {
        F::RowEstimate => K::RowEstimate,
        F::SequentialScans => K::SequentialScans,
        F::SequentialRows => K::SequentialRows,
        F::IndexScans => K::IndexScans,
        F::IndexSize => K::IndexSizeBytes,
        F::DatabaseSize => K::DatabaseSizeBytes,
        F::Calls => K::Calls,
        F::TotalTime => K::TotalTimeMs,
        F::RowsExamined => K::RowsExamined,
        F::AverageLength => K::AverageLengthBytes,
        F::LastValue => K::LastValue,
        F::LargestValue => K::LargestValue,
        F::CallsWithoutIndex => K::CallsWithoutIndex,
    };
    v1::AdviceFigure { kind: kind.into(), value: figure.value, source: figure.source }
}

fn plan(plan: PlanComparison) -> v1::PlanComparison {
    let after = plan.after.unwrap_or_default();
    let missing = if plan.before.missing.is_empty() { after.missing } else { plan.before.missing };
    v1::PlanComparison {
        statement: cut(plan.statement, MAX_STATEMENT),
        own: plan.own,
        calls: plan.calls,
        mean_time_ms: plan.mean_time,
        cost_before: plan.before.cost,
        cost_after: after.cost,
        plan_before: cut(plan.before.text, MAX_PLAN),
        plan_after: cut(after.text, MAX_PLAN),
        missing,
    }
}

fn write_cost(cost: WriteCost) -> v1::WriteCost {
    v1::WriteCost {
        entries_per_row: cost.entries_per_row,
        inserts: cost.writes.map(|writes| writes.inserts),
        updates: cost.writes.map(|writes| writes.updates),
        heap_only_updates: cost.writes.and_then(|writes| writes.heap_only_updates),
        deletes: cost.writes.map(|writes| writes.deletes),
    }
}

fn cut(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
    text
}
