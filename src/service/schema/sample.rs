//! Rows to look at, bounded and masked.

use tokio::time::Instant;

use super::{Discovery, MAX_ANSWER_SIZE, SchemaService, Served, mask, not_found};
use crate::{
    model::{
        CallContext, ConnectionId, Permission, Result, Timestamp,
        name::{Identifier, QualifiedName},
        schema::{Sample, SampleQuery, SampleValue, approximate_size},
    },
    service::databases::Reader,
};

/// Rows when the caller does not say.
pub const DEFAULT_SAMPLE_ROWS: u32 = 10;
/// Characters of a text when the caller does not say.
pub const DEFAULT_VALUE_LENGTH: u32 = 256;
/// Most characters of a text.
pub const MAX_VALUE_LENGTH: u32 = 4096;
/// Texts are looked at up to here for the shape of personal data, however short they are cut afterwards.
const LOOKED_AT: u32 = 256;

/// What is masked in a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masking {
    /// What is likely personal data or a secret.
    LikelyPersonal,
    /// Nothing.
    None,
}

/// Which rows are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRequest {
    /// The table.
    pub table: QualifiedName,
    /// Columns in that order; empty: all.
    pub columns: Vec<Identifier>,
    /// Most rows.
    pub limit: u32,
    /// What is masked.
    pub masking: Masking,
    /// Longest text in characters.
    pub value_length: u32,
}

/// Rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledRows {
    /// The rows.
    pub sample: Sample,
    /// Rows for which the answer had no room.
    pub rows_left_out: u32,
}

impl SchemaService {
    /// Some rows of a table, or TABLE_NOT_FOUND. PERMISSION_MISSING where nothing is to be masked and the caller may only look.
    pub async fn sample_rows(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        request: &SampleRequest,
    ) -> Result<Served<SampledRows>> {
        // Whoever may only look gets no personal data in clear.
        if request.masking == Masking::None {
            context.caller.require(Permission::Operate)?;
        }
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        let query = SampleQuery {
            table: request.table.clone(),
            columns: request.columns.clone(),
            limit: request.limit,
            value_length: request.value_length.max(LOOKED_AT),
        };
        let (time, began) = (Timestamp::now(), Instant::now());
        let sample = lease.run(lease.require_sample_rows()?.sample(&query)).await?;
        let mut sample = sample.ok_or_else(|| not_found(connection, &request.table))?;
        if request.masking == Masking::LikelyPersonal {
            mask::mask(request.table.name.as_str(), &mut sample);
        }
        sample
            .rows
            .iter_mut()
            .flatten()
            .filter_map(SampleValue::text_mut)
            .for_each(|text| text.cut(request.value_length));
        let discovery = Discovery { time, duration: began.elapsed(), from_cache: false };
        Ok(Served { found: fitted(sample), served_by, discovery })
    }
}

/// Leaves out rows for which an answer has no room.
fn fitted(mut sample: Sample) -> SampledRows {
    let mut size = approximate_size(&sample.columns);
    let fits = sample.rows.iter().take_while(|row| {
        size += approximate_size(row);
        size <= MAX_ANSWER_SIZE
    });
    let fits = fits.count();
    let rows_left_out = u32::try_from(sample.rows.len() - fits).unwrap_or(u32::MAX);
    sample.rows.truncate(fits);
    SampledRows { sample, rows_left_out }
}
