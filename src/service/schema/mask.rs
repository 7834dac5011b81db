//! Holds back what is likely personal data or a secret. A guess by the names of columns and the shapes of values: where one
//! value of a column looks like it, the whole column is held back, because others may be written in another way.

use std::net::IpAddr;

use crate::model::schema::{MaskReason, Sample, SampleValue};

/// Words, and words written together, that names of columns with personal data or secrets have.
const PERSONAL_WORDS: [&str; 62] = [
    "accountnumber",
    "address",
    "apikey",
    "bankaccount",
    "bic",
    "birth",
    "birthdate",
    "birthday",
    "cardholder",
    "cardnumber",
    "cellphone",
    "contactname",
    "creditcard",
    "customername",
    "cvc",
    "cvv",
    "dob",
    "email",
    "employeename",
    "familyname",
    "fax",
    "firstname",
    "forename",
    "fullname",
    "gender",
    "givenname",
    "iban",
    "ip",
    "ipaddress",
    "lastname",
    "login",
    "maidenname",
    "mail",
    "middlename",
    "mobile",
    "nationalid",
    "nickname",
    "otp",
    "ownername",
    "passphrase",
    "passport",
    "passwd",
    "password",
    "patientname",
    "phone",
    "pin",
    "postalcode",
    "postcode",
    "privatekey",
    "pwd",
    "religion",
    "salary",
    "secret",
    "socialsecurity",
    "ssn",
    "street",
    "surname",
    "taxid",
    "telephone",
    "token",
    "username",
    "zip",
];

/// Words that names of tables of people have: there a column `name` is a person's.
const PEOPLE: [&str; 18] = [
    "author",
    "client",
    "contact",
    "customer",
    "employee",
    "guest",
    "guardian",
    "member",
    "participant",
    "patient",
    "people",
    "person",
    "profile",
    "staff",
    "student",
    "subscriber",
    "teacher",
    "user",
];

/// Masks the columns that look like personal data. NULL stays.
pub(super) fn mask(table: &str, sample: &mut Sample) {
    for (place, column) in sample.columns.iter_mut().enumerate() {
        let has_shape = || sample.rows.iter().filter_map(|row| row.get(place)).any(is_personal);
        column.masked = if sounds_personal(table, &column.name) {
            Some(MaskReason::Name)
        } else {
            has_shape().then_some(MaskReason::Value)
        };
    }
    for row in &mut sample.rows {
        for (value, column) in row.iter_mut().zip(&sample.columns) {
            if column.masked.is_some() && *value != SampleValue::Null {
                *value = SampleValue::Masked;
            }
        }
    }
}

fn sounds_personal(table: &str, column: &str) -> bool {
    let words = words(column);
    let is_known = |word: &str| PERSONAL_WORDS.binary_search(&word).is_ok();
    if words.iter().any(|word| is_known(word)) || words.windows(2).any(|pair| is_known(&pair.concat())) {
        return true;
    }
    let of_people = || self::words(table).iter().any(|word| PEOPLE.contains(&word.as_str()));
    words == ["name"] && of_people()
}

/// The words of a name in small letters: `homePhone`, `home_phones` and `HOME-PHONE` are `home` and `phone`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || (character.is_uppercase() && after_small) {
            words.push(String::new());
        }
        if character.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|word| word.extend(character.to_lowercase()));
        }
        after_small = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    // What is the same word in the singular. `address` is no plural.
    words
        .into_iter()
        .map(|word| match word.strip_suffix('s') {
            Some(singular) if !singular.ends_with('s') => singular.to_owned(),
            _ => word,
        })
        .collect()
}

fn is_personal(value: &SampleValue) -> bool {
    match value {
        SampleValue::Integer(number) => is_card(&number.to_string()),
        SampleValue::Text(text) | SampleValue::Json(text) | SampleValue::Other { text, .. } => {
            has_personal_shape(&text.text)
        }
        _ => false,
    }
}

fn has_personal_shape(text: &str) -> bool {
    let separates = |character: char| character.is_whitespace() || "\"'<>(){}[],;=".contains(character);
    let mut parts = text.split(separates).filter(|part| !part.is_empty());
    parts.any(|part| is_mail_address(part) || is_network_address(part))
        || is_phone(text)
        || is_card(text)
        || is_iban(text)
}

fn is_mail_address(text: &str) -> bool {
    let text = text.strip_prefix("mailto:").unwrap_or(text).trim_end_matches('.');
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let Some((host, top)) = domain.rsplit_once('.') else { return false };
    let of_domain = |character: char| character.is_alphanumeric() || ".-".contains(character);
    !local.is_empty()
        && !host.is_empty()
        && host.chars().all(of_domain)
        && top.chars().count() >= 2
        && top.chars().all(char::is_alphanumeric)
}

fn is_network_address(text: &str) -> bool {
    let address = text.split_once('/').map_or(text, |(address, _)| address);
    // `::` is written for many things.
    address.len() > 2 && address.parse::<IpAddr>().is_ok()
}

/// A number with its country, or one of an area: dates, amounts and bare numbers are none.
fn is_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if !text.chars().all(|character| character.is_ascii_digit() || "+-()/. ".contains(character)) {
        return false;
    }
    let groups: Vec<usize> =
        text.split(|character: char| !character.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect();
    match text.chars().next() {
        Some('+') => (7..=15).contains(&digits),
        Some('(' | '0') => {
            (9..=15).contains(&digits) && (groups.len() > 1 || text.starts_with('0')) && !text.contains('.')
        }
        _ => groups == [3, 3, 4],
    }
}

/// A number of a payment card: the first digits and the length of a known one, and the check digit.
fn is_card(text: &str) -> bool {
    if !text.chars().all(|character| character.is_ascii_digit() || " -".contains(character)) {
        return false;
    }
    let digits: Vec<u32> = text.chars().filter_map(|character| character.to_digit(10)).collect();
    let first = |count: usize| digits.iter().take(count).fold(0, |number, digit| number * 10 + digit);
    let is_issued = match digits.len() {
        13 | 19 => first(1) == 4,
        14 => matches!(first(2), 30 | 36 | 38),
        15 => matches!(first(2), 34 | 37),
        16 => first(1) == 4 || matches!(first(2), 35 | 51..=55 | 62 | 65) || matches!(first(4), 2221..=2720 | 6011),
        _ => false,
    };
    let weigh = |(place, digit): (usize, &u32)| match place % 2 {
        0 => *digit,
        _ if *digit > 4 => digit * 2 - 9,
        _ => digit * 2,
    };
    is_issued && digits.iter().rev().enumerate().map(weigh).sum::<u32>().is_multiple_of(10)
}

/// A number of a bank account: a country, check digits and the rest, of which the check is right.
fn is_iban(text: &str) -> bool {
    let text: String = text.chars().filter(|character| *character != ' ').collect();
    let shape = (15..=34).contains(&text.len())
        && text.chars().all(|character| character.is_ascii_alphanumeric())
        && text.chars().take(2).all(|character| character.is_ascii_uppercase())
        && text.chars().skip(2).take(2).all(|character| character.is_ascii_digit());
    if !shape {
        return false;
    }
    let (country, account) = text.split_at(4);
    let remainder = account.chars().chain(country.chars()).filter_map(|character| character.to_digit(36));
    remainder.fold(0, |rest, digit| (rest * if digit > 9 { 100 } else { 10 } + digit) % 97) == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::{SampleColumn, SampleText};

    #[test]
    fn the_words_are_in_order() {
        assert!(PERSONAL_WORDS.is_sorted());
    }

    #[test]
    fn columns_are_known_by_their_names() {
        for name in [
            "email",
            "E-Mail",
            "customerEmail",
            "home_phones",
            "FirstName",
            "first_name",
            "LASTNAME",
            "password_hash",
            "iban",
            "creditCard",
            "billing_address",
            "api_key",
            "date_of_birth",
            "social_security_number",
            "ip",
            "PostalCode",
        ] {
            assert!(sounds_personal("orders", name), "{name}");
        }
        for name in ["id", "name", "title", "total", "shipping_method", "tokenizer", "description", "zipper", "state"] {
            assert!(!sounds_personal("orders", name), "{name}");
        }
        assert!(sounds_personal("Customers", "name") && sounds_personal("app_user", "Name"));
    }

    #[test]
    fn values_are_known_by_their_shapes() {
        for text in [
            "ada@example.com",
            "Write to <ada.l@mail.example.org>.",
            r#"{"to": "a@b.io"}"#,
            "192.168.0.1",
            "10.0.0.0/8",
            "2001:db8::1",
            "+49 170 1234567",
            "(030) 1234-5678",
            "0301234567",
            "555-123-4567",
            "4111 1111 1111 1111",
            "DE89 3704 0044 0532 0130 00",
            "GB82WEST12345698765432",
        ] {
            assert!(has_personal_shape(text), "{text}");
        }
        for text in [
            "",
            "hello",
            "2024-02-29",
            "2024-02-29 12:00:00",
            "12:30:00",
            "1.5",
            "12345678",
            "1234567890123456",
            "a@b",
            "@name",
            "user@host",
            "4111 1111 1111 1112",
            "DE89 3704 0044 0532 0130 01",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "::",
            "0.25",
            "1.234.567",
        ] {
            assert!(!has_personal_shape(text), "{text}");
        }
        assert!(is_personal(&SampleValue::Integer(4_111_111_111_111_111)));
        assert!(!is_personal(&SampleValue::Integer(1_700_000_000_000)));
    }

    #[test]
    fn one_value_holds_its_whole_column_back_but_for_null() {
        let text = |text: &str| SampleValue::Text(SampleText { text: text.to_owned(), full_length: None });
        let column = |name: &str| SampleColumn { name: name.to_owned(), ..SampleColumn::default() };
        let mut sample = Sample {
            columns: vec![column("id"), column("note"), column("password")],
            rows: vec![
                vec![SampleValue::Integer(1), text("call me"), SampleValue::Null],
                vec![SampleValue::Integer(2), text("ada@example.com"), SampleValue::Bytes(16)],
            ],
        };
        mask("orders", &mut sample);
        let reasons: Vec<_> = sample.columns.iter().map(|column| column.masked).collect();
        assert_eq!(reasons, [None, Some(MaskReason::Value), Some(MaskReason::Name)]);
        let expected = [
            vec![SampleValue::Integer(1), SampleValue::Masked, SampleValue::Null],
            vec![SampleValue::Integer(2), SampleValue::Masked, SampleValue::Masked],
        ];
        assert_eq!(sample.rows, expected);
    }
}
