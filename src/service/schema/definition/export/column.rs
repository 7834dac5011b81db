//! Columns of a live database.

use super::Export;
use crate::{
    engine::dialect::MeantDefault,
    model::{
        connection::EngineKind,
        schema::{
            Column, ColumnDetails, Generation, NeutralType, Table,
            definition::{
                ColumnDefinition, ColumnType, GeneratedValue, Identity, TypeDefinition, TypeShape, Unmapped, full_name,
            },
        },
    },
};

impl Export {
    pub(super) fn column(&mut self, table: &Table, column: &Column) -> ColumnDefinition {
        let subject = format!("column {}.{}", full_name(self.schema(&table.schema), &table.name), column.name);
        let column_type = self.column_type(table, column);
        let neutral = match &column_type {
            ColumnType::Neutral(neutral) => Some(*neutral),
            _ => None,
        };
        let identity = match column.generation {
            Generation::IdentityAlways => Some(Identity::Always),
            Generation::IdentityByDefault | Generation::AutoIncrement => Some(Identity::ByDefault),
            _ if is_rowid(column) => Some(Identity::ByDefault),
            _ => None,
        };
        let mut found = ColumnDefinition {
            name: column.name.clone(),
            column_type,
            nullable: column.nullable,
            identity,
            generated: self.generated(table, column),
            touched_on_update: self.is_touched(&subject, column),
            collation: column.collation.clone(),
            comment: column.comment.clone(),
            ..ColumnDefinition::default()
        };
        let default = column.default_expression.as_deref().filter(|_| identity.is_none() && found.generated.is_none());
        match default.map(|text| self.dialect.meant_default(text, neutral)) {
            None | Some(MeantDefault::Nothing) => {}
            Some(MeantDefault::NextNumber)
                if matches!(neutral, Some(NeutralType::Integer { .. })) && !column.nullable =>
            {
                found.identity = Some(Identity::ByDefault);
            }
            Some(MeantDefault::NextNumber) => {
                self.leave_out(format!("default of {subject}"), "it is the next number of a sequence")
            }
            Some(MeantDefault::Value(value)) => found.default = Some(value),
        }
        found
    }

    fn column_type(&mut self, table: &Table, column: &Column) -> ColumnType {
        if let Some(ColumnDetails::Postgres(details)) = &column.details {
            let name = details.user_type.as_ref().filter(|_| details.array_dimensions == 0);
            if let Some(declared) = name.and_then(|name| self.declared_type(&name.schema, &name.name)) {
                return declared;
            }
        }
        if let Some(neutral) = self.dialect.declared_type(&column.data_type) {
            self.reworded(table, column, neutral);
            return ColumnType::Neutral(neutral);
        }
        match labels(&column.data_type) {
            Some(labels) => self.enum_of_column(table, column, labels),
            None => ColumnType::Native { engine: self.dialect.engine(), text: column.data_type.clone() },
        }
    }

    /// Notes where writing the type again would make another of it: MySQL and MariaDB have several sizes of a type that is one here.
    fn reworded(&mut self, table: &Table, column: &Column, neutral: NeutralType) {
        use NeutralType as T;
        if self.dialect.engine() != EngineKind::Mysql {
            return;
        }
        let Ok(written) = self.dialect.written_type(neutral) else { return };
        let live = column.data_type.to_ascii_lowercase();
        let has_sizes = matches!(neutral, T::Bytes | T::Text { length: None });
        if live.contains("zerofill") || (has_sizes && live != written.text) {
            let object = format!("type of column {}.{}", table.name, column.name);
            let reason = format!("{} is declared {}, and would become {}", column.name, column.data_type, written.text);
            self.unsaid.reworded.push(Unmapped { object, reason, ..Unmapped::default() });
        }
    }

    /// An enumeration that has no name where it comes from gets that of its column.
    fn enum_of_column(&mut self, table: &Table, column: &Column, labels: Vec<String>) -> ColumnType {
        let name = format!("{}_{}", table.name, column.name);
        let shape = TypeShape::Enum(labels);
        self.definition.types.push(TypeDefinition {
            schema: String::new(),
            name: name.clone(),
            comment: String::new(),
            shape,
        });
        ColumnType::Declared(crate::model::schema::ObjectName { schema: String::new(), name })
    }

    fn generated(&self, table: &Table, column: &Column) -> Option<GeneratedValue> {
        let stored = match column.generation {
            Generation::Stored => true,
            Generation::Virtual => false,
            _ => return None,
        };
        let held = |name: &str| {
            let column = table.columns.iter().find(|column| column.name == name)?;
            self.dialect.declared_type(&column.data_type)
        };
        let (expression, engine) = self.dialect.shared_expression(&column.generation_expression, &held);
        Some(GeneratedValue { expression, stored, engine })
    }

    /// What changes a column with its row: said of the column itself, where it is no trigger.
    fn is_touched(&mut self, subject: &str, column: &Column) -> bool {
        let Some(ColumnDetails::Mysql(details)) = &column.details else { return false };
        let rest = [
            (details.invisible, "is invisible"),
            (details.compressed, "is compressed"),
            (details.srid.is_some(), "has a spatial reference system"),
        ];
        for (_, what) in rest.iter().filter(|(holds, _)| *holds) {
            self.leave_out(format!("option of {subject}"), format!("it {what}, which a definition does not say"));
        }
        !details.on_update.is_empty()
    }
}

/// SQLite gives numbers to the column that is the rowid by itself.
fn is_rowid(column: &Column) -> bool {
    matches!(&column.details, Some(ColumnDetails::Sqlite(details)) if details.rowid)
}

/// The labels of `enum('a','it''s')`.
fn labels(data_type: &str) -> Option<Vec<String>> {
    let list = data_type.strip_prefix("enum(")?.strip_suffix(')')?;
    let mut labels = Vec::new();
    let mut rest = list;
    loop {
        let mut label = String::new();
        rest = rest.trim_start().strip_prefix('\'')?;
        loop {
            let end = rest.find('\'')?;
            label.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('\'') {
                Some(after) => {
                    label.push('\'');
                    rest = after;
                }
                None => break,
            }
        }
        labels.push(label);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return rest.is_empty().then_some(labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn labels_are_read_with_their_quotes() {
        assert_eq!(labels("enum('a','it''s','b,c','')").unwrap(), ["a", "it's", "b,c", ""]);
        assert_eq!(labels("set('a')"), None);
        assert_eq!(labels("enum('a'"), None);
    }
}
