use std::time::Duration;

use crate::model::{MigrationSetId, Timestamp, migration::MigrationScript};

use super::*;

fn version(text: &str) -> Version {
    Version::parse(text, "version").expect("a version")
}

fn migration(text: &str) -> Migration {
    let script = |part| MigrationScript {
        file: format!("{text}_x.{part}.sql"),
        first_line: 1,
        sql: "SELECT 1".to_owned(),
        transactional: true,
    };
    Migration {
        version: version(text),
        title: "x".to_owned(),
        checksum: "same".to_owned(),
        up: script("up"),
        down: Some(script("down")),
    }
}

fn set(versions: &[&str]) -> Vec<Migration> {
    versions.iter().map(|text| migration(text)).collect()
}

fn applied(text: &str) -> HistoryEntry {
    HistoryEntry {
        set: MigrationSetId::from_stored("s".to_owned()),
        version: version(text),
        title: "x".to_owned(),
        checksum: "same".to_owned(),
        applied: Timestamp::from_micros(0),
        duration: Duration::ZERO,
        incomplete: None,
    }
}

fn history(versions: &[&str]) -> Vec<HistoryEntry> {
    versions.iter().map(|text| applied(text)).collect()
}

fn stopped(text: &str, direction: Direction) -> HistoryEntry {
    let run = IncompleteRun {
        direction,
        statements_done: 2,
        statements_total: 5,
        statement_open: false,
        fingerprint: String::new(),
    };
    HistoryEntry { incomplete: Some(run), ..applied(text) }
}

fn up(extent: Extent) -> PlanRequest {
    PlanRequest { direction: Direction::Up, extent, allow_out_of_order: false }
}

fn down(extent: Extent) -> PlanRequest {
    PlanRequest { direction: Direction::Down, extent, allow_out_of_order: false }
}

fn to(text: &str) -> Extent {
    Extent::To(version(text))
}

fn steps(plan: &Plan<'_>) -> Vec<String> {
    assert_eq!(plan.problems, [], "nothing stands in the way");
    plan.steps.iter().map(|step| step.version.as_str().to_owned()).collect()
}

fn problems(plan: &Plan<'_>) -> Vec<(Reason, String)> {
    plan.problems.iter().map(|problem| (problem.reason, problem.version.as_str().to_owned())).collect()
}

fn run(migrations: &[Migration], history: &[HistoryEntry], request: PlanRequest) -> (Vec<String>, Option<String>) {
    let plan = plan(migrations, history, &request).expect("a plan");
    (steps(&plan), plan.current.as_ref().map(|version| version.as_str().to_owned()))
}

fn refused(migrations: &[Migration], history: &[HistoryEntry], request: PlanRequest) -> Vec<(Reason, String)> {
    problems(&plan(migrations, history, &request).expect("a plan"))
}

#[test]
fn upwards() {
    let all = set(&["001", "9", "10", "11"]);
    type Case<'a> = (&'a [&'a str], Extent, &'a [&'a str], Option<&'a str>);
    let cases: &[Case<'_>] = &[
        (&[], Extent::All, &["001", "9", "10", "11"], None),
        (&["1"], Extent::All, &["9", "10", "11"], Some("1")),
        (&["001", "9"], to("10"), &["10"], Some("9")),
        (&["001", "9"], to("09"), &[], Some("9")),
        (&["001", "9", "10", "11"], Extent::All, &[], Some("11")),
        (&["001"], Extent::Steps(2), &["9", "10"], Some("001")),
    ];
    for (applied, extent, expected, current) in cases {
        let (steps, at) = run(&all, &history(applied), up(extent.clone()));
        assert_eq!(
            (steps, at.as_deref()),
            (expected.iter().map(ToString::to_string).collect(), *current),
            "{applied:?}"
        );
    }
}

#[test]
fn downwards() {
    let all = set(&["1", "2", "10", "11"]);
    let cases: &[(&[&str], Extent, &[&str])] = &[
        (&["001", "2", "10"], Extent::Steps(1), &["10"]),
        (&["001", "2", "10"], Extent::Steps(9), &["10", "2", "001"]),
        (&["001", "2", "10"], Extent::All, &["10", "2", "001"]),
        (&["001", "2", "10"], to("2"), &["10"]),
        (&["001", "2", "10"], to("11"), &[]),
        (&[], Extent::All, &[]),
    ];
    for (applied, extent, expected) in cases {
        let (steps, _) = run(&all, &history(applied), down(extent.clone()));
        assert_eq!(steps, *expected, "{applied:?} {extent:?}");
    }
}

#[test]
fn a_version_that_does_not_exist_is_an_error() {
    for request in [up(to("3")), down(to("3"))] {
        let error = plan(&set(&["1", "2"]), &history(&["1"]), &request).expect_err("no such version");
        assert_eq!(error.reason(), Reason::MigrationNotFound);
    }
}

#[test]
fn drift_forbids_to_apply() {
    let mut all = set(&["1", "2", "3"]);
    all[0].checksum = "other".to_owned();
    let found = refused(&all, &history(&["1", "2", "20"]), up(Extent::All));
    let expected = [(Reason::MigrationDrift, "1"), (Reason::MigrationOutOfOrder, "3"), (Reason::MigrationDrift, "20")];
    assert_eq!(found, expected.map(|(reason, version)| (reason, version.to_owned())));
}

#[test]
fn drift_forbids_to_revert_only_what_it_touches() {
    let mut all = set(&["1", "2", "3"]);
    all[0].checksum = "other".to_owned();
    let applied = history(&["1", "2", "3"]);
    assert_eq!(run(&all, &applied, down(to("1"))).0, ["3", "2"]);
    assert_eq!(refused(&all, &applied, down(Extent::All)), [(Reason::MigrationDrift, "1".to_owned())]);
    assert_eq!(refused(&set(&["1"]), &applied, down(Extent::Steps(1))), [(Reason::MigrationDrift, "3".to_owned())]);
}

#[test]
fn older_pending_migrations_are_a_choice() {
    let all = set(&["1", "2", "3", "4"]);
    let applied = history(&["1", "3"]);
    assert_eq!(refused(&all, &applied, up(Extent::All)), [(Reason::MigrationOutOfOrder, "2".to_owned())]);
    let allowed = PlanRequest { allow_out_of_order: true, ..up(Extent::All) };
    assert_eq!(run(&all, &applied, allowed).0, ["2", "4"]);
}

#[test]
fn what_was_begun_is_finished_first() {
    let all = set(&["1", "2", "3"]);
    let begun = [applied("1"), stopped("2", Direction::Up)];
    let planned = plan(&all, &begun, &up(Extent::All)).expect("a plan");
    assert_eq!(steps(&planned), ["2", "3"]);
    assert_eq!((planned.steps[0].statements_done, planned.steps[1].statements_done), (2, 0));
    assert_eq!(planned.current, Some(version("1")));

    let mut mended = all.clone();
    mended[1].checksum = "mended".to_owned();
    assert_eq!(run(&mended, &begun, up(Extent::All)).0, ["2", "3"], "the mended text goes on");

    let reverted = [applied("1"), applied("2"), stopped("3", Direction::Down)];
    let planned = plan(&all, &reverted, &down(Extent::Steps(2))).expect("a plan");
    assert_eq!(steps(&planned), ["3", "2"]);
    assert_eq!(planned.steps[0].statements_done, 2);
}

#[test]
fn an_incomplete_run_of_the_other_way_stands_in_the_way() {
    let all = set(&["1", "2", "3"]);
    let incomplete = |text: &str| vec![(Reason::MigrationIncomplete, text.to_owned())];
    assert_eq!(refused(&all, &[applied("1"), stopped("2", Direction::Up)], down(Extent::All)), incomplete("2"));
    assert_eq!(refused(&all, &[applied("1"), stopped("2", Direction::Down)], up(Extent::All)), incomplete("2"));
    assert_eq!(refused(&all, &[applied("1"), stopped("2", Direction::Up)], up(to("1"))), incomplete("2"));
}

#[test]
fn without_a_down_part_nothing_is_reverted() {
    let mut all = set(&["1", "2"]);
    all[0].down = None;
    let applied = history(&["1", "2"]);
    assert_eq!(run(&all, &applied, down(Extent::Steps(1))).0, ["2"]);
    assert_eq!(refused(&all, &applied, down(Extent::All)), [(Reason::MigrationIrreversible, "1".to_owned())]);
}

#[test]
fn a_refusal_has_the_first_reason_and_lists_the_rest() {
    let applied: Vec<_> = (1..=30).map(|number| applied(&number.to_string())).collect();
    let plan = plan(&[], &applied, &up(Extent::All)).expect("a plan");
    let error = plan.refusal().expect("a refusal");
    assert_eq!(error.reason(), Reason::MigrationDrift);
    assert!(error.message().contains("version 1 ") && error.message().contains("29 more"), "{error}");
    assert_eq!(error.details().iter().filter(|detail| matches!(detail, Detail::Precondition { .. })).count(), 20);
}

#[test]
fn a_planned_run_goes_on_where_others_left_it() {
    let all = set(&["1", "2", "3", "4"]);
    let planned = |versions: &[&str]| Extent::Planned(versions.iter().map(|text| version(text)).collect());
    assert_eq!(run(&all, &history(&["1", "2"]), up(planned(&["2", "3"]))).0, ["3"]);
    assert_eq!(run(&all, &history(&["1", "2", "3"]), up(planned(&["2", "3"]))).0, Vec::<String>::new());
    assert_eq!(run(&all, &history(&["1", "2"]), down(planned(&["3", "2"]))).0, ["2"]);
    assert_eq!(run(&all, &history(&["1"]), down(planned(&["3", "2"]))).0, Vec::<String>::new());
    assert_eq!(run(&all, &history(&["1"]), down(planned(&[]))).0, Vec::<String>::new());
    let overtaken = refused(&all, &history(&["1", "2", "3", "4"]), down(planned(&["3", "2"])));
    assert_eq!(overtaken, [(Reason::MigrationOutOfOrder, "4".to_owned())]);
}
