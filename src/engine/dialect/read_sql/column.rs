//! Columns and their types.

use sqlparser::{
    ast::{ColumnDef, ColumnOption, DataType, EnumMember, Expr, GeneratedAs, GeneratedExpressionMode},
    tokenizer::Token,
};

use super::{SqlDraft, Understood};
use crate::{
    engine::dialect::expression::{self, MeantDefault},
    model::{
        connection::EngineKind,
        schema::{
            NeutralType, ObjectName,
            definition::{
                CheckDefinition, ColumnDefinition, ColumnType, DefaultValue, GeneratedValue, Identity, KeyDefinition,
                TableDefinition, TypeDefinition, TypeShape,
            },
        },
    },
};

/// Words that make a column get numbers by itself.
const NUMBERED: [&str; 2] = ["AUTO_INCREMENT", "AUTOINCREMENT"];

impl SqlDraft<'_> {
    pub(super) fn column(&mut self, table: &mut TableDefinition, written: ColumnDef) -> Understood<()> {
        let name = self.name(&written.name);
        let (column_type, is_serial) = match &written.data_type {
            DataType::Enum(members, _) => (self.enum_of_column(&table.name, &name, members)?, false),
            other => self.column_type(other)?,
        };
        let mut column = ColumnDefinition { name, column_type, nullable: !is_serial, ..ColumnDefinition::default() };
        column.identity = is_serial.then_some(Identity::ByDefault);
        let is_integer = written.data_type.to_string().eq_ignore_ascii_case("INTEGER");
        for option in written.options {
            let constraint = option.name.as_ref().map(|name| self.name(name)).unwrap_or_default();
            self.option(table, &mut column, constraint, option.option)?;
        }
        // The rowid under another name gets numbers by itself.
        let is_key = table.key_columns().len() == 1 && table.key_columns()[0] == column.name;
        let is_rowid = is_integer && is_key && self.dialect.engine() == EngineKind::Sqlite;
        if is_rowid && column.default.is_none() {
            column.identity = Some(Identity::ByDefault);
        }
        table.columns.push(column);
        Ok(())
    }

    fn option(
        &mut self,
        table: &mut TableDefinition,
        column: &mut ColumnDefinition,
        constraint: String,
        option: ColumnOption,
    ) -> Understood<()> {
        let own = vec![column.name.clone()];
        match option {
            ColumnOption::Null => column.nullable = true,
            ColumnOption::NotNull => column.nullable = false,
            ColumnOption::Default(expression) => match self.default(&expression, column.column_type.neutral())? {
                MeantDefault::Nothing => {}
                MeantDefault::NextNumber => column.identity = Some(Identity::ByDefault),
                MeantDefault::Value(value) => column.default = Some(value),
            },
            ColumnOption::PrimaryKey(_) => {
                column.nullable = false;
                table.primary_key = Some(KeyDefinition { name: constraint, columns: own });
            }
            ColumnOption::Unique(_) => table.unique_constraints.push(KeyDefinition { name: constraint, columns: own }),
            ColumnOption::ForeignKey(mut key) => {
                key.columns = Vec::new();
                let found = self.foreign_key(key, own, constraint)?;
                table.foreign_keys.push(found);
            }
            ColumnOption::Check(check) => {
                let (expression, engine) = self.shared(&check.expr, &|name| held_by(table, column, name))?;
                table.checks.push(CheckDefinition { name: constraint, expression, engine });
            }
            ColumnOption::Collation(name) => column.collation = self.object_name(&name)?.name,
            ColumnOption::CharacterSet(_) => {}
            ColumnOption::Comment(text) => column.comment = text,
            ColumnOption::OnUpdate(expression) => match self.default(&expression, None)? {
                MeantDefault::Value(DefaultValue::CurrentTimestamp) => {
                    column.touched_on_update = true;
                }
                _ => {
                    return Err(format!(
                        "ON UPDATE {expression} of the column {} has no place in a definition",
                        column.name
                    ));
                }
            },
            ColumnOption::Generated {
                generation_expr: Some(expression), generation_expr_mode, generated_as, ..
            } => {
                let stored = generation_expr_mode == Some(GeneratedExpressionMode::Stored)
                    || generated_as == GeneratedAs::ExpStored;
                let (expression, engine) = self.shared(&expression, &|name| held_by(table, column, name))?;
                column.generated = Some(GeneratedValue { expression, stored, engine });
            }
            ColumnOption::Generated { generated_as, sequence_options, .. } => {
                if sequence_options.is_some_and(|options| !options.is_empty()) {
                    return Err(format!("options of the identity {} have no place in a definition", column.name));
                }
                let is_always = generated_as == GeneratedAs::Always;
                (column.identity, column.nullable) =
                    (Some(if is_always { Identity::Always } else { Identity::ByDefault }), false);
            }
            ColumnOption::DialectSpecific(tokens) if is_numbered(&tokens) => {
                (column.identity, column.nullable) = (Some(Identity::ByDefault), false);
            }
            other => return Err(format!("{other} of the column {} has no place in a definition", column.name)),
        }
        Ok(())
    }

    fn default(&self, expression: &Expr, neutral: Option<NeutralType>) -> Understood<MeantDefault> {
        let text = expression.to_string();
        if let Some(named) = self.dialect.named_default(&text, neutral) {
            return Ok(MeantDefault::Value(named));
        }
        match expression::shared_default(self.dialect, expression, neutral) {
            Some(found) => Ok(found),
            None => {
                let (text, engine) = (self.own_words(text)?, Some(self.dialect.engine()));
                Ok(MeantDefault::Value(DefaultValue::Expression { text, engine }))
            }
        }
    }

    fn enum_of_column(&mut self, table: &str, column: &str, members: &[EnumMember]) -> Understood<ColumnType> {
        let label = |member: &EnumMember| match member {
            EnumMember::Name(label) => Ok(label.clone()),
            EnumMember::NamedValue(label, _) => Err(format!("the label {label} has a value")),
        };
        let shape = TypeShape::Enum(members.iter().map(label).collect::<Understood<_>>()?);
        let name = format!("{table}_{column}");
        let (schema, comment) = (String::new(), String::new());
        self.definition.types.push(TypeDefinition { schema: schema.clone(), name: name.clone(), comment, shape });
        Ok(ColumnType::Declared(ObjectName { schema, name }))
    }

    /// A type, and whether it gets numbers by itself.
    pub(super) fn column_type(&self, written: &DataType) -> Understood<(ColumnType, bool)> {
        let text = written.to_string();
        let is_serial = text.to_lowercase().ends_with("serial") && self.dialect.engine() == EngineKind::Postgresql;
        if let Some(neutral) = self.dialect.declared_type(&text) {
            return Ok((ColumnType::Neutral(neutral), is_serial));
        }
        if let DataType::Custom(name, modifiers) = written {
            let name = self.object_name(name)?;
            if modifiers.is_empty() && self.definition.find_type(&name).is_some() {
                return Ok((ColumnType::Declared(name), false));
            }
        }
        if matches!(written, DataType::Unspecified) {
            return Ok((ColumnType::Neutral(NeutralType::Bytes), false));
        }
        Ok((ColumnType::Native { engine: self.dialect.engine(), text: text.to_lowercase() }, false))
    }
}

/// What a column holds, the one that is being read among them.
fn held_by(table: &TableDefinition, read: &ColumnDefinition, name: &str) -> Option<NeutralType> {
    if read.name == name { read.column_type.neutral() } else { table.neutral_type(name) }
}

fn is_numbered(tokens: &[Token]) -> bool {
    matches!(tokens, [Token::Word(word)] if NUMBERED.iter().any(|known| word.value.eq_ignore_ascii_case(known)))
}
