//! What has to change for one schema to become another, and the scripts that do it.

mod both_ways;
mod dangling;
mod element;
mod held;
mod lost;
mod taken;
mod texts;

use self::{
    both_ways::{Both, both_ways},
    held::Held,
    lost::Known,
};
use super::{
    SchemaService, SchemaSource, TableSize,
    definition::{self, ReadSchema, export::TableSizes},
};
use crate::{
    engine::{
        Dialect, Engines,
        dialect::{AlterScript, Altered, Effect, Unsupported},
        migrate::HISTORY_TABLE,
    },
    model::{
        CallContext, Error, Result,
        connection::EngineKind,
        migration::NO_TRANSACTION,
        schema::{
            definition::Unmapped,
            difference::{Change, Renames, SchemaDifference, Unwritten, Warning},
        },
    },
};

/// Longest text of a script, which is as much as the file of a migration may have.
const MAX_SCRIPT: usize = 1 << 20;

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct DifferenceRequest {
    /// The schema as it is.
    pub source: SchemaSource,
    /// The schema as it is to be.
    pub target: SchemaSource,
    /// The engine that is written for; absent: that of the source, else that of the target.
    pub engine: Option<EngineKind>,
    /// What is the same thing under another name.
    pub renames: Renames,
    /// What the engine cannot express is left as the source has it and told; otherwise it is an error.
    pub leaves_out_unsupported: bool,
}

/// A change with what it does beside what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldChange {
    /// The change.
    pub change: Change,
    /// What it locks, loses and fails on.
    pub effect: Effect,
    /// How large the table is that it meets, where that is known.
    pub size: Option<TableSize>,
}

/// Statements that are run together, and the same as a part of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationScript {
    /// The statements.
    pub script: AlterScript,
    /// The text of a migration.
    pub content: String,
}

/// What has to change for one schema to become another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The engine that is written for.
    pub engine: EngineKind,
    /// The changes.
    pub changes: Vec<ToldChange>,
    /// What makes them.
    pub up: Vec<MigrationScript>,
    /// What takes them back; empty where that is refused.
    pub down: Vec<MigrationScript>,
    /// Why there are no scripts that take the changes back.
    pub down_refused: Vec<String>,
    /// What may have to be a rename.
    pub warnings: Vec<Warning>,
    /// Differences that no script makes.
    pub unwritten: Vec<Unwritten>,
    /// What of the source was not compared.
    pub source_unmapped: Vec<Unmapped>,
    /// What of the target was not compared.
    pub target_unmapped: Vec<Unmapped>,
}

impl SchemaService {
    /// Compares two schemas.
    pub async fn diff_schemas(&self, context: &CallContext, request: DifferenceRequest) -> Result<Difference> {
        let DifferenceRequest { source, target, engine, renames, leaves_out_unsupported } = request;
        let source = self.read(context, source, "source").await?;
        let target = self.read(context, target, "target").await?;
        let engine = engine.or(source.engine).or(target.engine).ok_or_else(no_engine)?;
        let dialect = Engines::dialect(engine)?;
        // Large schemas are worked on for a while.
        let compare = move || compare(dialect, source, target, &renames, leaves_out_unsupported);
        tokio::task::spawn_blocking(compare).await.map_err(Error::internal)?
    }
}

fn no_engine() -> Error {
    Error::invalid_field("engine", "is required, because neither the source nor the target is of an engine")
}

fn compare(
    dialect: &'static dyn Dialect,
    mut source: ReadSchema,
    mut target: ReadSchema,
    renames: &Renames,
    leaves_out_unsupported: bool,
) -> Result<Difference> {
    leave_out_history(&mut source);
    leave_out_history(&mut target);
    source.definition.check(&source.field)?;
    target.definition.check(&target.field)?;
    let (from, to) = (dialect.settled(&source.definition), dialect.settled(&target.definition));
    let renames = renames.resolved(&from, &to, dialect.default_schema(), "renames")?;
    let (renamed, _) = renames.apply(&from, &to);
    let mut held = Held::new(&renamed, to);
    taken::hold(&mut held, [&source, &target], &renames);
    let Both { up, altered, reverted, mut unwritten } =
        both_ways(dialect, [&source, &target], &from, held, &renames, leaves_out_unsupported)?;
    unwritten.extend(texts::differing([&source, &target], &renames, &up));
    let lost = Known::of(&source).lost_by(&altered.remade);
    definition::refuse(&lost, 0, dialect.engine(), &source.field)?;
    let up_scripts = scripts(altered.scripts).map_err(|reason| Error::invalid_field(&target.field, reason))?;
    let (down, down_refused) = match down(reverted, [&source, &target]) {
        Ok(scripts) => (scripts, Vec::new()),
        Err(reasons) => (Vec::new(), reasons),
    };
    let warnings = up.warnings();
    Ok(Difference {
        engine: dialect.engine(),
        changes: told(up, altered.effects, &source.sizes),
        up: up_scripts,
        down,
        down_refused,
        warnings,
        unwritten,
        source_unmapped: source.unmapped,
        target_unmapped: target.unmapped,
    })
}

/// The table that applied migrations are noted in is in every database that has any, and is of no schema: a script that drops it
/// would take the record of itself.
fn leave_out_history(side: &mut ReadSchema) {
    let (history, tables) = std::mem::take(&mut side.definition.tables)
        .into_iter()
        .partition::<Vec<_>, _>(|table| table.name == HISTORY_TABLE);
    side.definition.tables = tables;
    side.unmapped.extend(history.iter().map(|table| Unmapped {
        object: format!("table {}", table.full_name()),
        reason: "it is the one in which dbkeeper notes the migrations that were applied".to_owned(),
        ..Unmapped::default()
    }));
}

fn told(difference: SchemaDifference, effects: Vec<Effect>, sizes: &TableSizes) -> Vec<ToldChange> {
    let former = difference.former_names();
    let size = |change: &Change| match change {
        Change::DropTable(table) => sizes.get(&table.object_name()).copied(),
        Change::AlterTable { table, .. } => sizes.get(*former.get(table).unwrap_or(&table)).copied(),
        _ => None,
    };
    let sizes: Vec<Option<TableSize>> = difference.changes.iter().map(size).collect();
    let changes = difference.changes.into_iter().zip(effects).zip(sizes);
    changes.map(|((change, effect), size)| ToldChange { change, effect, size }).collect()
}

/// The scripts that take the changes back, or why there are none. Whoever wants the changes does not go without them for that.
fn down(reverted: Altered, sides: [&ReadSchema; 2]) -> std::result::Result<Vec<MigrationScript>, Vec<String>> {
    let lost: Vec<Unsupported> = sides.into_iter().flat_map(|side| Known::of(side).lost_by(&reverted.remade)).collect();
    match lost.is_empty() {
        true => scripts(reverted.scripts).map_err(|reason| vec![reason]),
        false => Err(lost.iter().map(|found| format!("{} {}", found.object, found.feature)).collect()),
    }
}

/// Scripts as migrations. One that is too long for a file cannot be cut without knowing what of it belongs together.
fn scripts(scripts: Vec<AlterScript>) -> std::result::Result<Vec<MigrationScript>, String> {
    let scripts: Vec<MigrationScript> = scripts.into_iter().map(MigrationScript::of).collect();
    match scripts.iter().find(|script| script.content.len() > MAX_SCRIPT) {
        None => Ok(scripts),
        Some(script) => Err(format!(
            "the script {:?} would come to {} bytes, and a migration takes {MAX_SCRIPT}; compare fewer tables at a time: a \
             connection takes a schema and a name_pattern",
            script.script.title,
            script.content.len()
        )),
    }
}

impl MigrationScript {
    fn of(script: AlterScript) -> Self {
        let mark = if script.transactional { String::new() } else { format!("{NO_TRANSACTION}\n") };
        let content = format!("-- {}\n{mark}{}\n", script.title, script.statements.join("\n"));
        Self { script, content }
    }
}
