//! What a definition has no place for: two live databases of one engine are compared by what the engine tells of it. Nothing of it is
//! written, so that whoever makes the changes knows what is left to be done by hand.

use std::collections::{BTreeMap, HashSet};

use super::{
    super::definition::{
        ReadSchema,
        unsaid::{TextPart, Texts},
    },
    element::key,
};
use crate::model::schema::{
    ObjectName,
    definition::{UnmappedName, folded},
    difference::{Change, Renames, SchemaDifference, Unwritten, UnwrittenAction, UnwrittenCause},
};

/// Most such differences that are told.
const MAX_TOLD: usize = 1_000;

/// What is compared as one: routines of one name are.
type Subject = (String, Option<String>, String);

/// Differences of that kind.
pub(super) fn differing(
    [source, target]: [&ReadSchema; 2],
    renames: &Renames,
    difference: &SchemaDifference,
) -> Vec<Unwritten> {
    let (Some(before), Some(after)) = (&source.unsaid.texts, &target.unsaid.texts) else { return Vec::new() };
    if source.engine != target.engine || before.are_partial || after.are_partial {
        return Vec::new();
    }
    let renamed: BTreeMap<String, String> = renames
        .tables
        .iter()
        .map(|rename| (key(&rename.from.schema, &rename.from.name), key(&rename.to.schema, &rename.to.name)))
        .collect();
    let of_before = by_subject(before, &|name| renamed.get(&name).cloned().unwrap_or(name));
    let of_after = by_subject(after, &|name| name);
    let going: HashSet<String> = difference
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::DropTable(table) => Some(key(&table.schema, &table.name)),
            Change::DropView(view) => Some(key(&view.schema, &view.name)),
            _ => None,
        })
        .collect();
    let (unknown_before, unknown_after) = (Unknown::of(source, before), Unknown::of(target, after));
    let compares_privileges = !before.hides_privileges && !after.hides_privileges;
    let compares_objects = !before.of_tables_alone && !after.of_tables_alone;
    let mut told = Vec::new();
    let subjects: HashSet<&Subject> = of_before.keys().chain(of_after.keys()).collect();
    let mut subjects: Vec<&Subject> = subjects.into_iter().collect();
    subjects.sort();
    for subject in subjects {
        let (had, has) = (of_before.get(subject), of_after.get(subject));
        let action = match (had, has) {
            (Some(had), Some(has)) if had.digests == has.digests => continue,
            (Some(_), Some(_)) => UnwrittenAction::Alter,
            // It goes with its table.
            (Some(_), None) if subject.1.as_ref().is_some_and(|whole| going.contains(whole)) => continue,
            (Some(_), None) if unknown_after.has(subject) => continue,
            (Some(_), None) => UnwrittenAction::Drop,
            (None, _) if unknown_before.has(subject) => continue,
            (None, _) => UnwrittenAction::Add,
        };
        let is_of_privileges = subject.0.starts_with("privileges ");
        if (is_of_privileges && !compares_privileges) || (subject.1.is_none() && !compares_objects) {
            continue;
        }
        // Options that are told of one side alone are those of a table that the other side lacks.
        if subject.0.starts_with("options ") && action != UnwrittenAction::Alter {
            continue;
        }
        let Some(part) = has.or(had).map(|found| found.part) else { continue };
        told.push(Unwritten {
            cause: UnwrittenCause::TextDiffers,
            action,
            object: part.object(),
            reason: reason(action).to_owned(),
            remedy: String::new(),
        });
    }
    bounded(told)
}

fn reason(action: UnwrittenAction) -> &'static str {
    match action {
        UnwrittenAction::Alter => {
            "the two tell it otherwise, and a definition has no place for it; compare what GetDdl writes of both"
        }
        UnwrittenAction::Drop => "the source alone has it, and a definition has no place for it; drop it by hand",
        UnwrittenAction::Add => {
            "the target alone has it, and a definition has no place for it; make it as GetDdl writes it"
        }
    }
}

/// So many that somebody reads them.
fn bounded(mut told: Vec<Unwritten>) -> Vec<Unwritten> {
    let more = told.len().saturating_sub(MAX_TOLD);
    if more > 0 {
        told.truncate(MAX_TOLD);
        told.push(Unwritten {
            cause: UnwrittenCause::TextDiffers,
            action: UnwrittenAction::Alter,
            object: format!("{more} others"),
            reason: format!("more than {MAX_TOLD} differ in what a definition has no place for; compare fewer tables"),
            remedy: String::new(),
        });
    }
    told
}

/// All texts of a subject, and one part by which it is named.
struct Found<'a> {
    part: &'a TextPart,
    digests: Vec<[u8; 32]>,
}

fn by_subject<'a>(texts: &'a Texts, renamed: &dyn Fn(String) -> String) -> BTreeMap<Subject, Found<'a>> {
    let mut found: BTreeMap<Subject, Found<'a>> = BTreeMap::new();
    for part in &texts.parts {
        let whole = part.whole.as_ref().map(|name| renamed(name_key(name)));
        let subject = (part.kind.clone(), whole, name_key(&part.name));
        let found = found.entry(subject).or_insert_with(|| Found { part, digests: Vec::new() });
        found.digests.push(*part.digest.as_bytes());
        found.digests.sort_unstable();
    }
    found
}

fn name_key(name: &ObjectName) -> String {
    key(&name.schema, &name.name)
}

/// What a side may have though it does not tell it.
struct Unknown<'a> {
    wholes: HashSet<String>,
    any_relation: bool,
    texts: &'a Texts,
}

impl<'a> Unknown<'a> {
    fn of(side: &ReadSchema, texts: &'a Texts) -> Self {
        let unread = side.unmapped.iter().filter(|found| found.unread);
        let wholes = unread.filter_map(|found| match &found.name {
            Some(UnmappedName::InSchema(name)) => Some(name_key(name)),
            _ => None,
        });
        let any = side.unmapped.iter().any(|found| found.name == Some(UnmappedName::AnyRelation));
        Self { wholes: wholes.collect(), any_relation: any, texts }
    }

    fn has(&self, (kind, whole, name): &Subject) -> bool {
        match whole {
            Some(whole) => self.any_relation || self.wholes.contains(whole),
            None => {
                let kind = kind.trim_start_matches("privileges on ");
                self.texts.unread.iter().any(|(of, found)| of == kind && folded(&name_key(found)) == *name)
            }
        }
    }
}
