//! Both directions of a difference, and what of it the engine cannot express.

use std::collections::HashSet;

use super::{
    super::definition::{self, ReadSchema},
    element::Element,
    held::{Held, Why},
};
use crate::{
    engine::{
        Dialect,
        dialect::{Altered, Kept, Unsupported},
    },
    model::{
        Error, Result,
        schema::{
            definition::SchemaDefinition,
            difference::{Renames, SchemaDifference, Unwritten, UnwrittenCause},
        },
    },
};

/// A difference, and what makes it and takes it back.
pub(super) struct Both {
    pub(super) up: SchemaDifference,
    pub(super) altered: Altered,
    pub(super) reverted: Altered,
    /// Differences that no script makes.
    pub(super) unwritten: Vec<Unwritten>,
}

/// Writes both directions. What the engine cannot express is refused, or left as the source has it where that is asked for.
pub(super) fn both_ways(
    dialect: &dyn Dialect,
    [source, target]: [&ReadSchema; 2],
    from: &SchemaDefinition,
    mut held: Held<'_>,
    renames: &Renames,
    leaves_out: bool,
) -> Result<Both> {
    let declared = &source.unsaid.declared;
    loop {
        held.settle(&target.field)?;
        let to = held.target.clone();
        let (up, altered) = written(dialect, from.clone(), to.clone(), renames, Kept::Source(declared))?;
        let (_, reverted) = written(dialect, to, from.clone(), &renames.swapped(), Kept::Target(declared))?;
        // What is left out makes others fit, so that all is written anew.
        if leaves_out && held.leave_out(&altered.unsupported, &reverted.unsupported) {
            if !dialect.declares_types() {
                held.forget_types();
            }
            continue;
        }
        refuse(&altered, dialect, &target.field)?;
        refuse(&reverted, dialect, &source.field)?;
        return Ok(Both { up, altered, reverted, unwritten: held.told() });
    }
}

/// One direction.
fn written(
    dialect: &dyn Dialect,
    from: SchemaDefinition,
    to: SchemaDefinition,
    renames: &Renames,
    kept: Kept<'_>,
) -> Result<(SchemaDifference, Altered)> {
    let difference = SchemaDifference::between(from, to, renames, dialect.moves_columns());
    let altered = dialect
        .alter(&difference, kept)
        .ok_or_else(|| Error::unsupported(dialect.engine().as_str(), "generated changes of schemas"))?;
    Ok((difference, altered))
}

/// Refuses what cannot be written. Errors name fields of the side that it leads to.
fn refuse(altered: &Altered, dialect: &dyn Dialect, field: &str) -> Result<()> {
    definition::refuse(&altered.unsupported, altered.more_unsupported, dialect.engine(), field)?;
    match altered.is_too_large {
        true => Err(Error::invalid_field(field, "the scripts would come to more than 2 MiB; compare fewer tables")),
        false => Ok(()),
    }
}

impl Held<'_> {
    /// Leaves out what cannot be expressed on the way there and on the way back. False where there is nothing, or nothing that it
    /// would help to leave out.
    fn leave_out(&mut self, there: &[Unsupported], back: &[Unsupported]) -> bool {
        // The source under its new names has everything in the same place.
        let there = there.iter().map(|found| (Element::at(&found.field, &self.target), found));
        let back = back.iter().map(|found| (Element::at(&found.field, self.source), found));
        let found: Vec<(Option<Element>, &Unsupported)> = there.chain(back).collect();
        let (mut is_any_left_out, mut seen) = (false, HashSet::new());
        for (element, unsupported) in found {
            // One thing can lack several.
            let Some(element) = element.filter(|element| seen.insert(element.clone())) else { continue };
            let why = Why {
                cause: UnwrittenCause::Unsupported,
                reason: format!("{} {}", unsupported.object, unsupported.feature),
                remedy: String::new(),
            };
            let whole = Element::Whole(element.whole().to_owned());
            is_any_left_out |= self.hold(element, &why) || self.hold(whole, &why);
        }
        is_any_left_out
    }

    /// Takes no type over to an engine that has none: the columns that cannot do without one are left out by themselves.
    fn forget_types(&mut self) {
        self.target.types.clone_from(&self.source.types);
    }
}
