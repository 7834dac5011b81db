//! Reads the layers, puts them together, and checks the outcome.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::{ConfigError, File, FileFormat, Map, Source as _, Value, ValueKind};
use serde_json::Value as Json;

use super::{
    Config,
    layers::{Flags, Layer, defaults, file_of, nearest, variable_of},
    problem::{ConfigurationError, Problem, Problems},
};

/// A configuration with where each value comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file that was read. Absent: there is none.
    pub file: Option<PathBuf>,
    /// Origin of each value that is not the default, by key.
    pub(super) origins: BTreeMap<String, String>,
}

/// Loads the configuration of this process.
pub fn load(flags: &Flags) -> Result<Loaded, ConfigurationError> {
    let here = env::current_dir().map_err(|error| failure("working directory", &error.to_string()))?;
    load_from(flags, &env::vars_os().collect(), &here)
}

/// Loads a configuration from given surroundings.
pub(super) fn load_from(
    flags: &Flags,
    variables: &BTreeMap<OsString, OsString>,
    here: &Path,
) -> Result<Loaded, ConfigurationError> {
    let keys = defaults();
    let (file, required) = file_of(flags, variables, &early_data_dir(flags, variables, here));
    let file = here.join(file);
    let read = required || file.exists();

    let mut builder = config::Config::builder();
    if read {
        builder = builder.add_source(File::from(file.as_path()).format(FileFormat::Toml));
    }
    let from_file = builder.build_cloned().map_err(|error| failure(&file.display().to_string(), &flat(&error)))?;
    let key_variable = key_variable(flags, variables, &from_file);
    let merged = builder
        .add_source(Layer::of_environment(variables, &keys, key_variable.as_deref())?)
        .add_source(Layer::of_flags(flags))
        .build()
        .and_then(|merged| merged.collect())
        .map_err(|error| failure("configuration", &flat(&error)))?;

    let mut given = BTreeMap::new();
    leaves("", merged, &keys, &mut given);
    let mut config = check(&given, &keys)?;
    config.resolve_paths(here);
    let origins =
        given.iter().map(|(key, value)| (key.clone(), value.origin().unwrap_or("unknown").to_owned())).collect();
    Ok(Loaded { config, file: read.then_some(file), origins })
}

/// The configuration of the given values, or every problem that they have.
fn check(given: &BTreeMap<String, Value>, keys: &BTreeMap<String, Json>) -> Result<Config, ConfigurationError> {
    let mut problems = Problems::new(given);
    let mut usable = given.clone();
    for key in given.keys().filter(|key| !keys.contains_key(*key)) {
        usable.remove(key);
        problems.add(key, format!("there is no such setting{}", nearest(key, keys.keys().map(String::as_str))));
    }
    // The first value that cannot be read ends the reading, so it is noted, left out, and the rest read again.
    let config = loop {
        let error = match tree(&usable).try_deserialize::<Config>() {
            Ok(config) => break config,
            Err(error) => error,
        };
        let (key, allowed) = explained(error);
        // The place in a list is not a key of its own.
        let key = key.split('[').next().unwrap_or_default().to_owned();
        problems.add(&key, allowed);
        if usable.remove(&key).is_none() {
            break Config::default();
        }
    };
    config.check(&mut problems);
    problems.into_result().map(|()| config)
}

/// The key at fault and what is allowed for it.
fn explained(error: ConfigError) -> (String, String) {
    match error {
        ConfigError::At { error, key, .. } => {
            let (inner, allowed) = explained(*error);
            (key.unwrap_or(inner), allowed)
        }
        ConfigError::Type { expected, key, .. } => (key.unwrap_or_default(), format!("must be {expected}")),
        other => (String::new(), worded(&other.to_string())),
    }
}

/// The words of serde and the standard library as ours.
fn worded(text: &str) -> String {
    if text.contains("socket address") {
        return "must be ADDRESS:PORT, for example 127.0.0.1:7341 or [::1]:7341".to_owned();
    }
    match text.split_once("does not have variant constructor") {
        Some(_) => "must be auto, text or json".to_owned(),
        None => text.to_owned(),
    }
}

/// The leaves of what was given. What should be a section and is not, or the other way, stays a leaf.
fn leaves(prefix: &str, tree: Map<String, Value>, keys: &BTreeMap<String, Json>, into: &mut BTreeMap<String, Value>) {
    for (name, value) in tree {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(fields) if !keys.contains_key(&key) => leaves(&key, fields, keys, into),
            _ => {
                into.insert(key, value);
            }
        }
    }
}

/// The tree of the leaves.
fn tree(leaves: &BTreeMap<String, Value>) -> Value {
    let mut root = Map::new();
    for (key, value) in leaves {
        insert(&mut root, key, value.clone());
    }
    Value::new(None, root)
}

fn insert(table: &mut Map<String, Value>, key: &str, value: Value) {
    let Some((section, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    let section = table.entry(section.to_owned()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
    if let ValueKind::Table(fields) = &mut section.kind {
        insert(fields, rest, value);
    }
}

/// The data directory as far as it is known before the file is read: the file itself lies in it.
fn early_data_dir(flags: &Flags, variables: &BTreeMap<OsString, OsString>, here: &Path) -> PathBuf {
    let variable = || variables.get(&OsString::from(variable_of("data_dir"))).map(PathBuf::from);
    let given = flags.get("data_dir").map(PathBuf::from).or_else(variable);
    here.join(given.unwrap_or_else(super::storage::default_data_dir))
}

/// The variable that holds the master key may begin like ours; it is not a setting.
fn key_variable(flags: &Flags, variables: &BTreeMap<OsString, OsString>, from_file: &config::Config) -> Option<String> {
    const KEY: &str = "vault.key_env";
    let variable = || variables.get(&OsString::from(variable_of(KEY))).and_then(|name| name.to_str());
    flags.get(KEY).or_else(variable).map(str::to_owned).or_else(|| from_file.get_string(KEY).ok())
}

/// An error's text on one line.
fn flat(error: &ConfigError) -> String {
    let text = error.to_string();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn failure(subject: &str, allowed: &str) -> ConfigurationError {
    let problem = Problem {
        key: subject.to_owned(),
        value: None,
        origin: "configuration".to_owned(),
        allowed: allowed.to_owned(),
    };
    ConfigurationError { problems: vec![problem] }
}
