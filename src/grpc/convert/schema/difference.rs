//! Differences of schemas.

use prost::Message as _;

use super::super::engine;
use super::definition::{
    optional_engine, schema_source,
    to_proto::{check, column, foreign_key, index, key, table, type_definition, view},
    unmapped,
};
use crate::{
    engine::dialect::TableLock,
    grpc::proto::v1::{self, changed_part::Part},
    model::{
        Error, Result,
        schema::{
            ObjectName,
            definition::{ColumnDefinition, full_name},
            difference::{
                Change, ColumnAttribute, Rename, RenameColumn, Renames, TableChange, Unwritten, UnwrittenAction,
                UnwrittenCause, Warning,
            },
        },
    },
    service::schema::{Difference, DifferenceRequest, MigrationScript, TableSize, ToldChange},
};

/// Most bytes of an answer; clients refuse more than 4 MiB.
const MAX_ANSWER: usize = 3 * 1024 * 1024;

/// What is compared.
pub fn difference_request(message: v1::DiffSchemasRequest) -> Result<DifferenceRequest> {
    Ok(DifferenceRequest {
        source: schema_source(message.source, "source")?,
        target: schema_source(message.target, "target")?,
        engine: optional_engine(message.engine, "engine")?,
        renames: renames(message.renames.unwrap_or_default()),
        leaves_out_unsupported: message.leave_out_unsupported,
    })
}

fn renames(hints: v1::RenameHints) -> Renames {
    let column = |hint: v1::RenamedColumn| RenameColumn {
        table: ObjectName { schema: hint.schema, name: hint.table },
        from: hint.from,
        to: hint.to,
    };
    Renames {
        types: hints.types.into_iter().map(rename).collect(),
        tables: hints.tables.into_iter().map(rename).collect(),
        columns: hints.columns.into_iter().map(column).collect(),
    }
}

fn rename(hint: v1::RenamedObject) -> Rename {
    Rename {
        from: ObjectName { schema: hint.schema.clone(), name: hint.from },
        to: ObjectName { schema: hint.schema, name: hint.to },
    }
}

/// What has to change, or an error where that is more than an answer holds.
pub fn difference(difference: Difference) -> Result<v1::DiffSchemasResponse> {
    let answer = v1::DiffSchemasResponse {
        engine: engine(difference.engine).into(),
        changes: difference.changes.into_iter().map(told).collect(),
        up: difference.up.into_iter().map(script).collect(),
        down: difference.down.into_iter().map(script).collect(),
        source_unmapped: difference.source_unmapped.into_iter().map(unmapped).collect(),
        target_unmapped: difference.target_unmapped.into_iter().map(unmapped).collect(),
        warnings: difference.warnings.into_iter().map(warning).collect(),
        down_refused: difference.down_refused,
        unwritten: difference.unwritten.into_iter().map(unwritten).collect(),
    };
    match answer.encoded_len() {
        0..=MAX_ANSWER => Ok(answer),
        size => {
            let description =
                format!("the answer would come to {size} bytes, and {MAX_ANSWER} are the most; compare fewer tables");
            Err(Error::invalid_field("source", description))
        }
    }
}

fn unwritten(found: Unwritten) -> v1::UnwrittenDifference {
    let cause = match found.cause {
        UnwrittenCause::Unread => v1::UnwrittenCause::Unread,
        UnwrittenCause::NotComparable => v1::UnwrittenCause::NotComparable,
        UnwrittenCause::TextDiffers => v1::UnwrittenCause::TextDiffers,
        UnwrittenCause::Unsupported => v1::UnwrittenCause::Unsupported,
        UnwrittenCause::Depends => v1::UnwrittenCause::Depends,
    };
    let action = match found.action {
        UnwrittenAction::Add => v1::ChangeAction::Add,
        UnwrittenAction::Drop => v1::ChangeAction::Drop,
        UnwrittenAction::Alter => v1::ChangeAction::Alter,
    };
    v1::UnwrittenDifference {
        cause: cause.into(),
        action: action.into(),
        object: found.object,
        reason: found.reason,
        remedy: found.remedy,
    }
}

fn script(script: MigrationScript) -> v1::DifferenceScript {
    v1::DifferenceScript {
        title: script.script.title.to_owned(),
        statements: script.script.statements,
        transactional: script.script.transactional,
        content: script.content,
    }
}

fn told(told: ToldChange) -> v1::SchemaChange {
    let lock = match told.effect.lock {
        TableLock::Nothing => v1::ChangeLock::None,
        TableLock::Writes => v1::ChangeLock::Writes,
        TableLock::Everything => v1::ChangeLock::All,
    };
    v1::SchemaChange {
        lock: lock.into(),
        reads_every_row: told.effect.reads_every_row,
        lock_lasts: told.effect.lock_lasts,
        data_loss: told.effect.data_loss,
        may_fail: told.effect.may_fail,
        table_size: told.size.map(table_size),
        ..change(told.change)
    }
}

fn table_size(size: TableSize) -> v1::TableSize {
    v1::TableSize { row_estimate: size.row_estimate, size_bytes: size.size_bytes }
}

/// Something that is in a schema or in a table.
struct Subject {
    kind: v1::ChangedKind,
    schema: String,
    table: String,
    name: String,
}

impl Subject {
    fn of_schema(kind: v1::ChangedKind, schema: &str, name: &str) -> Self {
        Self { kind, schema: schema.to_owned(), table: String::new(), name: name.to_owned() }
    }

    fn table(name: &ObjectName) -> Self {
        let kind = v1::ChangedKind::Table;
        Self { kind, schema: name.schema.clone(), table: name.name.clone(), name: name.name.clone() }
    }

    fn of_table(kind: v1::ChangedKind, table: &ObjectName, name: &str) -> Self {
        Self { kind, schema: table.schema.clone(), table: table.name.clone(), name: name.to_owned() }
    }

    fn changes(self, action: v1::ChangeAction, from: Option<Part>, to: Option<Part>) -> v1::SchemaChange {
        let part = |part| v1::ChangedPart { part: Some(part) };
        v1::SchemaChange {
            action: action.into(),
            kind: self.kind.into(),
            schema: self.schema,
            table: self.table,
            name: self.name,
            from: from.map(part),
            to: to.map(part),
            ..v1::SchemaChange::default()
        }
    }

    fn comes(self, part: Part) -> v1::SchemaChange {
        self.changes(v1::ChangeAction::Add, None, Some(part))
    }

    fn goes(self, part: Part) -> v1::SchemaChange {
        self.changes(v1::ChangeAction::Drop, Some(part), None)
    }

    fn alters(self, from: Part, to: Part) -> v1::SchemaChange {
        self.changes(v1::ChangeAction::Alter, Some(from), Some(to))
    }

    fn renamed(self, from: &str, to: &str) -> v1::SchemaChange {
        let name = |name: &str| Some(Part::Name(name.to_owned()));
        self.changes(v1::ChangeAction::Rename, name(from), name(to))
    }
}

fn change(change: Change) -> v1::SchemaChange {
    use v1::ChangedKind as K;
    let subject = Subject::of_schema;
    match change {
        Change::CreateType(found) => {
            subject(K::Type, &found.schema, &found.name).comes(Part::Type(type_definition(found)))
        }
        Change::DropType(found) => {
            subject(K::Type, &found.schema, &found.name).goes(Part::Type(type_definition(found)))
        }
        Change::RenameType { from, to } => subject(K::Type, &to.schema, &to.name).renamed(&from.name, &to.name),
        Change::AlterType { from, to } => subject(K::Type, &to.schema, &to.name)
            .alters(Part::Type(type_definition(from)), Part::Type(type_definition(to))),
        Change::CreateTable(found) => Subject::table(&found.object_name()).comes(Part::Table(table(*found))),
        Change::DropTable(found) => Subject::table(&found.object_name()).goes(Part::Table(table(*found))),
        Change::AlterTable { table, change } => table_change(&table, change),
        Change::CreateView(found) => subject(K::View, &found.schema, &found.name).comes(Part::View(view(found))),
        Change::DropView(found) => subject(K::View, &found.schema, &found.name).goes(Part::View(view(found))),
        Change::ReplaceView { from, to } => {
            subject(K::View, &to.schema, &to.name).alters(Part::View(view(from)), Part::View(view(to)))
        }
    }
}

fn table_change(table: &ObjectName, change: TableChange) -> v1::SchemaChange {
    use TableChange as C;
    use v1::ChangedKind as K;
    let subject = |kind: K, name: &str| Subject::of_table(kind, table, name);
    match change {
        C::Rename { from } => Subject::table(table).renamed(&from.name, &table.name),
        C::Comment { from, to } => Subject::table(table).alters(Part::Comment(from), Part::Comment(to)),
        C::AddColumn { column: found, .. } => subject(K::Column, &found.name).comes(Part::Column(column(*found))),
        C::DropColumn(found) => subject(K::Column, &found.name).goes(Part::Column(column(*found))),
        C::RenameColumn { from, to } => subject(K::Column, &to).renamed(&from, &to),
        C::AlterColumn { from, to } => altered_column(subject(K::Column, &to.name), *from, *to),
        C::MoveColumn { column, after } => {
            let after = Some(Part::After(after.unwrap_or_default()));
            subject(K::Column, &column).changes(v1::ChangeAction::Move, None, after)
        }
        C::AddPrimaryKey(found) => subject(K::PrimaryKey, &found.name).comes(Part::Key(key(found))),
        C::DropPrimaryKey(found) => subject(K::PrimaryKey, &found.name).goes(Part::Key(key(found))),
        C::AddUnique(found) => subject(K::UniqueConstraint, &found.name).comes(Part::Key(key(found))),
        C::DropUnique(found) => subject(K::UniqueConstraint, &found.name).goes(Part::Key(key(found))),
        C::AddForeignKey(found) => subject(K::ForeignKey, &found.name).comes(Part::ForeignKey(foreign_key(found))),
        C::DropForeignKey(found) => subject(K::ForeignKey, &found.name).goes(Part::ForeignKey(foreign_key(found))),
        C::AddCheck(found) => subject(K::Check, &found.name).comes(Part::Check(check(found))),
        C::DropCheck(found) => subject(K::Check, &found.name).goes(Part::Check(check(found))),
        C::AddIndex(found) => subject(K::Index, &found.name).comes(Part::Index(index(found))),
        C::DropIndex(found) => subject(K::Index, &found.name).goes(Part::Index(index(found))),
        C::CommentIndex { index, from } => {
            subject(K::Index, &index.name).alters(Part::Comment(from), Part::Comment(index.comment))
        }
    }
}

fn altered_column(subject: Subject, from: ColumnDefinition, to: ColumnDefinition) -> v1::SchemaChange {
    let attributes = ColumnAttribute::between(&from, &to).into_iter().map(|found| attribute(found).into());
    let attributes = attributes.collect();
    v1::SchemaChange { attributes, ..subject.alters(Part::Column(column(from)), Part::Column(column(to))) }
}

fn attribute(attribute: ColumnAttribute) -> v1::ColumnAttribute {
    use v1::ColumnAttribute as M;
    match attribute {
        ColumnAttribute::Type => M::Type,
        ColumnAttribute::Nullable => M::Nullable,
        ColumnAttribute::Default => M::Default,
        ColumnAttribute::Identity => M::Identity,
        ColumnAttribute::Generated => M::Generated,
        ColumnAttribute::TouchedOnUpdate => M::TouchedOnUpdate,
        ColumnAttribute::Collation => M::Collation,
        ColumnAttribute::Comment => M::Comment,
    }
}

fn warning(warning: Warning) -> v1::RenameWarning {
    match warning {
        Warning::TableLooksRenamed { from, to } => v1::RenameWarning {
            kind: v1::ChangedKind::Table.into(),
            message: format!(
                "the table {} goes and {} comes with the same columns; if they are one, give a hint in renames.tables, so that \
                 its rows are kept",
                full_name(&from.schema, &from.name),
                full_name(&to.schema, &to.name)
            ),
            schema: from.schema,
            table: String::new(),
            from: from.name,
            to: to.name,
        },
        Warning::ColumnLooksRenamed { table, from, to } => v1::RenameWarning {
            kind: v1::ChangedKind::Column.into(),
            message: format!(
                "the column {from} of {} goes and {to} comes, which is like it; if they are one, give a hint in \
                 renames.columns, so that its values are kept",
                full_name(&table.schema, &table.name)
            ),
            schema: table.schema,
            table: table.name,
            from,
            to,
        },
    }
}
