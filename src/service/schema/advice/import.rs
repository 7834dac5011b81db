//! Recommendations as files of migrations.

use std::collections::BTreeSet;

use super::{AdviceRequest, MAX_RECOMMENDATIONS};
use crate::{
    model::{CallContext, ConnectionId, Error, Reason, Result, schema::Recommendation},
    service::{migration::NewMigration, schema::SchemaService},
};

impl SchemaService {
    /// The migrations of some recommendations, in the order of an answer. RECOMMENDATION_NOT_FOUND with all ids that there are
    /// none of.
    pub async fn recommended_migrations(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        request: &AdviceRequest,
        ids: &[String],
    ) -> Result<Vec<NewMigration>> {
        let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let most = MAX_RECOMMENDATIONS as usize;
        if ids.is_empty() || ids.len() > most || wanted.len() < ids.len() {
            return Err(Error::invalid_field("recommendation_ids", format!("must be 1 to {most} ids, each once")));
        }
        // Statements are read beside the table, and only then found at fault.
        let advice = self.advise(context, connection, request).await.map_err(|error| error.within("request"))?;
        let there: BTreeSet<&str> = advice.recommendations.iter().map(|found| found.id.as_str()).collect();
        let missing: Vec<&str> = wanted.difference(&there).copied().collect();
        if !missing.is_empty() {
            return Err(not_found(&missing));
        }
        let found = advice.recommendations.iter().filter(|found| wanted.contains(found.id.as_str()));
        if let Some(without) = found.clone().find(|found| found.up.is_empty()) {
            let text = format!("{} has no ready migration: {}", without.id, without.message);
            return Err(Error::invalid_field("recommendation_ids", text));
        }
        Ok(found.map(migration).collect())
    }
}

fn migration(found: &Recommendation) -> NewMigration {
    NewMigration { title: found.title.clone(), up: found.up.clone(), down: found.down.clone() }
}

fn not_found(ids: &[&str]) -> Error {
    let text = format!(
        "nothing is recommended under {}; ask RecommendIndexes again with the same request, for the database has changed or the \
         request is another",
        ids.join(", ")
    );
    Error::new(Reason::RecommendationNotFound, text)
}
