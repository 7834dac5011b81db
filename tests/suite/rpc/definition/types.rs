//! The table of types: what docs/types.md says is what each engine writes, and what comes back is what it says.

use std::{collections::BTreeMap, fs, path::PathBuf};

use dbkeeper::{
    engine::Engines,
    grpc::proto::v1,
    model::{connection::EngineKind, schema::NeutralType},
};
use v1::column_type::Type;

/// Changes a column into what an engine makes of it.
pub(super) fn fold(column: &mut v1::ColumnDefinition, checks: &mut Vec<v1::CheckDefinition>, engine: v1::Engine) {
    if engine != v1::Engine::Sqlite {
        return;
    }
    column.comment.clear();
    let Some(Type::Neutral(neutral)) = column.r#type.as_mut().and_then(|found| found.r#type.as_mut()) else { return };
    let mut check = |expression: String, engine: v1::Engine| {
        checks.push(v1::CheckDefinition { name: String::new(), expression, engine: engine.into() });
    };
    let name = if column.name == "it's; --" { format!("\"{}\"", column.name) } else { column.name.clone() };
    use v1::NeutralType as T;
    let to = match neutral.r#type() {
        T::Boolean => {
            check(format!("{name} IN (0, 1)"), v1::Engine::Unspecified);
            if let Some(v1::default_value::Value::Literal(text)) =
                column.default.as_mut().and_then(|found| found.value.as_mut())
            {
                *text = if text == "true" { "1" } else { "0" }.to_owned();
            }
            T::Int64
        }
        T::Int8 | T::Int16 | T::Int24 | T::Int32 | T::Int64 => T::Int64,
        T::Decimal | T::Float32 | T::Float64 => T::Float64,
        T::Text if neutral.length > 0 => {
            check(format!("length({name}) <= {}", neutral.length), v1::Engine::Sqlite);
            T::Text
        }
        T::Json => {
            check(format!("json_valid({name})"), v1::Engine::Sqlite);
            T::Text
        }
        T::Bytes => T::Bytes,
        _ => T::Text,
    };
    *neutral = v1::NeutralColumnType { r#type: to.into(), ..Default::default() };
}

const ENGINES: [EngineKind; 3] = [EngineKind::Postgresql, EngineKind::Mysql, EngineKind::Sqlite];
/// Numbers that stand for all in the table.
const SAMPLES: [(&str, &str, &str); 7] = [
    ("decimal(p,s)", "decimal(10,2)", ""),
    ("char(n)", "char(40)", "40"),
    ("text(n)", "text(40)", "40"),
    ("time(n)", "time(3)", "3"),
    ("time_tz(n)", "time_tz(3)", "3"),
    ("timestamp(n)", "timestamp(3)", "3"),
    ("timestamp_tz(n)", "timestamp_tz(3)", "3"),
];

/// The rows of the table by the neutral type, a cell an engine.
fn table() -> BTreeMap<String, Vec<String>> {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/types.md");
    let page = fs::read_to_string(page).unwrap();
    let (first, _) = page.split_once("## Declared types").expect("the first table ends");
    let rows = first.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().replace('`', "")).collect()
    };
    rows.map(cells).map(|cells| (cells[0].clone(), cells[1..].to_vec())).collect()
}

#[test]
fn the_table_of_types_is_what_the_engines_write() {
    let table = table();
    let forms: Vec<&str> = NeutralType::FORMS.split(", ").map(str::trim).collect();
    assert_eq!(table.len(), forms.len(), "docs/types.md has a row for each type");
    for form in forms {
        let sample = SAMPLES.iter().find(|(known, ..)| *known == form);
        let (sample, number) = sample.map_or((form, ""), |(_, sample, number)| (sample, number));
        let neutral = NeutralType::parse(sample).expect(form);
        let row = &table[form];
        for (engine, cell) in ENGINES.into_iter().zip(row) {
            let written = match Engines::dialect(engine).unwrap().written_type(neutral) {
                Err(_) => "—".to_owned(),
                Ok(written) => match written.check {
                    None => written.text,
                    Some(check) => format!("{} CHECK ({})", written.text, check.replace('?', "x")),
                },
            };
            let told = cell.replace("(p,s)", "(10,2)").replace("(n)", &format!("({number})"));
            let told = told.replace("<= n", &format!("<= {number}"));
            assert_eq!(told, written, "{form} of {}", engine.as_str());
        }
    }
}
