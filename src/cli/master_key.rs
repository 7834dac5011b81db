//! The commands that take the master key out to escrow and bring it back: they read the files that the arguments name, and tell
//! what was done and what comes next.

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use zeroize::Zeroizing;

use super::{ExportArguments, ImportArguments};
use crate::{
    app::commands,
    config::Config,
    vault::escrow::{self, Identities, Recipient},
};

/// Most that is read of a file that an argument names.
const MAX_FILE: u64 = 1024 * 1024;

/// `dbkeeper master-key export`.
pub async fn export(config: Config, arguments: &ExportArguments) -> Result<ExitCode, Box<dyn Error>> {
    let recipients = recipients(arguments)?;
    let output = &arguments.output;
    let versions = commands::export_master_key(&config, &recipients, output).await?;
    writeln!(
        io::stdout().lock(),
        "Exported {} of the master key to {}; {} can open it.\n\
         Keep the file apart from the data directory and from the identities. To bring the key back:\n  \
         dbkeeper master-key import --identity FILE --input {1} --data-dir {}\n\
         Export again after each rotation of the master key.",
        versions_in_words(&versions),
        output.display(),
        counted(recipients.len(), "recipient"),
        config.data_dir.display(),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// `dbkeeper master-key import`.
pub async fn import(config: Config, arguments: &ImportArguments) -> Result<ExitCode, Box<dyn Error>> {
    let identities =
        Identities::parse(&read(&arguments.identity)?).map_err(|error| error.context(arguments.identity.display()))?;
    let keys = escrow::unwrap(&read(&arguments.input)?, &identities)
        .map_err(|error| error.context(arguments.input.display()))?;
    let imported = commands::import_master_key(&config, keys).await?;
    let checked = if imported.proved {
        "It opens the store that is there."
    } else {
        "There is no store yet that could tell whether it is the right one."
    };
    writeln!(
        io::stdout().lock(),
        "Brought {} of the master key back to {}. {checked}\n\
         Start the server:\n  \
         dbkeeper serve --data-dir {}",
        versions_in_words(&imported.versions),
        imported.file.display(),
        config.data_dir.display(),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// All recipients that the arguments name, each once.
fn recipients(arguments: &ExportArguments) -> Result<Vec<Recipient>, Box<dyn Error>> {
    let mut named = Vec::new();
    for text in &arguments.recipient {
        named.push(Recipient::parse(text)?);
    }
    if let Some(path) = &arguments.recipients_file {
        let text = read(path)?;
        let text = std::str::from_utf8(&text).map_err(|_| format!("{}: it is no text", path.display()))?;
        named.extend(Recipient::parse_lines(text).map_err(|error| error.context(path.display()))?);
    }
    let mut recipients = Vec::new();
    for recipient in named {
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
    if recipients.is_empty() {
        return Err("no recipient is named; give --recipient age1... or a --recipients-file with some".into());
    }
    Ok(recipients)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |cause: io::Error| format!("{}: it cannot be read: {cause}", path.display());
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE {
        return Err(format!("{}: it is larger than any file that this command reads", path.display()));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1));
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE).read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

fn versions_in_words(versions: &[u32]) -> String {
    let numbers: Vec<String> = versions.iter().map(u32::to_string).collect();
    let noun = if versions.len() == 1 { "version" } else { "versions" };
    format!("{noun} {}", numbers.join(", "))
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
