//! The shell command that makes the same call as a step, to be copied and pasted as it stands.

use std::{net::SocketAddr, path::Path};

/// What every command of a walk has in common.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    address: SocketAddr,
    key_file: String,
    width: usize,
}

impl Commands {
    /// Calls a server with the key in a file; lines are broken so that they fit into `width` columns where they can.
    pub(super) fn new(address: SocketAddr, key_file: &Path, width: usize) -> Self {
        Self { address, key_file: key_file.display().to_string(), width }
    }

    /// A call with its request in the command.
    pub(super) fn call(&self, method: &str, request: &str) -> String {
        let request = wrapped(&spaced(request), self.width.saturating_sub(8), "    ");
        format!("{}  -d {} \\\n  {} {method}", self.opening(), quoted(&request), self.address)
    }

    /// A call with its request in a file, where it is too long to be read in a command.
    pub(super) fn call_with_file(&self, method: &str, request_file: &Path) -> String {
        let file = word(&request_file.display().to_string());
        format!("{}  -d @ {} {method} \\\n  < {file}", self.opening(), self.address)
    }

    fn opening(&self) -> String {
        format!("grpcurl -plaintext \\\n  -H \"authorization: Bearer $(cat {})\" \\\n", word(&self.key_file))
    }
}

/// JSON with a space after each comma and colon, so that it can be read.
fn spaced(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 16);
    for (character, between) in marked(json) {
        text.push(character);
        if between && matches!(character, ',' | ':') {
            text.push(' ');
        }
    }
    text
}

/// JSON broken after commas so that the lines fit into `width`, each line but the first indented. Where a single
/// member is longer, its line is.
fn wrapped(json: &str, width: usize, indent: &str) -> String {
    let mut members = vec![String::new()];
    for (character, between) in marked(json) {
        if let Some(member) = members.last_mut() {
            member.push(character);
        }
        if between && character == ',' {
            members.push(String::new());
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for member in members {
        match lines.last_mut() {
            Some(line) if line.chars().count() + member.chars().count() <= width => line.push_str(&member),
            _ => lines.push(member.trim_start().to_owned()),
        }
    }
    lines.join(&format!("\n{indent}"))
}

/// The characters of JSON, each with whether it stands between the strings.
fn marked(json: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut in_string, mut escaped) = (false, false);
    json.chars().map(move |character| {
        let between = !in_string && character != '"';
        if !escaped && character == '"' {
            in_string = !in_string;
        }
        escaped = in_string && !escaped && character == '\\';
        (character, between)
    })
}

/// Text as one word of a POSIX shell, quoted only where it has to be.
fn word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(width: usize) -> Commands {
        Commands::new("127.0.0.1:7341".parse().unwrap(), Path::new("/tmp/try out/admin.key"), width)
    }

    #[test]
    fn a_command_survives_a_shell() {
        let command = commands(100).call("dbkeeper.v1.A/B", r#"{"display_name":"Anna's, \"the\" shop:","n":1}"#);
        assert_eq!(
            command,
            "grpcurl -plaintext \\\n  -H \"authorization: Bearer $(cat '/tmp/try out/admin.key')\" \\\n  \
             -d '{\"display_name\": \"Anna'\\''s, \\\"the\\\" shop:\", \"n\": 1}' \\\n  \
             127.0.0.1:7341 dbkeeper.v1.A/B"
        );
    }

    #[test]
    fn a_long_request_is_broken_between_its_members() {
        assert_eq!(
            wrapped(r#"{"first": "a, b", "second": {"third": 3, "fourth": 4}}"#, 24, "  "),
            "{\"first\": \"a, b\",\n  \"second\": {\"third\": 3,\n  \"fourth\": 4}}"
        );
    }
}
