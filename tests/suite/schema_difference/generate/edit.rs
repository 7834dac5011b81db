//! Random edits: most of a schema stays, some of it changes, and some of it is called otherwise.

use dbkeeper::{
    grpc::proto::v1,
    model::schema::definition::{SchemaDefinition, TypeShape},
};

use super::{
    Abilities, DOMAIN, Dice, TABLES, column, column_names, composite, domain, foreign_key, labels, part, repaired,
    table, view,
};

/// The schema after a few edits, and the hints for what has another name.
pub(in super::super) fn edited(
    dice: &mut Dice,
    abilities: Abilities,
    definition: &SchemaDefinition,
) -> (SchemaDefinition, v1::RenameHints) {
    let mut edited = definition.clone();
    for _ in 0..1 + dice.below(8) {
        edit(dice, abilities, &mut edited);
    }
    edited = repaired(edited, abilities);
    let mut hints = v1::RenameHints::default();
    if dice.percent(40) {
        rename_column(dice, definition, &mut edited, &mut hints);
    }
    if dice.percent(40) {
        rename_table(dice, definition, &mut edited, &mut hints);
    }
    (repaired(edited, abilities), hints)
}

fn edit(dice: &mut Dice, abilities: Abilities, definition: &mut SchemaDefinition) {
    let place = dice.below(definition.tables.len());
    match dice.below(14) {
        0 if definition.tables.len() > 1 => drop(definition.tables.remove(place)),
        1 => {
            let name = *dice.one(&TABLES);
            if definition.find_table("", name).is_none() {
                definition.tables.push(table(dice, abilities, name));
            }
        }
        2 => edit_type(dice, definition),
        3 => foreign_key(dice, abilities, definition),
        4 if !definition.views.is_empty() => {
            let place = dice.below(definition.views.len());
            definition.views.remove(place);
        }
        4 => {
            let number = dice.below(4);
            view(dice, definition, number);
        }
        5 | 6 => {
            let names = column_names(abilities);
            let name = *dice.one(&names);
            let table = &mut definition.tables[place];
            let at = dice.below(table.columns.len() + 1);
            if table.column(name).is_none() {
                let column = column(dice, abilities, name);
                table.columns.insert(at, column);
            }
        }
        7 if definition.tables[place].columns.len() > 1 => {
            let columns = &mut definition.tables[place].columns;
            let at = dice.below(columns.len());
            columns.remove(at);
        }
        8 | 9 => {
            let names = column_names(abilities);
            let table = &mut definition.tables[place];
            let at = dice.below(table.columns.len());
            if let Some(name) = names.iter().find(|name| **name == table.columns[at].name) {
                table.columns[at] = column(dice, abilities, name);
            }
        }
        10 => drop_part(dice, &mut definition.tables[place]),
        11 => {
            let columns = &mut definition.tables[place].columns;
            let (one, other) = (dice.below(columns.len()), dice.below(columns.len()));
            columns.swap(one, other);
        }
        12 if abilities.comments => definition.tables[place].comment = format!("edited {}", dice.below(3)),
        _ => part(dice, abilities, &mut definition.tables[place]),
    }
}

fn edit_type(dice: &mut Dice, definition: &mut SchemaDefinition) {
    let place = dice.below(definition.types.len());
    let found = &mut definition.types[place];
    found.shape = match &found.shape {
        // Half of the time labels are only added.
        TypeShape::Enum(had) if dice.percent(50) => {
            let mut grown = had.clone();
            for label in labels(dice) {
                if !grown.contains(&label) {
                    let at = dice.below(grown.len() + 1);
                    grown.insert(at, label);
                }
            }
            TypeShape::Enum(grown)
        }
        TypeShape::Enum(_) => TypeShape::Enum(labels(dice)),
        TypeShape::Domain { .. } => {
            assert_eq!(found.name, DOMAIN);
            domain(dice)
        }
        TypeShape::Composite(_) => composite(dice),
    };
}

fn drop_part(dice: &mut Dice, table: &mut dbkeeper::model::schema::definition::TableDefinition) {
    match dice.below(5) {
        0 => table.primary_key = None,
        1 => drop(table.unique_constraints.pop()),
        2 => drop(table.foreign_keys.pop()),
        3 => drop(table.checks.pop()),
        _ => drop(table.indexes.pop()),
    }
}

/// Calls a table otherwise that is on both sides.
fn rename_table(dice: &mut Dice, before: &SchemaDefinition, after: &mut SchemaDefinition, hints: &mut v1::RenameHints) {
    let place = dice.below(after.tables.len());
    let (from, to) = (after.tables[place].name.clone(), "renamed Table".to_owned());
    if before.find_table("", &from).is_none() {
        return;
    }
    after.tables[place].name.clone_from(&to);
    for key in after.tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
        if key.referenced_table == from {
            key.referenced_table.clone_from(&to);
        }
    }
    let quoted = |name: &str| format!("FROM \"{}\"", name.replace('"', "\"\""));
    for view in &mut after.views {
        view.query = view.query.replace(&quoted(&from), &quoted(&to));
    }
    hints.tables.push(v1::RenamedObject { schema: String::new(), from, to });
}

/// Calls a column otherwise that is on both sides.
fn rename_column(
    dice: &mut Dice,
    before: &SchemaDefinition,
    after: &mut SchemaDefinition,
    hints: &mut v1::RenameHints,
) {
    let place = dice.below(after.tables.len());
    let table = &mut after.tables[place];
    let at = dice.below(table.columns.len());
    let (from, to) = (table.columns[at].name.clone(), "renamed Column".to_owned());
    let is_there = before.find_table("", &table.name).is_some_and(|table| table.column(&from).is_some());
    // What others point to would have to be renamed there, too; the key of a table keeps its name.
    if !is_there || from == "id" {
        return;
    }
    table.columns[at].name.clone_from(&to);
    let rename = |name: &mut String| {
        if *name == from {
            name.clone_from(&to);
        }
    };
    table.unique_constraints.iter_mut().flat_map(|key| &mut key.columns).for_each(rename);
    table.foreign_keys.iter_mut().flat_map(|key| &mut key.columns).for_each(rename);
    table.indexes.iter_mut().flat_map(|index| &mut index.columns).for_each(|part| rename(&mut part.column));
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let in_text = |text: &mut String| *text = text.replace(&quoted(&from), &quoted(&to));
    table.checks.iter_mut().for_each(|check| in_text(&mut check.expression));
    table.indexes.iter_mut().for_each(|index| in_text(&mut index.predicate));
    table
        .columns
        .iter_mut()
        .filter_map(|column| column.generated.as_mut())
        .for_each(|value| in_text(&mut value.expression));
    let table = table.name.clone();
    hints.columns.push(v1::RenamedColumn { schema: String::new(), table, from, to });
}
