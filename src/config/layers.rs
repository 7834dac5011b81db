//! The layers that override each other, and the keys that they may set.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::{ConfigError, Map, Source, Value};
use serde_json::Value as Json;

use super::{Config, problem::ConfigurationError, problem::Problem};

/// What environment variables of the server begin with.
const PREFIX: &str = "DBKEEPER_";
/// Variables with the prefix that are no keys: the first names the file, the others belong to clients.
const OTHER_VARIABLES: [&str; 4] = ["DBKEEPER_CONFIG", "DBKEEPER_ADDRESS", "DBKEEPER_API_KEY", "DBKEEPER_CA_FILE"];
/// Variable that names the configuration file.
pub(super) const FILE_VARIABLE: &str = "DBKEEPER_CONFIG";

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// File to read in place of `dbkeeper.toml` in the data directory.
    pub file: Option<PathBuf>,
    /// Values by key, each with the flag that gave it.
    pub values: Vec<FlagValue>,
}

/// A value from the command line.
#[derive(Debug, Clone)]
pub struct FlagValue {
    /// The key.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// The flag as it was written, such as `--listen`.
    pub flag: String,
}

impl Flags {
    /// Adds a value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, flag: impl Into<String>) {
        self.values.push(FlagValue { key: key.into(), value: value.into(), flag: flag.into() });
    }

    /// The value of a key, where the command line gives one.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().rfind(|given| given.key == key).map(|given| given.value.as_str())
    }
}

/// The environment variable of a key: `server.listen` is `DBKEEPER_SERVER_LISTEN`.
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Every key with its default, by name.
pub(super) fn defaults() -> BTreeMap<String, Json> {
    let mut keys = BTreeMap::new();
    if let Ok(tree) = serde_json::to_value(Config::default()) {
        flatten("", &tree, &mut keys);
    }
    keys
}

/// The leaves of a configuration by key.
pub(super) fn flatten(prefix: &str, tree: &Json, into: &mut BTreeMap<String, Json>) {
    let Json::Object(fields) = tree else {
        into.insert(prefix.to_owned(), tree.clone());
        return;
    };
    for (name, value) in fields {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        flatten(&key, value, into);
    }
}

/// One layer: values by key, each with where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Layer(Vec<(String, Value)>);

impl Layer {
    /// The flags.
    pub(super) fn of_flags(flags: &Flags) -> Self {
        let value = |given: &FlagValue| {
            (given.key.clone(), Value::new(Some(&format!("flag {}", given.flag)), given.value.clone()))
        };
        Self(flags.values.iter().map(value).collect())
    }

    /// The environment. A variable that is not of a key is a problem, so that a typing error is not a silent default.
    pub(super) fn of_environment(
        variables: &BTreeMap<OsString, OsString>,
        keys: &BTreeMap<String, Json>,
        key_variable: Option<&str>,
    ) -> Result<Self, ConfigurationError> {
        let by_variable: BTreeMap<String, &String> = keys.keys().map(|key| (variable_of(key), key)).collect();
        let (mut values, mut problems) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if OTHER_VARIABLES.contains(&name) || key_variable == Some(name) {
                continue;
            }
            let problem = |allowed: String| Problem {
                key: name.to_owned(),
                value: None,
                origin: "environment".to_owned(),
                allowed,
            };
            match (by_variable.get(name), value.to_str()) {
                (Some(key), Some(text)) => {
                    let origin = format!("environment variable {name}");
                    values.push(((*key).clone(), Value::new(Some(&origin), text)));
                }
                (Some(_), None) => problems.push(problem("must be UTF-8".to_owned())),
                (None, _) => {
                    let nearest = nearest(name, by_variable.keys().map(String::as_str));
                    problems.push(problem(format!("there is no such setting{nearest}; unset it")));
                }
            }
        }
        if problems.is_empty() { Ok(Self(values)) } else { Err(ConfigurationError { problems }) }
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.iter().cloned().collect())
    }
}

/// `; did you mean X?` where a known name is close to the one given.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (distance(given, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 4))
        .map(|(_, name)| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

/// How many letters have to be put in, left out or changed to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Where the configuration file is looked for, and whether it has to be there.
pub(super) fn file_of(flags: &Flags, variables: &BTreeMap<OsString, OsString>, data_dir: &Path) -> (PathBuf, bool) {
    if let Some(file) = &flags.file {
        return (file.clone(), true);
    }
    match variables.get(&OsString::from(FILE_VARIABLE)) {
        Some(file) => (PathBuf::from(file), true),
        None => (super::storage::default_file(data_dir), false),
    }
}
