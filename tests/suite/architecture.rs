//! The rules of the house, kept by reading the source: who may name what, how long a file may be, and that the list
//! of errors is whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dbkeeper::model::{ErrorKind, Reason};

/// A file longer than this holds more than one idea.
const MAX_LINES: usize = 500;
/// Engines: each owns the SQL for its databases.
const ENGINES: [&str; 3] = ["sqlite", "postgres", "mysql"];
/// Files outside of `vault/` and `engine/` that read a secret in clear, each with why it must.
const SECRET_READERS: [(&str, &str); 3] = [
    ("src/grpc/client.rs", "a client sends its own API key"),
    ("src/grpc/convert/access.rs", "the text of a new API key is told to its maker, once"),
    ("src/telemetry/export.rs", "the collector is sent its headers"),
];
/// Files outside of `grpc/` that name its crates, each with why it must.
const TRANSPORT_NAMERS: [(&str, &str); 1] =
    [("src/telemetry/export.rs", "the OTLP exporter takes headers in a type that it re-exports from tonic")];
/// Crates that only `grpc/` may name.
const TRANSPORT_CRATES: [&str; 9] = [
    "tonic",
    "tonic_health",
    "tonic_prost",
    "tonic_reflection",
    "tonic_types",
    "tonic_web",
    "prost",
    "prost_reflect",
    "prost_types",
];
/// What only code that speaks SQL to a database contains.
const SQL_MARKS: [&str; 10] = [
    "sqlx::query",
    "sqlx::raw_sql",
    "AssertSqlSafe",
    "query_as(",
    "query_scalar(",
    "raw_sql(",
    "\"SELECT ",
    "\"INSERT INTO ",
    "\"DELETE FROM ",
    "\"CREATE TABLE ",
];

/// A source file without its comments and unit tests.
struct Source {
    /// Path from the root of the project.
    path: String,
    lines: usize,
    code: Vec<(usize, String)>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    let sources: Vec<Source> = files.iter().map(|path| read(path)).collect();
    assert!(sources.len() > 50, "the source was not found");
    sources
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            // A folder `tests` belongs to a module `tests`, as a file of that name does.
            if name != "tests" {
                collect(&path, into);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            into.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let all: Vec<&str> = text.lines().collect();
    // By custom the unit tests are the last thing in a file.
    let tests = all.windows(2).position(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod tests {"));
    let code = all[..tests.unwrap_or(all.len())]
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, (*line).to_owned()))
        .collect();
    let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    Source { path, lines: all.len(), code }
}

/// Every line outside of the allowed files that `breaks` holds for, as `file:line: text`.
fn breaches(allowed: impl Fn(&str) -> bool, breaks: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !allowed(&source.path)) {
        for (number, line) in source.code.iter().filter(|(_, line)| breaks(line)) {
            found.push(format!("{}:{number}: {}", source.path, line.trim()));
        }
    }
    found
}

/// True where `path` is the module `module` or lies in it.
fn within(path: &str, module: &str) -> bool {
    path.strip_prefix("src/")
        .and_then(|path| path.strip_prefix(module))
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// True where a line names a crate: as the first part of a path, or in a `use` of the crate itself.
fn names(line: &str, krate: &str) -> bool {
    line.match_indices(krate).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = &line[start + krate.len()..];
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
        begins && (after.starts_with("::") || (line.trim_start().starts_with("use ") && after.starts_with(';')))
    })
}

/// True where a line takes a file of SQL into the binary.
fn includes_sql(line: &str) -> bool {
    line.contains("include_str!(") && line.contains(".sql\"")
}

fn assert_none(breaches: &[String], rule: &str) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

#[test]
fn only_the_edge_names_the_transport() {
    let allowed = |path: &str| within(path, "grpc") || TRANSPORT_NAMERS.iter().any(|(file, _)| *file == path);
    let found = breaches(allowed, |line| TRANSPORT_CRATES.iter().any(|krate| names(line, krate)));
    assert_none(&found, "only src/grpc/ names tonic or prost");
}

#[test]
fn only_engines_and_the_store_write_sql() {
    let allowed = |path: &str| {
        let engine = ENGINES.iter().any(|engine| within(path, &format!("engine/{engine}")));
        // The quick start has migrations of its own, which it imports as any user would.
        engine || within(path, "store") || within(path, "cli/quickstart")
    };
    let found = breaches(allowed, |line| SQL_MARKS.iter().any(|mark| line.contains(mark)) || includes_sql(line));
    assert_none(&found, "only src/engine/<name>/ and src/store/ write SQL");
}

#[test]
fn only_the_vault_and_the_engines_read_secrets() {
    let allowed = |path: &str| {
        within(path, "vault") || within(path, "engine") || SECRET_READERS.iter().any(|(file, _)| *file == path)
    };
    let found = breaches(allowed, |line| line.contains("expose_secret"));
    assert_none(&found, "only src/vault/, src/engine/ and the files listed in this test read secrets in clear");
}

#[test]
fn the_exceptions_are_still_needed() {
    let sources = sources();
    let uses = |path: &str, mark: &str| {
        sources.iter().any(|source| source.path == path && source.code.iter().any(|(_, line)| line.contains(mark)))
    };
    for (path, _) in SECRET_READERS {
        assert!(uses(path, "expose_secret"), "{path} reads no secret any more; take it off the list");
    }
    for (path, _) in TRANSPORT_NAMERS {
        assert!(uses(path, "tonic"), "{path} names no transport any more; take it off the list");
    }
}

#[test]
fn imports_point_down() {
    // A layer and the modules above it that it must not know.
    let layers: [(&str, &[&str]); 9] = [
        (
            "model",
            &["engine", "vault", "store", "operation", "pool", "service", "grpc", "http_server", "tasks", "app", "cli"],
        ),
        ("engine", &["vault", "store", "operation", "pool", "service", "grpc", "http_server", "tasks", "app", "cli"]),
        ("store", &["pool", "service", "grpc", "http_server", "tasks", "app", "cli"]),
        ("vault", &["pool", "service", "grpc", "http_server", "tasks", "app", "cli"]),
        ("operation", &["pool", "service", "grpc", "http_server", "tasks", "app", "cli"]),
        ("pool", &["service", "grpc", "http_server", "tasks", "app", "cli"]),
        ("service", &["grpc", "http_server", "tasks", "app", "cli"]),
        ("grpc", &["http_server", "tasks", "app", "cli"]),
        // Nobody says there who they are, so it must not reach what belongs to somebody.
        ("http_server", &["engine", "vault", "store", "operation", "pool", "service", "grpc", "tasks", "app", "cli"]),
    ];
    for source in sources() {
        for (layer, above) in layers.iter().filter(|(layer, _)| within(&source.path, layer)) {
            let found: Vec<String> =
                modules_named(&source).into_iter().filter(|module| above.contains(&module.as_str())).collect();
            assert_none(&found, &format!("{} of the layer {layer} knows a layer above it", source.path));
        }
    }
}

/// The modules of the crate that a source names, in paths and in lists of imports.
fn modules_named(source: &Source) -> Vec<String> {
    let code: String = source.code.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
    let mut modules = Vec::new();
    for (start, path) in code.match_indices("crate::") {
        let rest = &code[start + path.len()..];
        match rest.strip_prefix('{') {
            Some(list) => modules.extend(heads_of_list(list)),
            None => modules.push(head(rest)),
        }
    }
    modules
}

/// The first word of each entry of a list of imports, which begins behind its brace.
fn heads_of_list(list: &str) -> Vec<String> {
    let (mut depth, mut begins, mut heads) = (0, true, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return heads,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ if begins && !character.is_whitespace() => {
                heads.push(head(&list[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> String {
    path.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[test]
fn modules_are_found_in_paths_and_in_lists() {
    let text = "use crate::{\n    engine::{Engine, pool},\n    model::Error, vault,\n};\ncrate::grpc::serve();";
    let code = text.lines().enumerate().map(|(index, line)| (index, line.to_owned())).collect();
    let source = Source { path: String::new(), lines: 5, code };
    assert_eq!(modules_named(&source), ["engine", "model", "vault", "grpc"]);
}

#[test]
fn a_file_is_one_idea() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.lines > MAX_LINES)
        .map(|source| format!("{}: {} lines", source.path, source.lines))
        .collect();
    assert_none(&long, "a file of more than 500 lines has to be split by meaning");
}

#[test]
fn the_list_of_errors_is_whole_and_right() {
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let listed: Vec<(&str, &str)> = rows.iter().map(|row| (row[0], row[1])).collect();
    let reasons: Vec<(&str, &str)> = Reason::ALL.iter().map(|reason| (reason.as_str(), code(reason.kind()))).collect();
    assert_eq!(listed, reasons, "docs/errors.md lists every reason with its code, in the order of the code");
    for row in rows {
        assert!(row.len() == 4 && row[2].ends_with('.') && row[3].ends_with('.'), "{row:?} lacks a meaning or a cure");
    }
}

fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "INVALID_ARGUMENT",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::AlreadyExists => "ALREADY_EXISTS",
        ErrorKind::Aborted => "ABORTED",
        ErrorKind::FailedPrecondition => "FAILED_PRECONDITION",
        ErrorKind::Unavailable => "UNAVAILABLE",
        ErrorKind::Unauthenticated => "UNAUTHENTICATED",
        ErrorKind::PermissionDenied => "PERMISSION_DENIED",
        ErrorKind::ResourceExhausted => "RESOURCE_EXHAUSTED",
        ErrorKind::Unimplemented => "UNIMPLEMENTED",
        ErrorKind::DeadlineExceeded => "DEADLINE_EXCEEDED",
        ErrorKind::Cancelled => "CANCELLED",
        ErrorKind::DataLoss => "DATA_LOSS",
        ErrorKind::Internal => "INTERNAL",
    }
}
