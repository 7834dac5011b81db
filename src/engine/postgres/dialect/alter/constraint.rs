//! Keys, checks and indexes of tables that were there.

use std::collections::HashSet;

use super::{Alter, staying::Staying};
use crate::{
    engine::{
        Dialect as _,
        dialect::create::{columns, foreign_key},
        postgres::dialect::{
            PostgresDialect,
            create::{self, comment_text},
        },
    },
    model::schema::{
        definition::{KeyDefinition, folded},
        difference::{Change, TableChange},
    },
};

impl<'a> Alter<'a> {
    /// Before the keys and the tables that they point to.
    pub(super) fn drop_foreign_keys(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            for key in &table.dropped_foreign_keys {
                self.drop_constraint(table, &key.name);
            }
        }
    }

    /// Before the columns that they are over.
    pub(super) fn drop_constraints(&mut self, staying: &[Staying<'a, '_>]) {
        let taken = self.new_names();
        for table in staying {
            for check in table.checks().dropped {
                self.drop_constraint(table, &check.name);
            }
            for key in table.primary_key().dropped {
                self.drop_constraint(table, &table.primary_key_name(key));
            }
            for key in table.unique().dropped {
                self.drop_constraint(table, &key.name);
            }
            for index in table.indexes().dropped {
                let name = table.index_name(&index.name);
                match table.goes_early(index, &taken) {
                    true => self.scripts.tables.push(format!("DROP INDEX {name};")),
                    false => self.scripts.dropped_indexes.push(format!("DROP INDEX CONCURRENTLY {name};")),
                }
            }
        }
    }

    fn drop_constraint(&mut self, table: &Staying<'_, '_>, name: &str) {
        let name = PostgresDialect.quoted(name);
        self.scripts.tables.push(format!("ALTER TABLE {} DROP CONSTRAINT {name};", table.planned.name));
    }

    /// Folded names that something gets in this change.
    pub(super) fn new_names(&self) -> HashSet<String> {
        let mut names = HashSet::new();
        for change in &self.difference.changes {
            match change {
                Change::CreateType(found) => names.extend([folded(&found.name)]),
                Change::CreateView(view) => names.extend([folded(&view.name)]),
                Change::CreateTable(table) => {
                    names.insert(folded(&table.name));
                    names.extend(table.indexes.iter().map(|index| folded(&index.name)));
                    names.extend(table.unique_constraints.iter().map(|key| folded(&key.name)));
                }
                Change::AlterTable { table, change } => match change {
                    TableChange::Rename { .. } => names.extend([folded(&table.name)]),
                    TableChange::AddIndex(index) => names.extend([folded(&index.name)]),
                    TableChange::AddUnique(key) | TableChange::AddPrimaryKey(key) => names.extend([folded(&key.name)]),
                    _ => {}
                },
                _ => {}
            }
        }
        names
    }

    pub(super) fn add_constraints(&mut self, staying: &[Staying<'a, '_>]) {
        for table in staying {
            for check in table.checks().added {
                self.add_check(table, &check.name);
            }
            for key in table.primary_key().added {
                self.add_key(table, &table.primary_key_name(key), key, "PRIMARY KEY");
            }
            for key in table.unique().added {
                self.add_key(table, &key.name, key, "UNIQUE");
            }
            self.add_indexes(table);
        }
        for table in staying {
            for key in table.added_foreign_keys.clone() {
                self.add_foreign_key(table, &key.name);
            }
        }
    }

    fn add_check(&mut self, table: &Staying<'_, '_>, name: &str) {
        let Some(place) = table.planned.checks.iter().position(|(found, _)| found == name) else { return };
        let Some(text) = self.draft.check(table.planned, place) else { return };
        self.scripts.tables.push(format!("ALTER TABLE {} ADD {text} NOT VALID;", table.planned.name));
        self.validate(table, name);
    }

    fn add_foreign_key(&mut self, table: &Staying<'_, '_>, name: &str) {
        let Some(key) = table.planned.foreign_keys.iter().find(|key| key.name == name) else { return };
        let text = foreign_key(&PostgresDialect, table.new, key);
        self.scripts.keys.push(format!("ALTER TABLE {} ADD {text} NOT VALID;", table.planned.name));
        self.validate(table, name);
    }

    pub(super) fn validate(&mut self, table: &Staying<'_, '_>, name: &str) {
        let name = PostgresDialect.quoted(name);
        self.scripts.validations.push(format!("ALTER TABLE {} VALIDATE CONSTRAINT {name};", table.planned.name));
    }

    /// The index is built beside the work of others, and becomes the key in a moment.
    fn add_key(&mut self, table: &Staying<'_, '_>, name: &str, key: &KeyDefinition, kind: &str) {
        let (name, columns) = (PostgresDialect.quoted(name), columns(&PostgresDialect, table.new, &key.columns));
        let on = &table.planned.name;
        self.scripts.indexes.push(format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on} ({columns});"));
        self.scripts.keys.push(format!("ALTER TABLE {on} ADD CONSTRAINT {name} {kind} USING INDEX {name};"));
    }

    fn add_indexes(&mut self, table: &Staying<'_, '_>) {
        for added in table.indexes().added {
            let Some(sql) = create::create_index(&mut self.draft, table.planned, &added.name, " CONCURRENTLY") else {
                continue;
            };
            self.scripts.indexes.push(sql);
            if !added.comment.is_empty() {
                let name = table.index_name(&added.name);
                self.scripts.last.push(comment_text("INDEX", &name, &added.comment));
            }
        }
    }
}
