//! Keys, checks and indexes inside of a table.

use sqlparser::ast::{
    ConstraintCharacteristics, DeferrableInitial, Expr, ForeignKeyConstraint, IndexColumn as SqlColumn, IndexOption,
    IndexType, NullsDistinctOption, OrderBySort, ReferentialAction as SqlAction, TableConstraint,
};

use super::{SqlDraft, Understood};
use crate::model::schema::{
    ReferentialAction,
    definition::{
        CheckDefinition, ForeignKeyDefinition, IndexColumn, IndexDefinition, KeyDefinition, TableDefinition, same,
    },
};

impl SqlDraft<'_> {
    pub(super) fn constraint(&mut self, table: &mut TableDefinition, constraint: TableConstraint) -> Understood<()> {
        let name = |name: &Option<sqlparser::ast::Ident>| name.as_ref().map(|name| self.name(name)).unwrap_or_default();
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                if !index_comment(&key.index_options)?.is_empty() {
                    return Err("a comment of a primary key has no place in a definition".to_owned());
                }
                let found = KeyDefinition { name: name(&key.name), columns: self.key_columns(&key.columns)? };
                for column in &mut table.columns {
                    column.nullable &= !found.columns.iter().any(|part| same(part, &column.name));
                }
                refuse_waiting(key.characteristics.as_ref(), "a primary key")?;
                table.primary_key = Some(found);
            }
            TableConstraint::Unique(key) => {
                refuse_waiting(key.characteristics.as_ref(), "a unique constraint")?;
                if key.nulls_distinct == NullsDistinctOption::NotDistinct {
                    return Err("NULLS NOT DISTINCT has no place in a definition".to_owned());
                }
                let comment = index_comment(&key.index_options)?;
                let given = if key.name.is_some() { &key.name } else { &key.index_name };
                let found = KeyDefinition { name: name(given), columns: self.key_columns(&key.columns)? };
                if comment.is_empty() {
                    table.unique_constraints.push(found);
                } else {
                    // A constraint of a definition has no comment, and a unique index has.
                    let columns = self.parts(&found.name, &key.columns)?;
                    table.indexes.push(IndexDefinition {
                        name: found.name,
                        columns,
                        unique: true,
                        comment,
                        ..IndexDefinition::default()
                    });
                }
            }
            TableConstraint::ForeignKey(key) => {
                let (columns, name) = (self.names(&key.columns), name(&key.name));
                let found = self.foreign_key(key, columns, name)?;
                table.foreign_keys.push(found);
            }
            TableConstraint::Check(check) => {
                let (expression, engine) = self.shared(&check.expr, &|name| table.neutral_type(name))?;
                table.checks.push(CheckDefinition { name: name(&check.name), expression, engine });
            }
            TableConstraint::Index(index) => {
                let name = name(&index.name);
                let columns = self.parts(&name, &index.columns)?;
                let comment = index_comment(&index.index_options)?;
                table.indexes.push(IndexDefinition { name, columns, comment, ..IndexDefinition::default() });
            }
            TableConstraint::FulltextOrSpatial(index) if index.fulltext => {
                let name = name(&index.opt_index_name);
                let columns = self.parts(&name, &index.columns)?;
                table.indexes.push(IndexDefinition { name, columns, full_text: true, ..IndexDefinition::default() });
            }
            other => return Err(format!("the constraint {other} has no place in a definition")),
        }
        Ok(())
    }

    pub(super) fn foreign_key(
        &self,
        key: ForeignKeyConstraint,
        columns: Vec<String>,
        name: String,
    ) -> Understood<ForeignKeyDefinition> {
        let target = self.object_name(&key.foreign_table)?;
        if key.match_kind.is_some_and(|kind| kind.to_string() != "MATCH SIMPLE") {
            return Err(format!("MATCH of the foreign key to {} has no place in a definition", target.name));
        }
        let waits = key.characteristics.as_ref();
        let deferred = waits.is_some_and(|waits| waits.initially == Some(DeferrableInitial::Deferred));
        if !deferred && waits.is_some_and(|waits| waits.deferrable == Some(true)) {
            return Err(format!(
                "the foreign key to {} can wait and does not from the start; a definition has INITIALLY DEFERRED alone",
                target.name
            ));
        }
        Ok(ForeignKeyDefinition {
            name,
            columns,
            referenced_schema: target.schema,
            referenced_table: target.name,
            referenced_columns: self.names(&key.referred_columns),
            on_update: action(key.on_update),
            on_delete: action(key.on_delete),
            deferred,
        })
    }

    fn key_columns(&self, columns: &[SqlColumn]) -> Understood<Vec<String>> {
        Ok(self.parts("of a key", columns)?.into_iter().map(|part| part.column).collect())
    }

    /// The columns of an index.
    pub(super) fn parts(&self, index: &str, columns: &[SqlColumn]) -> Understood<Vec<IndexColumn>> {
        let part = |part: &SqlColumn| {
            let options = &part.column.options;
            let descending = options.sort == Some(OrderBySort::Desc);
            // PostgreSQL puts NULL last upwards and first downwards by itself.
            if part.operator_class.is_some() || options.nulls_first.is_some_and(|first| first != descending) {
                return Err(format!(
                    "a column of the index {index} has an operator class or an order of NULLs of its own"
                ));
            }
            match &part.column.expr {
                Expr::Identifier(name) => Ok(IndexColumn { column: self.name(name), descending }),
                other => {
                    Err(format!("the index {index} is on the expression {other}; a definition has indexes on columns"))
                }
            }
        };
        columns.iter().map(part).collect()
    }
}

/// The comment among the options of an index.
pub(super) fn index_comment(options: &[IndexOption]) -> Understood<String> {
    let mut comment = String::new();
    for option in options {
        match option {
            IndexOption::Comment(text) => comment.clone_from(text),
            IndexOption::Using(IndexType::BTree) => {}
            IndexOption::Using(method) => {
                return Err(format!("the method {method} of an index has no place in a definition"));
            }
        }
    }
    Ok(comment)
}

fn refuse_waiting(characteristics: Option<&ConstraintCharacteristics>, what: &str) -> Understood<()> {
    match characteristics {
        Some(found) if found.deferrable == Some(true) => Err(format!("{what} that waits has no place in a definition")),
        _ => Ok(()),
    }
}

fn action(action: Option<SqlAction>) -> ReferentialAction {
    match action {
        None | Some(SqlAction::NoAction) => ReferentialAction::NoAction,
        Some(SqlAction::Restrict) => ReferentialAction::Restrict,
        Some(SqlAction::Cascade) => ReferentialAction::Cascade,
        Some(SqlAction::SetNull) => ReferentialAction::SetNull,
        Some(SqlAction::SetDefault) => ReferentialAction::SetDefault,
    }
}
