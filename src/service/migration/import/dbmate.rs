//! The two sections of a file of dbmate.

/// One section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section<'a> {
    pub(super) sql: &'a str,
    /// Line of the file, from 1, at which `sql` begins.
    pub(super) first_line: u32,
    pub(super) transactional: bool,
}

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sections<'a> {
    pub(super) up: Section<'a>,
    pub(super) down: Option<Section<'a>>,
}

/// A line that begins a section.
struct Marker<'a> {
    name: &'a str,
    options: &'a str,
}

impl<'a> Marker<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let text = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?;
        let (name, options) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        Some(Self { name, options: options.trim() })
    }
}

/// Whether a text has a section of dbmate.
pub(super) fn has_marker(text: &str) -> bool {
    text.lines().any(|line| Marker::parse(line).is_some_and(|marker| marker.name == "up"))
}

/// Reads the sections: first up, then perhaps down. The error begins with the line at fault.
pub(super) fn read(text: &str) -> Result<Sections<'_>, String> {
    let mut up = None;
    let mut down = None;
    let mut open: Option<(Marker<'_>, usize, u32)> = None;
    let mut offset = 0;
    for (line, number) in text.split_inclusive('\n').zip(1_u32..) {
        let start = offset;
        offset += line.len();
        let Some(marker) = Marker::parse(line) else {
            if open.is_none() && !is_comment(line) {
                return Err(format!("{number}: only comments may stand before -- migrate:up"));
            }
            continue;
        };
        match (marker.name, &open) {
            ("up", None) | ("down", Some(_)) if down.is_none() => {}
            ("down", None) => return Err(format!("{number}: -- migrate:up must stand before -- migrate:down")),
            ("up" | "down", _) => return Err(format!("{number}: there is a second -- migrate:{}", marker.name)),
            (name, _) => return Err(format!("{number}: -- migrate:{name} is not known; use up or down")),
        }
        if let Some((marker, begin, first_line)) = open.replace((marker, offset, number + 1)) {
            up = Some(section(&marker, &text[begin..start], first_line)?);
            down = Some(());
        }
    }
    let Some((marker, begin, first_line)) = open else {
        return Err("1: there is no line -- migrate:up".to_owned());
    };
    let last = section(&marker, &text[begin..], first_line)?;
    Ok(match up {
        Some(up) => Sections { up, down: Some(last) },
        None => Sections { up: last, down: None },
    })
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with("--")
}

fn section<'a>(marker: &Marker<'_>, sql: &'a str, first_line: u32) -> Result<Section<'a>, String> {
    let mut transactional = true;
    for option in marker.options.split_whitespace() {
        transactional = match option {
            "transaction:false" => false,
            "transaction:true" => true,
            _ => {
                let line = first_line - 1;
                return Err(format!("{line}: the option {option:?} is not known; use transaction:false"));
            }
        };
    }
    Ok(Section { sql, first_line, transactional })
}
