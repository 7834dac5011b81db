//! Views, each behind those that it reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use petgraph::{algo::tarjan_scc, graph::DiGraph};

use crate::model::name::Identifier;

/// The views in an order in which each finds those that it reads; a group of several is a circle, or looks like one. What a
/// view reads shows in its text alone, where another view's name can stand for something else too.
pub(super) fn groups(views: &BTreeMap<String, String>) -> Vec<BTreeSet<String>> {
    let mut graph = DiGraph::<&String, ()>::new();
    let nodes: HashMap<&String, _> = views.keys().map(|name| (name, graph.add_node(name))).collect();
    let quoted: Vec<(&String, String)> =
        views.keys().map(|name| (name, Identifier::of_catalog(name.as_str()).backquoted())).collect();
    for (name, create) in views {
        let query = create.split_once(" AS ").map_or("", |(_, query)| query);
        for (other, _) in quoted.iter().filter(|(other, text)| *other != name && query.contains(text.as_str())) {
            graph.add_edge(nodes[name], nodes[*other], ());
        }
    }
    let groups = tarjan_scc(&graph).into_iter();
    groups.map(|group| group.into_iter().map(|node| graph[node].clone()).collect()).collect()
}

/// A view with the columns of another and no query, for views that read it to be made.
pub(super) fn placeholder(name: &str, columns: &[String]) -> String {
    let quoted = |name: &str| Identifier::of_catalog(name).backquoted();
    let columns: Vec<String> = columns.iter().map(|column| format!("NULL AS {}", quoted(column))).collect();
    format!("CREATE VIEW {} AS SELECT {}", quoted(name), columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(groups: &[BTreeSet<String>]) -> Vec<Vec<&str>> {
        groups.iter().map(|group| group.iter().map(String::as_str).collect()).collect()
    }

    #[test]
    fn a_view_comes_behind_what_it_reads() {
        let views = [("a", "`b`"), ("b", "`c`"), ("c", "`t`"), ("x", "`y`"), ("y", "`x`")];
        let views =
            views.map(|(name, table)| (name.to_owned(), format!("CREATE VIEW `{name}` AS select 1 from {table}")));
        let found = groups(&BTreeMap::from(views));
        assert_eq!(names(&found), [vec!["c"], vec!["b"], vec!["a"], vec!["x", "y"]]);
    }
}
