use crate::model::Detail;

use super::*;

fn files(list: &[(&str, &str)]) -> Vec<MigrationFile> {
    list.iter()
        .map(|(path, content)| MigrationFile { path: (*path).to_owned(), content: (*content).to_owned() })
        .collect()
}

fn read(list: &[(&str, &str)]) -> ImportedMigrations {
    match read_files(&files(list), None) {
        Ok(imported) => imported,
        Err(error) => panic!("{list:?}: {error:?}"),
    }
}

/// The reason and the fields at fault.
fn refused(list: &[(&str, &str)]) -> (Reason, Vec<String>, String) {
    let error = read_files(&files(list), None).expect_err("these files are at fault");
    let fields = error.details().iter().filter_map(|detail| match detail {
        Detail::Field { field, .. } => Some(field.clone()),
        _ => None,
    });
    (error.reason(), fields.collect(), error.message().to_owned())
}

fn checksum_of(content: &str) -> String {
    read(&[("1_a.sql", content)]).migrations[0].checksum.clone()
}

#[test]
fn golang_migrate_pairs() {
    let imported = read(&[
        ("db/10_last.up.sql", "SELECT 10"),
        ("db/9_first.down.sql", "SELECT 9, 'down'"),
        ("db/9_first.up.sql", "-- dbkeeper: no-transaction\nSELECT 9"),
    ]);
    assert_eq!(imported.format, MigrationFormat::GolangMigrate);
    let [first, last] = imported.migrations.as_slice() else { panic!("{imported:?}") };
    assert_eq!((first.version.as_str(), first.title.as_str()), ("9", "first"));
    assert_eq!((first.up.file.as_str(), first.up.first_line, first.up.transactional), ("9_first.up.sql", 1, false));
    let down = first.down.as_ref().expect("a down part");
    assert_eq!(
        (down.file.as_str(), down.sql.as_str(), down.transactional),
        ("9_first.down.sql", "SELECT 9, 'down'", true)
    );
    assert_eq!((last.version.as_str(), last.down.is_none()), ("10", true));
}

/// Further down the line may be a part of a string or a body.
#[test]
fn the_line_without_a_transaction_stands_before_the_first_statement() {
    let is_transactional = |content: &str| read(&[("1_a.sql", content)]).migrations[0].up.transactional;
    for head in [
        "-- dbkeeper: no-transaction\nSELECT 1;",
        "\n-- why\n  -- dbkeeper: no-transaction  \nSELECT 1;",
        "/* a licence\n   of two lines */\n-- dbkeeper: no-transaction\nSELECT 1;",
        "/* one line */\n# another\r\n-- dbkeeper: no-transaction\r\nSELECT 1;",
    ] {
        assert!(!is_transactional(head), "{head}");
    }
    for body in [
        "SELECT '\n-- dbkeeper: no-transaction\n';",
        "SELECT 1;\n-- dbkeeper: no-transaction\nSELECT 2;",
        "/* a */ SELECT $$\n-- dbkeeper: no-transaction\n$$;",
        "-- see -- dbkeeper: no-transaction\nSELECT 1;",
    ] {
        assert!(is_transactional(body), "{body}");
    }
}

#[test]
fn dbmate_sections() {
    let text =
        "-- a comment\r\n\r\n-- migrate:up transaction:false\r\nSELECT 1;\r\n\r\n-- migrate:down\r\nSELECT 2;\r\n";
    let imported = read(&[
        ("20240101120000_both.sql", text),
        ("20240101120001_up.sql", "--migrate:up\nSELECT 3;\n-- migrate:down\n"),
    ]);
    assert_eq!(imported.format, MigrationFormat::Dbmate);
    let [both, up] = imported.migrations.as_slice() else { panic!("{imported:?}") };
    assert_eq!((both.up.sql.as_str(), both.up.first_line, both.up.transactional), ("SELECT 1;\r\n\r\n", 4, false));
    let down = both.down.as_ref().expect("a down part");
    assert_eq!((down.sql.as_str(), down.first_line, down.transactional), ("SELECT 2;\r\n", 7, true));
    assert!(up.down.is_none(), "an empty down part is none");
}

#[test]
fn plain_numbered_files() {
    let imported = read(&[
        ("002-b.sql", "SELECT 2"),
        ("001_2fa.sql", "SELECT 1"),
        ("1.10.sql", "-- nothing"),
        ("1.9_x.sql", "SELECT 3"),
    ]);
    assert_eq!(imported.format, MigrationFormat::Plain);
    let names: Vec<_> =
        imported.migrations.iter().map(|migration| (migration.version.as_str(), migration.title.as_str())).collect();
    assert_eq!(names, [("001", "2fa"), ("1.9", "x"), ("1.10", ""), ("002", "b")]);
}

#[test]
fn a_byte_order_mark_is_taken_off() {
    assert_eq!(read(&[("1_a.sql", "\u{feff}SELECT 1")]).migrations[0].up.sql, "SELECT 1");
}

#[test]
fn checksums_see_the_text_and_not_its_line_ends() {
    let checksum = checksum_of("SELECT 1;\n  SELECT 2;\n");
    assert_eq!(checksum.len(), 64);
    for same in ["SELECT 1;\r\n  SELECT 2;", "SELECT 1;  \n  SELECT 2;\t\n\n\n", "\u{feff}SELECT 1;\n  SELECT 2;\n"] {
        assert_eq!(checksum_of(same), checksum, "{same:?}");
    }
    for other in ["SELECT 1;\nSELECT 2;\n", "SELECT 1;\n\n  SELECT 2;", "select 1;\n  SELECT 2;\n"] {
        assert_ne!(checksum_of(other), checksum, "{other:?}");
    }
    let pair = |up, down| read(&[("1_a.up.sql", up), ("1_a.down.sql", down)]).migrations[0].checksum.clone();
    assert_ne!(pair("a\nb", "c"), pair("a", "b\nc"));
}

#[test]
fn two_files_of_one_version_are_both_named() {
    let (reason, fields, message) =
        refused(&[("001_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2"), ("1_c.sql", "SELECT 3")]);
    assert_eq!((reason, fields), (Reason::DuplicateMigrationVersion, vec!["files[2].path".to_owned()]));
    assert!(message.contains("001_a.sql") && message.contains("1_c.sql"), "{message}");
    let (reason, ..) = refused(&[("1_a.up.sql", "a"), ("1_a.down.sql", "b"), ("01_a.down.sql", "c")]);
    assert_eq!(reason, Reason::DuplicateMigrationVersion);
}

#[test]
fn files_at_fault_are_named() {
    let large = "x".repeat(MAX_FILE_SIZE + 1);
    let long = format!("1_{}.sql", "x".repeat(201));
    let digits = format!("{}_a.sql", "1".repeat(65));
    let cases: &[(&str, &str, &str)] = &[
        ("readme.md", "x", "path"),
        ("create_users.sql", "x", "path"),
        ("1users.sql", "x", "path"),
        ("V1__users.sql", "x", "path"),
        (".sql", "x", "path"),
        (&long, "x", "path"),
        (&digits, "x", "path"),
        ("2_a.sql", " \n", "content"),
        ("2_a.sql", "a\0b", "content"),
        ("2_a.sql", &large, "content"),
    ];
    for (path, content, part) in cases {
        let (reason, fields, message) = refused(&[("1_ok.sql", "SELECT 1"), (path, content)]);
        assert_eq!(
            (reason, fields),
            (Reason::MigrationFileInvalid, vec![format!("files[1].{part}")]),
            "{path} {message}"
        );
    }
}

#[test]
fn dbmate_files_at_fault_are_named_with_the_line() {
    let cases = [
        ("SELECT 1;\n-- migrate:up\n", ":1: "),
        ("-- migrate:down\n-- migrate:up\n", ":1: "),
        ("-- migrate:up\nx\n-- migrate:up\n", ":3: "),
        ("-- migrate:up\nx\n-- migrate:down\n-- migrate:down\n", ":4: "),
        ("-- migrate:up\nx\n-- migrate:sideways\n", ":3: "),
        ("-- migrate:up transaction:maybe\nx\n", ":1: "),
    ];
    for (content, place) in cases {
        let (reason, fields, message) = refused(&[("1_a.sql", content)]);
        assert_eq!(
            (reason, fields),
            (Reason::MigrationFileInvalid, vec!["files[0].content".to_owned()]),
            "{content:?}"
        );
        assert!(message.contains(place), "{content:?}: {message}");
    }
}

#[test]
fn a_down_part_needs_its_up_part() {
    let (reason, fields, message) = refused(&[("1_a.up.sql", "a"), ("2_b.down.sql", "b")]);
    assert_eq!((reason, fields), (Reason::MigrationFileInvalid, vec!["files[1].path".to_owned()]));
    assert!(message.contains("2_b.down.sql"), "{message}");
}

#[test]
fn layouts_are_not_mixed() {
    let mixed = [("1_a.up.sql", "a"), ("2_b.sql", "-- migrate:up\nb"), ("3_c.sql", "c"), ("4_d.up.sql", "d")];
    let (reason, fields, message) = refused(&mixed);
    assert_eq!(reason, Reason::MigrationFileInvalid);
    assert!(fields.contains(&"files[1].path".to_owned()) && fields.contains(&"files[2].path".to_owned()), "{fields:?}");
    assert!(!fields.contains(&"files[3].path".to_owned()), "{fields:?}");
    assert!(message.contains("2_b.sql") && message.contains("1_a.up.sql"), "{message}");
}

#[test]
fn a_layout_that_the_caller_names_is_held_to() {
    for (format, file) in [
        (MigrationFormat::GolangMigrate, ("1_a.sql", "x")),
        (MigrationFormat::Dbmate, ("1_a.sql", "x")),
        (MigrationFormat::Plain, ("1_a.up.sql", "x")),
    ] {
        let error = read_files(&files(&[file]), Some(format)).expect_err("another layout");
        assert_eq!(error.reason(), Reason::MigrationFileInvalid, "{format:?}");
    }
    let plain = read_files(&files(&[("1_a.sql", "-- migrate:up\nSELECT 1")]), Some(MigrationFormat::Plain));
    assert_eq!(plain.expect("a plain file").format, MigrationFormat::Plain);
}

#[test]
fn no_file_and_many_faults() {
    let (reason, fields, _) = refused(&[]);
    assert_eq!((reason, fields), (Reason::MigrationFileInvalid, vec!["files".to_owned()]));
    let many: Vec<_> = (0..30).map(|_| ("x.txt", "x")).collect();
    let (_, fields, message) = refused(&many);
    assert_eq!(fields.len(), 20);
    assert!(message.contains("29 more"), "{message}");
}
