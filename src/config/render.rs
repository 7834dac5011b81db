//! The effective configuration as TOML, each value with where it comes from.

use std::{collections::BTreeMap, fmt, fmt::Write as _};

use super::{Loaded, layers::flatten};

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => writeln!(f, "# Configuration file: {}", file.display())?,
            None => writeln!(f, "# Configuration file: none")?,
        }
        let tree = serde_json::to_value(&self.config).map_err(|_| fmt::Error)?;
        let mut values = BTreeMap::new();
        flatten("", &tree, &mut values);

        let mut sections: BTreeMap<&str, Vec<(String, &str)>> = BTreeMap::new();
        for (key, value) in &values {
            let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
            let origin = self.origins.get(key).map_or("default", String::as_str);
            // The texts, numbers and lists of JSON are written the same in TOML. What is not set has no value there.
            let setting = if value.is_null() { format!("# {name} is not set") } else { format!("{name} = {value}") };
            sections.entry(section).or_default().push((setting, origin));
        }
        for (section, settings) in sections {
            let mut text = String::new();
            if !section.is_empty() {
                writeln!(text, "\n[{section}]")?;
            }
            let width = settings.iter().map(|(setting, _)| setting.chars().count()).max().unwrap_or_default();
            for (setting, origin) in settings {
                writeln!(text, "{setting:width$}  # {origin}")?;
            }
            f.write_str(&text)?;
        }
        Ok(())
    }
}
