//! What has to change for one schema to become another, and the scripts that do it.

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
            definition::{SchemaDefinition, Unmapped, folded},
            difference::{Change, Renames, SchemaDifference, Warning},
        },
    },
};

/// Most parts that would be lost that one error names.
const MAX_LOST: usize = 50;

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
    /// What takes them back.
    pub down: Vec<MigrationScript>,
    /// What may have to be a rename.
    pub warnings: Vec<Warning>,
    /// What of the source was not compared.
    pub source_unmapped: Vec<Unmapped>,
    /// What of the target was not compared.
    pub target_unmapped: Vec<Unmapped>,
}

impl SchemaService {
    /// Compares two schemas.
    pub async fn diff_schemas(&self, context: &CallContext, request: DifferenceRequest) -> Result<Difference> {
        let DifferenceRequest { source, target, engine, renames } = request;
        let source = self.read(context, source, "source").await?;
        let target = self.read(context, target, "target").await?;
        let engine = engine.or(source.engine).or(target.engine).ok_or_else(no_engine)?;
        let dialect = Engines::dialect(engine)?;
        // Large schemas are worked on for a while.
        let compare = move || compare(dialect, source, target, &renames);
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
) -> Result<Difference> {
    leave_out_history(&mut source);
    leave_out_history(&mut target);
    source.definition.check(&source.field)?;
    target.definition.check(&target.field)?;
    let (from, to) = (dialect.settled(&source.definition), dialect.settled(&target.definition));
    let renames = renames.resolved(&from, &to, dialect.default_schema(), "renames")?;
    let (up, altered) = written(dialect, from.clone(), to.clone(), &renames, &target.field)?;
    let (_, reverted) = written(dialect, to, from, &renames.swapped(), &source.field)?;
    let known: Vec<Unmapped> = source.unmapped.iter().chain(&source.reworded).cloned().collect();
    for scripts in [&altered, &reverted] {
        refuse_loss(scripts, &known, dialect.engine(), &source.field)?;
    }
    let warnings = up.warnings();
    Ok(Difference {
        engine: dialect.engine(),
        changes: told(up, altered.effects, &source.sizes),
        up: altered.scripts.into_iter().map(MigrationScript::of).collect(),
        down: reverted.scripts.into_iter().map(MigrationScript::of).collect(),
        warnings,
        source_unmapped: source.unmapped,
        target_unmapped: target.unmapped,
    })
}

/// What is made again from its definition alone loses whatever the definition does not say.
fn refuse_loss(altered: &Altered, unmapped: &[Unmapped], engine: EngineKind, field: &str) -> Result<()> {
    let lost: Vec<Unsupported> = altered
        .remade
        .iter()
        .flat_map(|remade| {
            unmapped.iter().filter(move |found| is_part_of(&found.object, remade)).map(move |found| (remade, found))
        })
        .map(|(remade, found)| Unsupported {
            field: "unmapped".to_owned(),
            object: remade.clone(),
            feature: format!(
                "would be made anew and lose the {} ({}); make this change by hand",
                found.object, found.reason
            ),
        })
        .take(MAX_LOST)
        .collect();
    definition::refuse(&lost, 0, engine, field)
}

/// True where what has no place in a definition is of a table or view that is named as [`Altered::remade`] does.
fn is_part_of(object: &str, remade: &str) -> bool {
    let (object, remade) = (folded(object), folded(remade));
    let object = ["option of ", "type of "].iter().find_map(|part| object.strip_prefix(part)).unwrap_or(&object);
    let of_table = |name: &str| {
        ["foreign key ", "unique constraint "].iter().any(|kind| object.starts_with(&format!("{kind}{name} (")))
            || object.starts_with(&format!("check {name}."))
            || object == format!("primary key of {name}")
    };
    object == remade || remade.strip_prefix("table ").is_some_and(of_table)
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
    }));
}

/// One direction. Errors name fields of the side that it leads to.
fn written(
    dialect: &dyn Dialect,
    from: SchemaDefinition,
    to: SchemaDefinition,
    renames: &Renames,
    field: &str,
) -> Result<(SchemaDifference, Altered)> {
    let difference = SchemaDifference::between(from, to, renames, dialect.moves_columns());
    let altered = dialect
        .alter(&difference)
        .ok_or_else(|| Error::unsupported(dialect.engine().as_str(), "generated changes of schemas"))?;
    definition::refuse(&altered.unsupported, altered.more_unsupported, dialect.engine(), field)?;
    match altered.is_too_large {
        true => Err(Error::invalid_field(field, "the scripts would come to more than 2 MiB; compare fewer tables")),
        false => Ok((difference, altered)),
    }
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

impl MigrationScript {
    fn of(script: AlterScript) -> Self {
        let mark = if script.transactional { String::new() } else { format!("{NO_TRANSACTION}\n") };
        let content = format!("-- {}\n{mark}{}\n", script.title, script.statements.join("\n"));
        Self { script, content }
    }
}

#[cfg(test)]
mod tests {
    use super::is_part_of;

    #[test]
    fn what_goes_with_a_table_is_told_by_its_name() {
        for object in ["option of table T", "foreign key t (a)", "option of unique constraint t (a, b)", "check t.ck"] {
            assert!(is_part_of(object, "table t"), "{object}");
            assert!(!is_part_of(object, "table t2") && !is_part_of(object, "view t"), "{object}");
        }
        assert!(is_part_of("option of view v", "view V"));
    }
}
