//! Random schemas out of a seed: whatever an engine can have, with hard names, on which rows can be kept.

mod edit;
mod repair;

use dbkeeper::model::schema::{
    NeutralType, ObjectName, ReferentialAction,
    definition::{
        CheckDefinition, ColumnDefinition, ColumnType, DefaultValue, ForeignKeyDefinition, GeneratedValue, Identity,
        IndexColumn, IndexDefinition, KeyDefinition, SchemaDefinition, TableDefinition, TypeDefinition, TypeField,
        TypeShape, ViewDefinition,
    },
};

pub(super) use self::{edit::edited, repair::repaired};

/// What an engine can have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abilities {
    /// Types are declared, composite ones among them.
    pub(super) types: bool,
    /// Checks of foreign keys can wait.
    pub(super) deferred: bool,
    /// Indexes can have a condition.
    pub(super) partial_indexes: bool,
    /// Indexes for searches by words.
    pub(super) full_text: bool,
    /// A text of any length can be in a key or an index.
    pub(super) keyed_texts: bool,
    /// Tables and columns keep comments.
    pub(super) comments: bool,
    /// Computed columns can be computed when they are read.
    pub(super) virtual_columns: bool,
}

/// A source of choices that a seed decides.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn some<T: Clone>(&mut self, of: &[T], chance: usize) -> Vec<T> {
        of.iter().filter(|_| self.percent(chance)).cloned().collect()
    }
}

const TABLES: [&str; 8] = ["artist", "album", "Track Row", "order", "a\"b.c", "größe", "日本", "select"];
/// Columns by what they hold: a name always holds the same sort of value, so that every value fits wherever it goes.
const NUMBERS: [&str; 3] = ["count", "Order Nr", "from"];
const TEXTS: [&str; 3] = ["title", "Na\"me", "group"];
const DECIMALS: [&str; 2] = ["price", "Größe"];
const COMPUTED: &str = "twice";
const TOUCHED: &str = "updated_at";
const ENUM: &str = "mood";
const DOMAIN: &str = "Score";
pub(super) const COMPOSITE: &str = "pair";
const LABELS: [&str; 5] = ["a", "b b", "it's", "d", "ü"];

/// A schema of a few tables.
pub(super) fn schema(dice: &mut Dice, abilities: Abilities) -> SchemaDefinition {
    let mut definition = SchemaDefinition { types: types(dice, abilities), ..Default::default() };
    for name in dice.some(&TABLES, 50) {
        definition.tables.push(table(dice, abilities, name));
    }
    if definition.tables.is_empty() {
        definition.tables.push(table(dice, abilities, TABLES[0]));
    }
    for _ in 0..dice.below(6) {
        foreign_key(dice, abilities, &mut definition);
    }
    for number in 0..dice.below(4) {
        view(dice, &mut definition, number);
    }
    repaired(definition, abilities)
}

fn types(dice: &mut Dice, abilities: Abilities) -> Vec<TypeDefinition> {
    let mut types = vec![declared(ENUM, TypeShape::Enum(labels(dice)))];
    if abilities.types {
        types.push(declared(DOMAIN, domain(dice)));
        types.push(declared(COMPOSITE, composite(dice)));
    }
    types
}

fn declared(name: &str, shape: TypeShape) -> TypeDefinition {
    TypeDefinition { schema: String::new(), name: name.to_owned(), comment: String::new(), shape }
}

/// The first label is always there, because rows have it.
fn labels(dice: &mut Dice) -> Vec<String> {
    let mut labels = vec![LABELS[0].to_owned()];
    for label in dice.some(&LABELS[1..], 60) {
        let place = dice.below(labels.len() + 1);
        labels.insert(place, label.to_owned());
    }
    labels
}

fn domain(dice: &mut Dice) -> TypeShape {
    let bits = *dice.one(&[32, 64]);
    let base = ColumnType::Neutral(NeutralType::Integer { bits, unsigned: false });
    let check = |name: &str, expression: &str| CheckDefinition {
        name: name.to_owned(),
        expression: expression.to_owned(),
        engine: None,
    };
    let checks = dice.some(&[check("low", "VALUE >= 0"), check("high", "VALUE < 1000")], 60);
    TypeShape::Domain { base, required: false, checks }
}

fn composite(dice: &mut Dice) -> TypeShape {
    let field = |name: &str, column_type: ColumnType| TypeField { name: name.to_owned(), column_type };
    let all = [
        field("x", number(dice)),
        field("The y", ColumnType::Neutral(NeutralType::Text { length: None })),
        field("mood", declared_type(ENUM)),
    ];
    let mut fields = dice.some(&all, 60);
    if fields.is_empty() {
        fields.push(all[0].clone());
    }
    TypeShape::Composite(fields)
}

fn declared_type(name: &str) -> ColumnType {
    ColumnType::Declared(ObjectName { schema: String::new(), name: name.to_owned() })
}

fn number(dice: &mut Dice) -> ColumnType {
    ColumnType::Neutral(NeutralType::Integer { bits: *dice.one(&[16, 32, 64]), unsigned: false })
}

pub(super) fn table(dice: &mut Dice, abilities: Abilities, name: &str) -> TableDefinition {
    let mut table = TableDefinition { name: name.to_owned(), ..Default::default() };
    if dice.percent(85) {
        let identity = *dice.one(&[None, Some(Identity::ByDefault)]);
        let column_type = ColumnType::Neutral(NeutralType::Integer { bits: 64, unsigned: false });
        table.columns.push(ColumnDefinition { name: "id".to_owned(), column_type, identity, ..Default::default() });
        table.primary_key = Some(KeyDefinition { name: String::new(), columns: vec!["id".to_owned()] });
    }
    for name in column_names(abilities) {
        if dice.percent(40) {
            table.columns.push(column(dice, abilities, name));
        }
    }
    if table.columns.is_empty() {
        table.columns.push(column(dice, abilities, TEXTS[0]));
    }
    if dice.percent(60) {
        let first = if table.primary_key.is_some() { 1 } else { 0 };
        let place = first + dice.below(table.columns.len() + 1 - first);
        let last = table.columns.pop().unwrap();
        table.columns.insert(place.min(table.columns.len()), last);
    }
    if abilities.comments && dice.percent(30) {
        table.comment = format!("it's {}", dice.below(3));
    }
    for _ in 0..dice.below(4) {
        part(dice, abilities, &mut table);
    }
    table
}

fn column_names(abilities: Abilities) -> Vec<&'static str> {
    let mut names = vec![ENUM, "active", "token", "day", COMPUTED, TOUCHED];
    names.extend(NUMBERS);
    names.extend(TEXTS);
    names.extend(DECIMALS);
    if abilities.types {
        names.extend([DOMAIN, COMPOSITE]);
    }
    names
}

/// A column of a name, of one of the types that its values fit.
pub(super) fn column(dice: &mut Dice, abilities: Abilities, name: &str) -> ColumnDefinition {
    use NeutralType as T;
    let is_text = TEXTS.contains(&name);
    let column_type = match name {
        ENUM | DOMAIN | COMPOSITE => declared_type(name),
        "active" => ColumnType::Neutral(T::Boolean),
        "token" => ColumnType::Neutral(T::Uuid),
        "day" => ColumnType::Neutral(*dice.one(&[
            T::Date,
            T::timestamp(false),
            T::timestamp(false).with_second_digits(0),
            T::timestamp(false).with_second_digits(3),
        ])),
        TOUCHED => ColumnType::Neutral(T::timestamp(true)),
        _ if is_text => ColumnType::Neutral(T::Text { length: *dice.one(&[None, Some(40), Some(80)]) }),
        _ if DECIMALS.contains(&name) => {
            ColumnType::Neutral(T::Decimal { digits: *dice.one(&[Some((10, 2)), Some((12, 4)), Some((12, 2))]) })
        }
        _ => number(dice),
    };
    let default = match name {
        "active" => DefaultValue::Literal("true".to_owned()),
        ENUM => DefaultValue::Literal(LABELS[0].to_owned()),
        TOUCHED => DefaultValue::CurrentTimestamp,
        "token" => DefaultValue::NewUuid,
        "day" | COMPOSITE => DefaultValue::Literal(String::new()),
        _ if is_text => DefaultValue::Literal(dice.one(&["x", "it's", ""]).to_string()),
        _ => DefaultValue::Literal(dice.one(&["1", "5"]).to_string()),
    };
    let has_default = dice.percent(40) && default != DefaultValue::Literal(String::new());
    let mut column = ColumnDefinition {
        name: name.to_owned(),
        column_type,
        nullable: dice.percent(50),
        default: has_default.then_some(default),
        ..Default::default()
    };
    if name == TOUCHED {
        column.default = Some(DefaultValue::CurrentTimestamp);
        column.touched_on_update = dice.percent(60);
    }
    if name == COMPUTED && dice.percent(60) {
        let expression = format!("{:?} * {}", NUMBERS[0], 2 + dice.below(2));
        let stored = !abilities.virtual_columns || dice.percent(50);
        column.generated = Some(GeneratedValue { expression, stored, engine: None });
        (column.default, column.nullable) = (None, true);
        column.column_type = ColumnType::Neutral(T::Integer { bits: 64, unsigned: false });
    }
    if abilities.comments && dice.percent(20) {
        column.comment = format!("comment {}", dice.below(3));
    }
    column
}

/// A key, check or index, over whatever columns there are in the end.
pub(super) fn part(dice: &mut Dice, abilities: Abilities, table: &mut TableDefinition) {
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let columns = dice.some(&names, 30);
    match dice.below(4) {
        0 => {
            let name = if dice.percent(30) { format!("{} unique", table.name) } else { String::new() };
            table.unique_constraints.push(KeyDefinition { name, columns });
        }
        1 => {
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let expression = match dice.below(3) {
                0 => format!("{} >= 0", quoted(NUMBERS[dice.below(3)])),
                1 => format!("{} <> 'no'", quoted(TEXTS[dice.below(3)])),
                _ => format!("{} > 0.5 OR {} < 7", quoted(DECIMALS[dice.below(2)]), quoted(NUMBERS[dice.below(3)])),
            };
            let name = format!("ck {} {}", table.name, table.checks.len());
            table.checks.push(CheckDefinition { name, expression, engine: None });
        }
        _ => index(dice, abilities, table, columns),
    }
}

fn index(dice: &mut Dice, abilities: Abilities, table: &mut TableDefinition, columns: Vec<String>) {
    let full_text = abilities.full_text && dice.percent(20);
    let texts: Vec<String> = columns.iter().filter(|name| TEXTS.contains(&name.as_str())).cloned().collect();
    let columns = if full_text { texts } else { columns };
    let columns: Vec<IndexColumn> =
        columns.into_iter().map(|column| IndexColumn { column, descending: !full_text && dice.percent(30) }).collect();
    let mut index = IndexDefinition { columns, full_text, ..Default::default() };
    if !full_text {
        index.unique = dice.percent(30);
        if abilities.partial_indexes && dice.percent(30) {
            index.predicate = format!("{:?} > 0", NUMBERS[0]);
        }
    }
    if dice.percent(30) {
        index.name = format!("ix {} {}", table.name, table.indexes.len());
    }
    if abilities.comments && dice.percent(20) {
        index.comment = format!("comment {}", dice.below(3));
    }
    table.indexes.push(index);
}

/// A foreign key to the primary key of a table, over a column of its own.
pub(super) fn foreign_key(dice: &mut Dice, abilities: Abilities, definition: &mut SchemaDefinition) {
    let target = dice.one(&definition.tables).name.clone();
    let place = dice.below(definition.tables.len());
    let column = format!("{target} id");
    let table = &mut definition.tables[place];
    if table.column(&column).is_some() {
        return;
    }
    let action = |dice: &mut Dice| {
        use ReferentialAction as A;
        *dice.one(&[A::NoAction, A::Cascade, A::SetNull])
    };
    table.columns.push(ColumnDefinition {
        name: column.clone(),
        column_type: ColumnType::Neutral(NeutralType::Integer { bits: 64, unsigned: false }),
        nullable: true,
        ..Default::default()
    });
    table.foreign_keys.push(ForeignKeyDefinition {
        name: if dice.percent(30) { format!("fk {} {target}", table.name) } else { String::new() },
        columns: vec![column],
        referenced_table: target,
        on_update: ReferentialAction::NoAction,
        on_delete: action(dice),
        deferred: abilities.deferred && dice.percent(30),
        ..Default::default()
    });
}

/// A view of a table, or of a view that is there.
pub(super) fn view(dice: &mut Dice, definition: &mut SchemaDefinition, number: usize) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let name = format!("view {number}");
    if definition.views.iter().any(|view| view.name == name) {
        return;
    }
    let query = match definition.views.is_empty() || dice.percent(60) {
        true => {
            let table = dice.one(&definition.tables);
            let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
            let mut columns = dice.some(&names, 50);
            if columns.is_empty() {
                columns.push(names[0].clone());
            }
            let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
            format!("SELECT {} FROM {}", columns.join(", "), quoted(&table.name))
        }
        false => format!("SELECT count(*) AS \"how many\" FROM {}", quoted(&dice.one(&definition.views).name)),
    };
    definition.views.push(ViewDefinition { name, query, ..Default::default() });
}
