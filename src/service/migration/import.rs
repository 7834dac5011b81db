//! Turns files into migrations. The layout is told from names and content, and every file at fault is named.

mod checksum;
mod dbmate;
mod file_name;
mod problem;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::model::{
    Reason, Result,
    migration::{Migration, MigrationFormat, MigrationScript, NO_TRANSACTION},
};

use file_name::{FileName, Part};
use problem::Problems;

/// Most bytes of a file.
const MAX_FILE_SIZE: usize = 1 << 20;

/// A file as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// Path; only its last part counts.
    pub path: String,
    /// The text.
    pub content: String,
}

/// What the files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedMigrations {
    /// The layout that was found.
    pub format: MigrationFormat,
    /// The migrations by version.
    pub migrations: Vec<Migration>,
}

/// Reads files of one layout; `format` is what the caller says it is. The error names the first 20 files at fault.
pub fn read_files(files: &[MigrationFile], format: Option<MigrationFormat>) -> Result<ImportedMigrations> {
    let mut problems = Problems::default();
    let sources = read_sources(files, &mut problems);
    let Some(format) = format.or_else(|| agreed_format(&sources, &mut problems)) else {
        problems.add_call("there is no migration file; give at least one file whose name ends in .sql");
        return Err(problems.into_error());
    };
    let mut versions = BTreeMap::<String, Parts<'_>>::new();
    for source in &sources {
        match read_source(source, format) {
            Ok(parts) => merge(&mut versions, source, parts, &mut problems),
            Err(description) => problems.add_content(source.index, description),
        }
    }
    let migrations = versions.into_values().filter_map(|parts| parts.into_migration(&mut problems)).collect();
    problems.into_result()?;
    Ok(ImportedMigrations { format, migrations })
}

/// A file whose name could be read.
struct Source<'a> {
    index: usize,
    name: FileName<'a>,
    text: &'a str,
}

impl Source<'_> {
    fn format(&self) -> MigrationFormat {
        match self.name.part {
            Some(_) => MigrationFormat::GolangMigrate,
            None if dbmate::has_marker(self.text) => MigrationFormat::Dbmate,
            None => MigrationFormat::Plain,
        }
    }

    fn script(&self, sql: &str, first_line: u32, transactional: bool) -> MigrationScript {
        let transactional = transactional && !head(sql).any(|line| line.trim() == NO_TRANSACTION);
        MigrationScript { file: self.name.file.to_owned(), first_line, sql: sql.to_owned(), transactional }
    }
}

/// The lines before the first statement. Further down a line may stand within a string or a body, which only the splitter of an engine
/// tells, and a file is of none yet.
fn head(sql: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &str| line.is_empty() || line.starts_with("--") || line.starts_with('#');
    let mut is_in_block = false;
    sql.lines().take_while(move |line| {
        let line = line.trim();
        let begins_block = !is_in_block && line.starts_with("/*");
        if !is_in_block && !begins_block {
            return is_comment(line);
        }
        let Some((_, behind)) = line.split_once("*/") else {
            is_in_block = true;
            return true;
        };
        is_in_block = false;
        is_comment(behind.trim())
    })
}

fn read_sources<'a>(files: &'a [MigrationFile], problems: &mut Problems) -> Vec<Source<'a>> {
    let mut sources = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        if file.content.len() > MAX_FILE_SIZE {
            problems.add_content(index, format!("{:?} is over 1 MiB; cut it into several migrations", file.path));
        } else if file.content.contains('\0') {
            problems.add_content(index, format!("{:?} holds a NUL character; it is no text", file.path));
        } else {
            match FileName::parse(&file.path) {
                Ok(name) => sources.push(Source { index, name, text: without_mark(&file.content) }),
                Err(description) => problems.add_path(index, Reason::MigrationFileInvalid, description),
            }
        }
    }
    sources
}

/// Editors on Windows put a byte order mark in front, which no database takes.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The layout of the first file. Files of another layout are at fault.
fn agreed_format(sources: &[Source<'_>], problems: &mut Problems) -> Option<MigrationFormat> {
    let first = sources.first()?;
    let format = first.format();
    for source in sources.iter().filter(|source| source.format() != format) {
        let description = format!(
            "{:?} looks like {}, and {:?} like {}; import one layout a call",
            source.name.file,
            layout(source.format()),
            first.name.file,
            layout(format),
        );
        problems.add_path(source.index, Reason::MigrationFileInvalid, description);
    }
    Some(format)
}

fn layout(format: MigrationFormat) -> &'static str {
    match format {
        MigrationFormat::GolangMigrate => "golang-migrate (1_name.up.sql)",
        MigrationFormat::Dbmate => "dbmate (-- migrate:up)",
        MigrationFormat::Plain => "a plain numbered file (001_name.sql)",
    }
}

/// What one version is made of; a file gives the up part, the down part or both.
#[derive(Default)]
struct Parts<'a> {
    up: Option<(&'a Source<'a>, MigrationScript)>,
    down: Option<(&'a Source<'a>, MigrationScript)>,
}

impl Parts<'_> {
    fn into_migration(self, problems: &mut Problems) -> Option<Migration> {
        let Some((source, up)) = self.up else {
            let (source, _) = self.down?;
            let description = format!("{:?} has no up part; give its .up.sql file in the same call", source.name.file);
            problems.add_path(source.index, Reason::MigrationFileInvalid, description);
            return None;
        };
        if up.sql.trim().is_empty() {
            problems.add_content(source.index, format!("{:?} is empty; give it a statement or a comment", up.file));
            return None;
        }
        // An empty down part says that there is nothing to revert with, not that nothing is to be reverted.
        let down = self.down.map(|(_, script)| script).filter(|script| !script.sql.trim().is_empty());
        let checksum = checksum::of(&up.sql, down.as_ref().map(|script| script.sql.as_str()));
        let version = source.name.version.clone();
        Some(Migration { version, title: source.name.title.to_owned(), checksum, up, down })
    }
}

type Scripts = (Option<MigrationScript>, Option<MigrationScript>);

fn read_source(source: &Source<'_>, format: MigrationFormat) -> std::result::Result<Scripts, String> {
    let file = source.name.file;
    let whole = || source.script(source.text, 1, true);
    match (format, source.name.part) {
        (MigrationFormat::GolangMigrate, Some(Part::Up)) => Ok((Some(whole()), None)),
        (MigrationFormat::GolangMigrate, Some(Part::Down)) => Ok((None, Some(whole()))),
        (MigrationFormat::GolangMigrate, None) => {
            Err(format!("{file:?} must end in .up.sql or .down.sql as a file of golang-migrate"))
        }
        (MigrationFormat::Plain, None) => Ok((Some(whole()), None)),
        (MigrationFormat::Plain, Some(_)) => Err(format!("{file:?} is one of a pair and no plain numbered file")),
        (MigrationFormat::Dbmate, _) => {
            let sections = dbmate::read(source.text).map_err(|problem| format!("{file}:{problem}"))?;
            let script =
                |section: dbmate::Section<'_>| source.script(section.sql, section.first_line, section.transactional);
            Ok((Some(script(sections.up)), sections.down.map(script)))
        }
    }
}

fn merge<'a>(
    versions: &mut BTreeMap<String, Parts<'a>>,
    source: &'a Source<'a>,
    (up, down): Scripts,
    problems: &mut Problems,
) {
    let parts = versions.entry(source.name.version.sort_key()).or_default();
    for (slot, script) in [(&mut parts.up, up), (&mut parts.down, down)] {
        match (slot.as_ref(), script) {
            (Some((first, _)), Some(_)) => {
                problems.add_path(source.index, Reason::DuplicateMigrationVersion, same_version(first, source));
            }
            (None, Some(script)) => *slot = Some((source, script)),
            (_, None) => {}
        }
    }
}

fn same_version(first: &Source<'_>, second: &Source<'_>) -> String {
    format!(
        "{:?} and {:?} both have version {}; give one of them another version",
        first.name.file, second.name.file, second.name.version
    )
}
