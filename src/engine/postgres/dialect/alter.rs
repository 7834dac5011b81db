//! The change of a schema in the statements of PostgreSQL 13 and newer.
//!
//! What locks a table for long is done beside the work of others where the server can: indexes are built concurrently and become
//! keys afterwards, checks and foreign keys are added without looking at rows and validated later, and a column is made NOT NULL
//! behind a validated check. <https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES>

mod cast;
mod column;
mod constraint;
mod effect;
mod identity;
mod remade;
mod staying;
mod types;
mod view;

use self::{staying::Staying, types::TypePlans};
use super::{
    PostgresDialect,
    create::{self, comment_text},
};
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            AlterScript, Altered, Remade,
            create::{Draft, PlannedTable, foreign_key},
            names,
        },
    },
    model::schema::{
        ObjectName,
        definition::full_name,
        difference::{Change, SchemaDifference, TableChange},
    },
};

/// The scripts in their order; each is filled by whatever belongs there.
#[derive(Default)]
struct Scripts {
    /// New labels of enumerated types, which cannot be used in the transaction that adds them.
    labels: Vec<String>,
    /// Everything that goes, types, tables and columns.
    tables: Vec<String>,
    /// Indexes of tables that were there, built beside the work of others.
    indexes: Vec<String>,
    /// Keys over those indexes, and foreign keys.
    keys: Vec<String>,
    /// Looks at the rows for what was added without.
    validations: Vec<String>,
    /// What needs the keys, or the rows looked at.
    last: Vec<String>,
    /// Indexes that go, beside the work of others.
    dropped_indexes: Vec<String>,
}

impl Scripts {
    fn in_order(self) -> Vec<AlterScript> {
        let all = [
            ("add labels to types", self.labels, true),
            ("change tables", self.tables, true),
            ("build indexes", self.indexes, false),
            ("add keys", self.keys, true),
            ("validate constraints", self.validations, false),
            ("finish", self.last, true),
            ("drop indexes", self.dropped_indexes, false),
        ];
        let filled = all.into_iter().filter(|(_, statements, _)| !statements.is_empty());
        filled.map(|(title, statements, transactional)| AlterScript { title, statements, transactional }).collect()
    }
}

/// A change while it is written.
struct Alter<'a> {
    difference: &'a SchemaDifference,
    /// The target, which new things are written out of.
    draft: Draft<'a>,
    types: TypePlans<'a>,
    scripts: Scripts,
    /// Views that are dropped and made again, and functions that are replaced.
    remade: Vec<Remade>,
}

pub(super) fn alter(difference: &SchemaDifference) -> Altered {
    let mut draft = Draft::new(&PostgresDialect, &difference.target);
    let mut planned = draft.tables();
    // Keys are added once the tables that they point to have theirs.
    planned.iter_mut().flat_map(|table| &mut table.foreign_keys).for_each(|key| key.is_early = true);
    let types = TypePlans::of(difference);
    let staying = Staying::all(difference, &planned, &types);
    let mut alter = Alter { difference, draft, types, scripts: Scripts::default(), remade: Vec::new() };
    alter.all(&planned, &staying);
    let effects = effect::all(difference, &staying, &alter.types, &alter.new_names());
    alter.remade.extend(remade::remade(&staying, &alter.types));
    let Alter { draft, scripts, remade, .. } = alter;
    let created = draft.finish();
    Altered {
        scripts: scripts.in_order(),
        effects,
        remade,
        unsupported: created.unsupported,
        more_unsupported: created.more_unsupported,
        is_too_large: created.is_too_large,
    }
}

impl<'a> Alter<'a> {
    fn all(&mut self, planned: &[PlannedTable<'a>], staying: &[Staying<'a, '_>]) {
        let dropped_views = self.drop_views(staying);
        self.add_labels();
        self.rename(staying);
        self.drop_foreign_keys(staying);
        self.drop_tables();
        self.drop_constraints(staying);
        self.drop_columns(staying);
        self.create_schemas();
        self.change_types();
        self.add_columns(staying);
        self.alter_columns(staying);
        self.add_generated_columns(staying);
        self.drop_types();
        self.create_tables(planned);
        self.add_constraints(staying);
        self.comment(staying);
        self.add_triggers(planned, staying);
        self.create_views(&dropped_views, staying);
        self.finish_required(staying);
    }

    /// What the draft has written since it was asked last.
    fn written(&mut self) -> Vec<String> {
        self.draft.take()
    }

    fn create_schemas(&mut self) {
        let had = create::schemas(&self.difference.source);
        create::create_schemas(&mut self.draft, &had);
        let written = self.written();
        self.scripts.tables.extend(written);
    }

    fn rename(&mut self, staying: &[Staying<'a, '_>]) {
        for change in &self.difference.changes {
            if let Change::RenameType { from, to } = change {
                let to = PostgresDialect.quoted(&to.name);
                self.scripts.tables.push(format!("ALTER TYPE {} RENAME TO {to};", PostgresDialect.qualified(from)));
            }
        }
        for table in staying {
            self.scripts.tables.extend(table.dropped_triggers());
            self.scripts.tables.extend(table.renames());
        }
    }

    fn drop_tables(&mut self) {
        let gone: Vec<String> = self
            .difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::DropTable(table) => Some(PostgresDialect.qualified(&table.object_name())),
                _ => None,
            })
            .collect();
        // In one statement, because they may point to each other.
        if !gone.is_empty() {
            self.scripts.tables.push(format!("DROP TABLE {};", gone.join(", ")));
        }
    }

    fn create_tables(&mut self, planned: &[PlannedTable<'a>]) {
        let new = self.new_tables(planned);
        for table in &new {
            create::create_table(&mut self.draft, table);
            create::create_indexes(&mut self.draft, table);
        }
        let written = self.written();
        self.scripts.tables.extend(written);
        for table in new {
            for key in &table.foreign_keys {
                let key = foreign_key(&PostgresDialect, table.table, key);
                self.scripts.keys.push(format!("ALTER TABLE {} ADD {key};", table.name));
            }
        }
    }

    fn new_tables<'p>(&self, planned: &'p [PlannedTable<'a>]) -> Vec<&'p PlannedTable<'a>> {
        let new: std::collections::HashSet<ObjectName> = self
            .difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::CreateTable(table) => Some(table.object_name()),
                _ => None,
            })
            .collect();
        planned.iter().filter(|table| new.contains(&table.table.object_name())).collect()
    }

    /// Comments of tables, columns and indexes that were there.
    fn comment(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            for change in &table.changes {
                match change {
                    TableChange::Comment { to, .. } => {
                        self.scripts.tables.push(comment_text("TABLE", &table.planned.name, to));
                    }
                    // A column that is made anew has it from there.
                    TableChange::AlterColumn { from, to }
                        if from.comment != to.comment && !table.is_recreated(&to.name) =>
                    {
                        let name = table.column_name(&to.name);
                        self.scripts.tables.push(comment_text("COLUMN", &name, &to.comment));
                    }
                    TableChange::CommentIndex { index, .. } if !table.is_rebuilt(index) => {
                        let name = table.index_name(&index.name);
                        self.scripts.tables.push(comment_text("INDEX", &name, &index.comment));
                    }
                    _ => {}
                }
            }
        }
    }

    fn add_triggers(&mut self, planned: &[PlannedTable<'a>], staying: &[Staying<'a, '_>]) {
        let mut touched = Vec::new();
        for table in self.new_tables(planned) {
            let columns = table.table.columns.iter().filter(|column| column.touched_on_update);
            touched.extend(columns.map(|column| (table, column)));
        }
        for table in staying {
            touched.extend(table.new_triggers().into_iter().map(|column| (table.planned, column)));
        }
        self.remade.extend(touched.iter().map(|(table, column)| {
            let function = names::function_name(&column.name, PostgresDialect.max_name_length());
            Remade::Part(format!("function {}", full_name(&table.table.schema, &function)))
        }));
        // The functions may be there from other tables.
        create::create_triggers(&mut self.draft, &touched, "CREATE OR REPLACE FUNCTION");
        let written = self.written();
        self.scripts.tables.extend(written);
    }
}
