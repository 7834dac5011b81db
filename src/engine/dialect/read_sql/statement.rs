//! Statements.

use sqlparser::ast::{
    AlterTable, AlterTableOperation, CommentDef, CommentObject, CreateDomain, CreateIndex, CreateTable,
    CreateTableOptions, CreateView, Expr, IndexType, ObjectName as SqlName, SqlOption, TableConstraint,
    UserDefinedTypeRepresentation,
};

use super::{SqlDraft, Understood, constraint::index_comment};
use crate::{
    engine::dialect::expression::{self, ColumnTypes},
    model::{
        connection::EngineKind,
        schema::definition::{
            CheckDefinition, IndexColumn, IndexDefinition, TableDefinition, TypeDefinition, TypeField, TypeShape,
            ViewDefinition, same,
        },
    },
};

/// Options of a table that say what every table of a definition is.
const USUAL_OPTIONS: [&str; 7] =
    ["ENGINE", "CHARSET", "DEFAULT CHARSET", "CHARACTER SET", "DEFAULT CHARACTER SET", "ROW_FORMAT", "AUTO_INCREMENT"];

impl SqlDraft<'_> {
    pub(super) fn create_table(&mut self, table: CreateTable) -> Understood<()> {
        let unfit = [
            (table.query.is_some(), "AS SELECT"),
            (table.like.is_some() || table.clone.is_some(), "LIKE"),
            (table.temporary, "TEMPORARY"),
            (table.unlogged, "UNLOGGED"),
            (table.without_rowid, "WITHOUT ROWID"),
            (table.partition_by.is_some() || table.partition_of.is_some(), "PARTITION"),
            (table.inherits.is_some(), "INHERITS"),
        ];
        if let Some((_, word)) = unfit.iter().find(|(holds, _)| *holds) {
            return Err(format!("a table that is made with {word} has no place in a definition"));
        }
        let name = self.object_name(&table.name)?;
        let mut found = TableDefinition { schema: name.schema, name: name.name, ..TableDefinition::default() };
        if let Some(CommentDef::WithEq(text) | CommentDef::WithoutEq(text)) = table.comment {
            found.comment = text;
        }
        self.options(&table.table_options, &mut found)?;
        for column in table.columns {
            self.column(&mut found, column)?;
        }
        for constraint in table.constraints {
            self.constraint(&mut found, constraint)?;
        }
        self.definition.tables.push(found);
        Ok(())
    }

    fn options(&self, options: &CreateTableOptions, table: &mut TableDefinition) -> Understood<()> {
        let options = match options {
            CreateTableOptions::None => return Ok(()),
            CreateTableOptions::Plain(options) => options,
            other => return Err(format!("the options {other} have no place in a definition")),
        };
        for option in options {
            match option {
                SqlOption::Comment(CommentDef::WithEq(text) | CommentDef::WithoutEq(text)) => {
                    table.comment.clone_from(text)
                }
                SqlOption::KeyValue { key, value } if USUAL_OPTIONS.contains(&key.value.to_uppercase().as_str()) => {
                    let is_other =
                        key.value.eq_ignore_ascii_case("ENGINE") && !value.to_string().eq_ignore_ascii_case("InnoDB");
                    if is_other {
                        return Err(format!("the storage engine {value} has no place in a definition"));
                    }
                }
                SqlOption::NamedParenthesizedList(list) if list.key.value.eq_ignore_ascii_case("ENGINE") => {
                    let name = list.name.as_ref().map_or("", |name| name.value.as_str());
                    if !name.eq_ignore_ascii_case("InnoDB") {
                        return Err(format!("the storage engine {name} has no place in a definition"));
                    }
                }
                other => return Err(format!("the option {other} of a table has no place in a definition")),
            }
        }
        Ok(())
    }

    pub(super) fn create_index(&mut self, index: &CreateIndex) -> Understood<()> {
        let Some(name) = &index.name else { return Err("an index has a name".to_owned()) };
        let mut found =
            IndexDefinition { name: self.object_name(name)?.name, unique: index.unique, ..IndexDefinition::default() };
        if !index.include.is_empty() || !index.with.is_empty() || index.nulls_distinct == Some(false) {
            return Err(format!("the options of the index {} have no place in a definition", found.name));
        }
        match (&index.using, index.columns.as_slice()) {
            (Some(IndexType::GIN), [part]) => {
                let columns = self.dialect.searched_columns(&part.column.expr.to_string());
                let columns = columns.ok_or_else(|| format!("the index {} is on an expression", found.name))?;
                let column = |column: String| IndexColumn { column: self.dialect.fold(&column), descending: false };
                (found.full_text, found.columns) = (true, columns.into_iter().map(column).collect());
            }
            (None | Some(IndexType::BTree), parts) => found.columns = self.parts(&found.name, parts)?,
            (Some(method), _) => {
                return Err(format!("the method {method} of the index {} has no place in a definition", found.name));
            }
        }
        if !index.alter_options.is_empty() {
            return Err(format!("the options of the index {} have no place in a definition", found.name));
        }
        found.comment = index_comment(&index.index_options)?;
        if let Some(predicate) = &index.predicate {
            let name = self.object_name(&index.table_name)?;
            let is_it = |table: &&TableDefinition| table.schema == name.schema && table.name == name.name;
            let table = self.definition.tables.iter().find(is_it);
            let held = |name: &str| table.and_then(|table| table.neutral_type(name));
            (found.predicate, found.engine) = self.shared(predicate, &held)?;
        }
        self.table(&index.table_name)?.indexes.push(found);
        Ok(())
    }

    pub(super) fn create_view(&mut self, view: &CreateView) -> Understood<()> {
        if view.materialized || view.temporary || !view.columns.is_empty() {
            return Err(format!(
                "a view that is materialised, temporary or names its columns has no place in a definition ({})",
                view.name
            ));
        }
        let name = self.object_name(&view.name)?;
        self.definition.views.push(ViewDefinition {
            schema: name.schema,
            name: name.name,
            comment: view.comment.clone().unwrap_or_default(),
            query: self.own_words(view.query.to_string())?,
            engine: Some(self.dialect.engine()),
        });
        Ok(())
    }

    pub(super) fn create_type(
        &mut self,
        name: &SqlName,
        representation: &UserDefinedTypeRepresentation,
    ) -> Understood<()> {
        let name = self.object_name(name)?;
        let shape = match representation {
            UserDefinedTypeRepresentation::Enum { labels } => {
                TypeShape::Enum(labels.iter().map(|label| label.value.clone()).collect())
            }
            UserDefinedTypeRepresentation::Composite { attributes } => {
                let mut fields = Vec::with_capacity(attributes.len());
                for attribute in attributes {
                    let column_type = self.column_type(&attribute.data_type)?.0;
                    fields.push(TypeField { name: self.name(&attribute.name), column_type });
                }
                TypeShape::Composite(fields)
            }
            _ => return Err(format!("the type {} is neither an enumeration nor a composite type", name.name)),
        };
        let comment = String::new();
        self.definition.types.push(TypeDefinition { schema: name.schema, name: name.name, comment, shape });
        Ok(())
    }

    pub(super) fn create_domain(&mut self, domain: &CreateDomain) -> Understood<()> {
        let name = self.object_name(&domain.name)?;
        if domain.default.is_some() || domain.collation.is_some() {
            return Err(format!(
                "the domain {} has a default or a collation, which a definition gives to columns",
                name.name
            ));
        }
        let (base, _) = self.column_type(&domain.data_type)?;
        let held = |name: &str| base.neutral().filter(|_| name.eq_ignore_ascii_case("value"));
        let mut checks = Vec::new();
        for constraint in &domain.constraints {
            let TableConstraint::Check(check) = constraint else {
                return Err(format!("the domain {} has a constraint that is no check", name.name));
            };
            let (expression, engine) = self.shared(&check.expr, &held)?;
            let name = check.name.as_ref().map(|name| self.name(name)).unwrap_or_default();
            checks.push(CheckDefinition { name, expression: expression.replace("\"VALUE\"", "VALUE"), engine });
        }
        let shape = TypeShape::Domain { base, required: false, checks };
        let comment = String::new();
        self.definition.types.push(TypeDefinition { schema: name.schema, name: name.name, comment, shape });
        Ok(())
    }

    pub(super) fn alter_table(&mut self, change: AlterTable) -> Understood<()> {
        // Taken out while it is changed, because reading a column may declare a type.
        let mut table = std::mem::take(self.table(&change.name)?);
        for operation in change.operations {
            match operation {
                AlterTableOperation::AddConstraint { constraint, .. } => self.constraint(&mut table, constraint)?,
                AlterTableOperation::AddColumn { column_def, .. } => self.column(&mut table, column_def)?,
                other => {
                    return Err(format!(
                        "ALTER TABLE ... {other} does not add to a table; write the table as it is to be"
                    ));
                }
            }
        }
        if let Some(place) = self.definition.tables.iter_mut().find(|found| found.name.is_empty()) {
            *place = table;
        }
        Ok(())
    }

    pub(super) fn comment(&mut self, kind: &CommentObject, name: &SqlName, comment: &str) -> Understood<()> {
        let comment = comment.to_owned();
        let missing = || format!("there is no {name} before this statement");
        match kind {
            CommentObject::Table => self.table(name)?.comment = comment,
            CommentObject::Column => {
                let Some((column, table)) = name.0.split_last() else { return Err(missing()) };
                let column = column.as_ident().map(|column| self.name(column)).unwrap_or_default();
                let table = self.table(&SqlName(table.to_vec()))?;
                let found = table.columns.iter_mut().find(|found| found.name == column);
                found.ok_or_else(missing)?.comment = comment;
            }
            CommentObject::View => {
                let name = self.object_name(name)?;
                let found =
                    self.definition.views.iter_mut().find(|view| view.name == name.name && view.schema == name.schema);
                found.ok_or_else(missing)?.comment = comment;
            }
            CommentObject::Type | CommentObject::Domain => {
                let name = self.object_name(name)?;
                let found = self
                    .definition
                    .types
                    .iter_mut()
                    .find(|found| found.name == name.name && found.schema == name.schema);
                found.ok_or_else(missing)?.comment = comment;
            }
            CommentObject::Index => {
                let name = self.object_name(name)?;
                let tables = self.definition.tables.iter_mut().filter(|table| table.schema == name.schema);
                let found = tables.flat_map(|table| &mut table.indexes).find(|index| same(&index.name, &name.name));
                found.ok_or_else(missing)?.comment = comment;
            }
            other => return Err(format!("a comment on a {other} has no place in a definition")),
        }
        Ok(())
    }

    /// An expression in shared words, or as it is with the engine that it is of.
    pub(super) fn shared(
        &self,
        expression: &Expr,
        columns: ColumnTypes<'_>,
    ) -> Understood<(String, Option<EngineKind>)> {
        match expression::portable(self.dialect, expression, columns) {
            Some(text) => Ok((text, None)),
            None => Ok((self.own_words(expression.to_string())?, Some(self.dialect.engine()))),
        }
    }
}
