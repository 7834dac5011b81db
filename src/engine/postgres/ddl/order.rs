//! The order of statements: by what needs what, and where two may stand either way, by step, schema and name.

use std::collections::{BTreeSet, HashMap, HashSet};

use petgraph::{algo::tarjan_scc, graph::DiGraph};

use super::piece::{Piece, Place, Step};
use crate::model::schema::{DdlStatement, Skipped};

/// That the first needs the second.
pub(super) type Need = (Place, Place);

/// What stands apart so that no two things need each other.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Defaults and checks that are added to their tables later.
    apart: HashSet<Place>,
    /// Views that are made without their query first.
    placeholders: HashSet<Place>,
    /// What is written without regard to what it needs.
    given_up: HashSet<Place>,
    /// What needs what, without circles.
    needs: BTreeSet<Need>,
    /// Circles that nothing could be done about.
    pub(super) skipped: Vec<Skipped>,
}

impl Plan {
    /// Cuts the circles out of what the catalog says: a default or a check waits for what it needs, a view is made twice. It ends,
    /// because each cut sets something apart, makes a view twice or gives something up that was not so before.
    pub(super) fn new(found: &[Need]) -> Self {
        let mut plan = Self::default();
        loop {
            plan.needs = plan.placed(found);
            let circles = circles(&plan.needs);
            if circles.is_empty() {
                return plan;
            }
            for circle in circles {
                plan.cut(&circle, found);
            }
        }
    }

    /// Whether a default or a check is added to its table later.
    pub(super) fn stands_apart(&self, place: &Place) -> bool {
        self.apart.contains(place)
    }

    /// Whether a view is made without its query first.
    pub(super) fn has_placeholder(&self, view: &Place) -> bool {
        self.placeholders.contains(view)
    }

    /// The statements of all pieces in their order.
    pub(super) fn arrange(&self, pieces: Vec<Piece>) -> Vec<DdlStatement> {
        let mut waiting: HashMap<Place, Vec<DdlStatement>> = HashMap::new();
        for piece in pieces {
            waiting.entry(piece.place).or_default().extend(piece.statements);
        }
        let all: BTreeSet<Place> = waiting.keys().cloned().collect();
        let mut needs = self.needs.clone();
        needs.extend(all.iter().filter_map(of_table));
        let mut order = sorted(&all, &needs);
        order_refreshes(&mut order);
        order.into_iter().filter_map(|place| waiting.remove(place)).flatten().collect()
    }

    /// What the catalog found, between the statements as they stand now.
    fn placed(&self, found: &[Need]) -> BTreeSet<Need> {
        let mut needs = BTreeSet::new();
        for (one, other) in found {
            let (place, needed) = (self.place(one), self.place(other));
            if place == needed {
                continue;
            }
            needs.extend([&place, &needed].into_iter().filter_map(of_table));
            if self.placeholders.contains(&place) {
                let placeholder = Place { step: Step::Placeholder, ..place.clone() };
                if needed.step <= Step::Type {
                    needs.insert((placeholder.clone(), needed.clone()));
                }
                needs.insert((place.clone(), placeholder));
            }
            let step = if self.placeholders.contains(&needed) { Step::Placeholder } else { needed.step };
            needs.insert((place, Place { step, ..needed }));
        }
        needs.retain(|(place, _)| !self.given_up.contains(place));
        needs
    }

    /// Where something stands: a default or a check with its table, unless it stands apart.
    fn place(&self, place: &Place) -> Place {
        let is_inside = matches!(place.step, Step::Default | Step::Check) && !self.apart.contains(place);
        if is_inside { table_of(place) } else { place.clone() }
    }

    fn cut(&mut self, circle: &HashSet<Place>, found: &[Need]) {
        let is_inside =
            |place: &Place| matches!(place.step, Step::Default | Step::Check) && !self.apart.contains(place);
        let closes = |part: &Place, needed: &Place| {
            is_inside(part) && circle.contains(&table_of(part)) && circle.contains(&self.place(needed))
        };
        let parts: Vec<Place> =
            found.iter().filter(|(part, needed)| closes(part, needed)).map(|(part, _)| part.clone()).collect();
        if !parts.is_empty() {
            self.apart.extend(parts);
            return;
        }
        let is_whole = |place: &&Place| place.step == Step::View && !self.placeholders.contains(*place);
        if let Some(view) = circle.iter().filter(is_whole).min() {
            self.placeholders.insert(view.clone());
            return;
        }
        let within = self.needs.iter().find(|(one, other)| circle.contains(one) && circle.contains(other));
        if let Some((one, other)) = within {
            self.skipped.push(Skipped {
                subject: format!("the order of {} and {}", one.in_words(), other.in_words()),
                reason: "each needs the other, so that the statement of the first fails where it stands".to_owned(),
                remedy: "go on behind it, and run it again behind the other".to_owned(),
                ..Skipped::default()
            });
            self.given_up.insert(one.clone());
        }
    }
}

/// That a part of a table needs its table, which the catalog need not say.
fn of_table(place: &Place) -> Option<Need> {
    let is_part = matches!(place.step, Step::Default | Step::Check | Step::Key);
    is_part.then(|| (place.clone(), table_of(place)))
}

fn table_of(part: &Place) -> Place {
    Place::new(Step::Table, &part.schema, &part.name)
}

/// Groups of which each member needs each other.
fn circles(needs: &BTreeSet<Need>) -> Vec<HashSet<Place>> {
    let mut graph = DiGraph::<&Place, ()>::new();
    let mut nodes = HashMap::new();
    for (one, other) in needs {
        let one = *nodes.entry(one).or_insert_with(|| graph.add_node(one));
        let other = *nodes.entry(other).or_insert_with(|| graph.add_node(other));
        graph.add_edge(one, other, ());
    }
    let groups = tarjan_scc(&graph).into_iter().filter(|group| group.len() > 1);
    groups.map(|group| group.into_iter().map(|node| graph[node].clone()).collect()).collect()
}

/// All of some places, each behind what it needs, the least first where there is a choice. What is not among them is there already.
fn sorted<'a>(all: &'a BTreeSet<Place>, needs: &'a BTreeSet<Need>) -> Vec<&'a Place> {
    let mut missing: HashMap<&Place, usize> = HashMap::new();
    let mut needed_by: HashMap<&Place, Vec<&Place>> = HashMap::new();
    for (one, other) in needs.iter().filter(|(one, other)| all.contains(one) && all.contains(other)) {
        *missing.entry(one).or_default() += 1;
        needed_by.entry(other).or_default().push(one);
    }
    let (needed, last): (Vec<&Place>, Vec<&Place>) = all.iter().partition(|place| place.step.is_needed());
    let mut ready: BTreeSet<&Place> = needed.into_iter().filter(|place| !missing.contains_key(place)).collect();
    let mut order = Vec::with_capacity(all.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for one in needed_by.remove(next).unwrap_or_default() {
            let Some(count) = missing.get_mut(one) else { continue };
            *count -= 1;
            if *count == 0 {
                // The set that `needs` holds is the one of places that `all` holds too.
                ready.extend(all.get(one));
            }
        }
    }
    // What was given up may stand in a circle with its own table.
    let placed: HashSet<&Place> = order.iter().copied().collect();
    let rest = all.iter().filter(|place| place.step.is_needed() && !placed.contains(place));
    let rest: Vec<&Place> = rest.collect();
    order.extend(rest);
    order.extend(last);
    order
}

/// A materialised view is filled behind those that it reads, as it was made behind them.
fn order_refreshes(order: &mut [&Place]) {
    let mut made = HashMap::new();
    for (number, place) in order.iter().enumerate().filter(|(_, place)| place.step == Step::MaterializedView) {
        made.insert((place.schema.as_str(), place.name.as_str()), number);
    }
    let first = order.iter().position(|place| place.step == Step::Refresh).unwrap_or(order.len());
    order[first..].sort_by_key(|place| made.get(&(place.schema.as_str(), place.name.as_str())).copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(step: Step, name: &str) -> Place {
        Place::new(step, "s", name)
    }

    fn part(step: Step, table: &str, name: &str) -> Place {
        Place::part(step, "s", table, name)
    }

    /// The order of some places, a line each.
    fn arranged(all: &[Place], found: &[Need]) -> (Vec<String>, Plan) {
        let plan = Plan::new(found);
        let all: BTreeSet<Place> = all.iter().cloned().collect();
        let order = sorted(&all, &plan.needs).into_iter().map(|place| format!("{:?} {}", place.step, place.name));
        (order.collect(), plan)
    }

    #[test]
    fn what_is_needed_comes_first_and_the_rest_by_step_and_name() {
        let (b, a) = (place(Step::Table, "b"), place(Step::Table, "a"));
        let reads_view = place(Step::Routine, "r");
        let view = place(Step::View, "v");
        let all = [a.clone(), b.clone(), reads_view.clone(), view.clone(), place(Step::Index, "i")];
        let (order, plan) = arranged(&all, &[(reads_view, view.clone()), (view, b.clone()), (a, b)]);
        assert_eq!(order, ["Table b", "Table a", "View v", "Routine r", "Index i"]);
        assert!(plan.skipped.is_empty());
    }

    #[test]
    fn a_default_that_needs_its_own_table_stands_apart() {
        let (table, routine) = (place(Step::Table, "t"), place(Step::Routine, "r"));
        let default = part(Step::Default, "t", "c");
        let other = part(Step::Check, "t", "other");
        let found = [
            (default.clone(), routine.clone()),
            (routine.clone(), table.clone()),
            (other.clone(), place(Step::Type, "x")),
        ];
        let (order, plan) = arranged(&[table, routine, default.clone()], &found);
        assert_eq!(order, ["Table t", "Routine r", "Default t"]);
        assert!(plan.stands_apart(&default) && !plan.stands_apart(&other) && plan.skipped.is_empty());
    }

    #[test]
    fn a_view_of_a_circle_is_made_twice() {
        let (one, two) = (place(Step::View, "one"), place(Step::View, "two"));
        let placeholder = place(Step::Placeholder, "one");
        let found = [(one.clone(), two.clone()), (two.clone(), one.clone())];
        let (order, plan) = arranged(&[one.clone(), two, placeholder], &found);
        assert_eq!(order, ["Placeholder one", "View two", "View one"]);
        assert!(plan.has_placeholder(&one));
    }

    #[test]
    fn a_circle_that_cannot_be_cut_is_told() {
        let (one, two) = (place(Step::Routine, "one"), place(Step::Routine, "two"));
        let (order, plan) = arranged(&[one.clone(), two.clone()], &[(one.clone(), two.clone()), (two, one)]);
        assert_eq!(order, ["Routine one", "Routine two"]);
        assert_eq!(plan.skipped[0].subject, "the order of s.one and s.two");
    }

    /// A view that is made twice and needs a type that needs it: the circle goes on through its first form, which cannot be cut.
    #[test]
    fn a_circle_through_a_placeholder_ends() {
        let (view, made_of) = (place(Step::View, "v"), place(Step::Type, "t"));
        let placeholder = place(Step::Placeholder, "v");
        let found = [(view.clone(), made_of.clone()), (made_of.clone(), view.clone())];
        let (mut order, plan) = arranged(&[view, made_of, placeholder], &found);
        assert_eq!(plan.skipped.len(), 1, "{:?}", plan.skipped);
        order.sort();
        assert_eq!(order, ["Placeholder v", "Type t", "View v"]);
    }
}
