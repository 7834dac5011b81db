//! Has the planner try the indexes that statements lack, and keeps what helps.

use std::collections::{BTreeSet, HashMap};

use super::{
    Adviser, MAX_PLANS,
    draft::Draft,
    rules,
    statements::{Candidate, ReadStatement, Resolver, draft},
    table::Counted,
};
use crate::{
    engine::dialect::Harmless,
    model::{
        Result,
        connection::EngineKind,
        schema::{
            AdviceSource, IndexTrial, ObjectName, Plan, PlanComparison, SizeEstimate, Table, TrialOutcome,
            TrialStatement,
        },
    },
};

/// What is left of a cost where an index is worth its own.
const WORTHWHILE: f64 = 0.9;

impl Adviser<'_> {
    /// The drafts of those candidates that are of use, or of which nothing else can be said.
    pub(super) async fn try_candidates(
        &mut self,
        candidates: Vec<Candidate>,
        tables: &HashMap<ObjectName, Table>,
        statements: &[ReadStatement],
        counted: &Counted,
    ) -> Result<Vec<Draft>> {
        let mut drafts = Vec::new();
        for candidate in candidates {
            if let Some(table) = tables.get(&candidate.table) {
                let draft = draft(&candidate, table, statements, counted, (self.dialect, self.advise));
                drafts.push((candidate, draft));
            }
        }
        if !self.request.rules.has(rules::MISSING_INDEX) {
            return Ok(Vec::new());
        }
        let chosen: Vec<Vec<usize>> = drafts.iter().map(|(candidate, _)| choose(candidate, statements)).collect();
        let places: BTreeSet<usize> = chosen.iter().flatten().copied().collect();
        let places: Vec<usize> = places.into_iter().collect();
        let texts = self.for_trial(&places, tables, statements)?;
        let position = |place: &usize| places.binary_search(place).unwrap_or_default();
        let trials: Vec<IndexTrial> = drafts
            .iter()
            .zip(&chosen)
            .map(|((_, draft), chosen)| IndexTrial {
                table: draft.table.name.clone(),
                kind: draft.table.kind,
                index: draft.index.clone(),
                columns: draft.columns.clone(),
                statements: chosen.iter().map(position).collect(),
            })
            .collect();
        let outcome = self.advise.try_indexes(&texts, &trials).await?;
        self.sources.extend(outcome.source.clone());
        let best = cheapest(&outcome, &trials);
        let judged = drafts.into_iter().zip(&chosen).enumerate().filter_map(|(place, ((candidate, draft), chosen))| {
            let trial = &trials[place];
            let plans = comparisons(&outcome, place, trial, chosen, statements);
            // Of several indexes that help a statement with a table, the one is told that helps most.
            let is_best = |order: usize| {
                trial.statements.get(order).is_some_and(|statement| {
                    best.get(&(&trial.table, *statement)).is_none_or(|(_, index)| *index == place)
                })
            };
            judge(&candidate, draft, plans, &outcome, (place, &is_best), counted)
        });
        Ok(judged.collect())
    }
}

impl Adviser<'_> {
    /// The statements as they are planned, and why others are not.
    fn for_trial(
        &mut self,
        places: &[usize],
        tables: &HashMap<ObjectName, Table>,
        statements: &[ReadStatement],
    ) -> Result<Vec<TrialStatement>> {
        let texts: Vec<String> = places.iter().map(|place| statements[*place].text.clone()).collect();
        if self.dialect.engine() == EngineKind::Sqlite {
            // An empty copy in memory plans them, which has nothing to hide and nothing to lose.
            let as_it_is = |text| Ok(Harmless { text, tables: Vec::new() });
            let texts = places.iter().zip(texts).map(|(place, text)| statements[*place].for_trial(as_it_is(text)));
            return Ok(texts.collect());
        }
        let resolver = Resolver { dialect: self.dialect, tables };
        let find = |schema: Option<&str>, name: &str| resolver.to_plan(schema, name);
        let read = self.dialect.harmless_queries(&texts, &find)?;
        let tried: Vec<TrialStatement> =
            places.iter().zip(read).map(|(place, read)| statements[*place].for_trial(read)).collect();
        let reasons: Vec<&str> = tried.iter().filter_map(|statement| statement.refused.as_deref()).collect();
        if let Some(first) = reasons.first() {
            let detail = format!("{} of {} statements are not planned; the first: {first}", reasons.len(), tried.len());
            self.sources.push(AdviceSource::missing("plans", detail, ""));
        }
        Ok(tried)
    }
}

/// The statements that tell most: those of the caller, then those that took the most time.
fn choose(candidate: &Candidate, statements: &[ReadStatement]) -> Vec<usize> {
    let mut places: Vec<usize> = candidate.statements.iter().copied().collect();
    let time = |place: &usize| statements[*place].counted.as_ref().map_or(f64::INFINITY, |counted| counted.total_time);
    places.sort_by(|one, other| time(other).total_cmp(&time(one)));
    places.truncate(MAX_PLANS);
    places
}

fn comparisons(
    outcome: &TrialOutcome,
    place: usize,
    trial: &IndexTrial,
    chosen: &[usize],
    statements: &[ReadStatement],
) -> Vec<PlanComparison> {
    let after = outcome.after.get(place).and_then(Option::as_ref);
    let comparison = |(order, (place, position)): (usize, (&usize, &usize))| {
        let statement = &statements[*place];
        let calls = statement.counted.as_ref().map_or(0, |counted| counted.calls);
        PlanComparison {
            statement: statement.text.clone(),
            own: statement.counted.is_none(),
            calls,
            mean_time: statement.counted.as_ref().map_or(0.0, |counted| counted.total_time / calls.max(1) as f64),
            before: outcome.before.get(*position).cloned().unwrap_or_default(),
            after: after.and_then(|plans| plans.get(order)).cloned(),
        }
    };
    chosen.iter().zip(&trial.statements).enumerate().map(comparison).collect()
}

/// For each table and statement the least cost, and the place of the index that brings it.
fn cheapest<'a>(outcome: &TrialOutcome, trials: &'a [IndexTrial]) -> HashMap<(&'a ObjectName, usize), (f64, usize)> {
    let mut best: HashMap<(&ObjectName, usize), (f64, usize)> = HashMap::new();
    for (place, trial) in trials.iter().enumerate() {
        let plans = outcome.after.get(place).and_then(Option::as_ref).into_iter().flatten();
        for (statement, plan) in trial.statements.iter().zip(plans) {
            let Some(cost) = plan.cost else { continue };
            let known = best.entry((&trial.table, *statement)).or_insert((cost, place));
            if cost < known.0 {
                *known = (cost, place);
            }
        }
    }
    best
}

/// Keeps a draft whose index a plan uses, and where none could be tried one for which other figures speak.
fn judge(
    candidate: &Candidate,
    mut draft: Draft,
    plans: Vec<PlanComparison>,
    outcome: &TrialOutcome,
    (place, is_best): (usize, &dyn Fn(usize) -> bool),
    counted: &Counted,
) -> Option<Draft> {
    let is_tried = |plan: &PlanComparison| {
        plan.before.missing.is_empty() && plan.after.as_ref().is_some_and(|after| after.missing.is_empty())
    };
    let by_name = outcome.used.as_ref().and_then(|used| used.get(place)).copied();
    draft.size = outcome.sizes.get(place).copied().flatten().map(|bytes| SizeEstimate { bytes, method: "HypoPG" });
    if !plans.iter().any(is_tried) {
        let is_own = plans.iter().any(|plan| plan.own);
        let is_scanned = counted.tables.get(&draft.table.name).is_some_and(|used| used.is_mostly_scanned());
        draft.plans = plans;
        return (!candidate.needs_trial && (is_own || is_scanned)).then_some(draft);
    }
    let is_helped = |plan: &PlanComparison| match by_name {
        Some(is_named) => is_named && plan.after.as_ref().is_some_and(|after| *after != plan.before),
        None => is_cheaper(plan),
    };
    let plans = plans.into_iter().enumerate().filter(|(order, plan)| is_helped(plan) && is_best(*order));
    draft.plans = plans.map(|(_, plan)| plan).collect();
    (!draft.plans.is_empty()).then_some(draft)
}

fn is_cheaper(plan: &PlanComparison) -> bool {
    let cost = |plan: Option<&Plan>| plan.and_then(|plan| plan.cost);
    match (cost(Some(&plan.before)), cost(plan.after.as_ref())) {
        (Some(before), Some(after)) => after <= before * WORTHWHILE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_saves_less_than_a_tenth_is_not_worth_its_own() {
        let plan = |cost: f64| Plan { cost: Some(cost), ..Plan::default() };
        let compared = |after: f64| {
            is_cheaper(&PlanComparison { before: plan(100.0), after: Some(plan(after)), ..Default::default() })
        };
        assert!(compared(90.0) && compared(1.0));
        assert!(!compared(91.0) && !compared(100.0) && !compared(200.0));
    }
}
