//! A schema that is looked at.

use tokio::time::Instant;

use crate::{
    model::{CallContext, ConnectionId, Result, Timestamp, connection::EngineKind, schema::TableFilter},
    service::{
        databases::Reader,
        schema::{SchemaService, SchemaSource, definition::ReadSchema},
    },
};

/// A schema that is looked at: a live database tells more than a definition.
pub(super) enum Side {
    /// A live database.
    Live {
        /// Which.
        connection: ConnectionId,
        /// Which tables of it.
        filter: TableFilter,
        /// Its engine.
        engine: EngineKind,
        /// Path of its field.
        field: &'static str,
    },
    /// A definition, whatever it was read from.
    Defined {
        /// The definition.
        schema: Box<ReadSchema>,
        /// When reading it began.
        time: Timestamp,
        /// The same, to measure from.
        began: Instant,
    },
}

impl Side {
    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Live { .. })
    }

    /// The engine that it is of; absent for a definition that is of none.
    pub(super) fn engine(&self) -> Option<EngineKind> {
        match self {
            Self::Live { engine, .. } => Some(*engine),
            Self::Defined { schema, .. } => schema.engine,
        }
    }
}

impl SchemaService {
    /// The schema that stands in a field of a request. A live database is only asked whether it is there.
    pub(super) async fn side(&self, context: &CallContext, source: SchemaSource, field: &'static str) -> Result<Side> {
        let SchemaSource::Connection { connection, filter } = source else {
            return self.read_side(context, source, field).await;
        };
        let Reader { lease, .. } = self.reader(context, &connection).await?;
        let engine = lease.require_dialect()?.engine();
        Ok(Side::Live { connection, filter, engine, field })
    }

    /// The same as a definition.
    pub(super) async fn defined(&self, context: &CallContext, side: Side) -> Result<Side> {
        let Side::Live { connection, filter, field, .. } = side else { return Ok(side) };
        self.read_side(context, SchemaSource::Connection { connection, filter }, field).await
    }

    async fn read_side(&self, context: &CallContext, source: SchemaSource, field: &str) -> Result<Side> {
        let (time, began) = (Timestamp::now(), Instant::now());
        let schema = Box::pin(self.read(context, source, field)).await?;
        Ok(Side::Defined { schema: Box::new(schema), time, began })
    }
}
