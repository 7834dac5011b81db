//! Columns of tables that were there.

use super::{Alter, cast, identity, staying::Staying};
use crate::{
    engine::{
        Dialect as _,
        dialect::names,
        postgres::dialect::{
            PostgresDialect,
            create::{self, comment_text},
        },
    },
    model::schema::{
        definition::{ColumnDefinition, ColumnType, Identity},
        difference::{ColumnAttribute, TableChange},
    },
};

impl<'a> Alter<'a> {
    /// Drops the columns that go, and those that are made anew: computed ones first, because they stand on others.
    pub(super) fn drop_columns(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            self.keep_computed_values(table);
            let gone = table.changes.iter().filter_map(|change| match change {
                TableChange::DropColumn(column) => Some(&**column),
                _ => None,
            });
            let recreated = table.common_columns().into_iter().map(|(from, _)| from);
            let recreated = recreated.filter(|column| table.is_recreated(&column.name));
            let (computed, plain): (Vec<_>, Vec<_>) =
                gone.chain(recreated).partition(|column| column.generated.is_some());
            // What a column is computed by can go first, so that what it is computed from can be changed.
            for column in computed.into_iter().chain(plain) {
                let name = PostgresDialect.quoted(&column.name);
                self.scripts.tables.push(format!("ALTER TABLE {} DROP COLUMN {name};", table.planned.name));
            }
        }
    }

    /// Computed columns that become plain ones keep their values, and stand on no other column from then on.
    fn keep_computed_values(&mut self, table: &Staying<'a, '_>) {
        let becomes_plain =
            |(from, to): &(&ColumnDefinition, &ColumnDefinition)| from.generated.is_some() && to.generated.is_none();
        for (_, to) in table.common_columns().into_iter().filter(becomes_plain) {
            let name = PostgresDialect.quoted(&to.name);
            self.scripts
                .tables
                .push(format!("ALTER TABLE {} ALTER COLUMN {name} DROP EXPRESSION;", table.planned.name));
        }
    }

    pub(super) fn add_columns(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            for column in new_columns(table).filter(|column| column.generated.is_none()) {
                self.add_column(table, column);
            }
        }
    }

    /// Columns that are computed, once those that they are computed from are what they are to be.
    pub(super) fn add_generated_columns(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            for column in new_columns(table).filter(|column| column.generated.is_some()) {
                self.add_column(table, column);
            }
            let recreated = table.new.columns.iter().filter(|column| table.is_recreated(&column.name));
            for column in recreated {
                self.add_column(table, column);
            }
        }
    }

    fn add_column(&mut self, table: &Staying<'a, '_>, column: &ColumnDefinition) {
        let field = column_field(table, column);
        let Some(line) = create::column_line(&mut self.draft, table.planned, &field, column) else { return };
        self.scripts.tables.push(format!("ALTER TABLE {} ADD COLUMN {line};", table.planned.name));
        if !column.comment.is_empty() {
            self.scripts.tables.push(comment_text("COLUMN", &table.column_name(&column.name), &column.comment));
        }
    }

    /// All changes of a table in one statement, so that its rows are written once.
    pub(super) fn alter_columns(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            let mut actions = Vec::new();
            let mut numbered = Vec::new();
            for (from, to) in table.common_columns() {
                if !table.is_recreated(&to.name) {
                    self.alter_column(table, from, to, &mut actions);
                    if from.identity.is_none() && to.identity.is_some() {
                        numbered.push(to);
                    }
                }
            }
            if !actions.is_empty() {
                let actions = actions.join(",\n    ");
                self.scripts.tables.push(format!("ALTER TABLE {}\n    {actions};", table.planned.name));
            }
            for column in numbered {
                self.scripts.tables.push(identity::next_number(table, column));
            }
        }
    }

    fn alter_column(
        &mut self,
        table: &Staying<'a, '_>,
        from: &ColumnDefinition,
        to: &ColumnDefinition,
        actions: &mut Vec<String>,
    ) {
        let changed = ColumnAttribute::between(from, to);
        let is_retyped = table.is_retyped(&to.name);
        let name = PostgresDialect.quoted(&to.name);
        let of_column = |action: &str| format!("ALTER COLUMN {name} {action}");
        if from.identity.is_some() && to.identity.is_none() {
            self.scripts.tables.push(identity::without_numbers(table, to));
        }
        if from.default.is_some() && (to.default.is_none() || is_retyped) {
            actions.push(of_column("DROP DEFAULT"));
        }
        if !from.nullable && to.nullable {
            actions.push(of_column("DROP NOT NULL"));
        }
        if is_retyped {
            actions.extend(self.retype(table, from, to).map(|action| of_column(&action)));
        }
        if from.nullable && !to.nullable && is_required_at_once(table, from, to) {
            actions.push(of_column("SET NOT NULL"));
        }
        match (from.identity, to.identity) {
            (None, Some(_)) => {
                let value = self.value(table, to);
                actions.push(of_column(&format!("ADD{value}")));
            }
            (Some(Identity::ByDefault), Some(Identity::Always)) => {
                self.scripts.tables.push(identity::from_sequence(table, to));
                actions.push(of_column("SET GENERATED ALWAYS"));
            }
            (Some(Identity::Always), Some(Identity::ByDefault)) => {
                actions.push(of_column("SET GENERATED BY DEFAULT"));
            }
            _ => {}
        }
        if to.default.is_some() && (changed.contains(&ColumnAttribute::Default) || is_retyped) {
            let value = self.value(table, to);
            actions.push(of_column(&format!("SET{value}")));
        }
    }

    /// What the column takes, as it stands behind a column, with a blank before it.
    fn value(&mut self, table: &Staying<'a, '_>, column: &ColumnDefinition) -> String {
        let field = column_field(table, column);
        create::value(&mut self.draft, table.planned, &field, column)
    }

    fn retype(&mut self, table: &Staying<'a, '_>, from: &ColumnDefinition, to: &ColumnDefinition) -> Option<String> {
        let name = PostgresDialect.quoted(&to.name);
        let (written, collation) = create::column_type(&mut self.draft, table.planned, &column_field(table, to), to)?;
        let is_carried = self.types.is_replaced(&to.column_type) && from.column_type.is_same(&to.column_type);
        let using = match to.column_type {
            ColumnType::Declared(_) if self.types.is_text(&to.column_type) => Some(format!("{name}::text")),
            _ if is_carried => Some(self.carried(&name, &to.column_type, &written)),
            _ => cast::using(&name, &from.column_type, &to.column_type, &written),
        };
        // Without one a column loses the collation that it had.
        let using = using.map(|using| format!(" USING {using}")).unwrap_or_default();
        Some(format!("TYPE {written}{collation}{using}"))
    }

    /// Makes columns NOT NULL behind a check whose look at the rows holds nobody up.
    pub(super) fn finish_required(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            for (from, to) in table.common_columns() {
                let is_new = from.nullable && !to.nullable && !table.is_recreated(&to.name);
                if !is_new || is_required_at_once(table, from, to) {
                    continue;
                }
                let (on, column) = (&table.planned.name, PostgresDialect.quoted(&to.name));
                let check = names::required_name(&table.new.name, &to.name, PostgresDialect.max_name_length());
                let quoted = PostgresDialect.quoted(&check);
                let add = format!("ALTER TABLE {on} ADD CONSTRAINT {quoted} CHECK ({column} IS NOT NULL) NOT VALID;");
                self.scripts.tables.push(add);
                self.validate(table, &check);
                self.scripts.last.push(format!("ALTER TABLE {on} ALTER COLUMN {column} SET NOT NULL;"));
                self.scripts.last.push(format!("ALTER TABLE {on} DROP CONSTRAINT {quoted};"));
            }
        }
    }
}

/// True where the rows are looked at anyway, or what is made next needs it.
pub(super) fn is_required_at_once(table: &Staying<'_, '_>, from: &ColumnDefinition, to: &ColumnDefinition) -> bool {
    let is_key = table.new.key_columns().iter().any(|column| crate::model::schema::definition::same(column, &to.name));
    table.is_retyped(&to.name) || is_key || (from.identity.is_none() && to.identity.is_some())
}

fn new_columns<'a>(table: &Staying<'a, '_>) -> impl Iterator<Item = &'a ColumnDefinition> {
    table.changes.iter().filter_map(|change| match change {
        TableChange::AddColumn { column, .. } => Some(&**column),
        _ => None,
    })
}

fn column_field(table: &Staying<'_, '_>, column: &ColumnDefinition) -> String {
    let place = table.new.columns.iter().position(|found| found.name == column.name).unwrap_or_default();
    format!("{}.columns[{place}]", table.planned.field)
}
