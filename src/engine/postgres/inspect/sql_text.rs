//! Takes expressions apart as PostgreSQL prints them: strings and names are quoted by doubling the quote, and nothing else
//! hides a parenthesis or a comma.

/// The condition between the parentheses after WHEN in a CREATE TRIGGER.
pub(super) fn trigger_condition(definition: &str) -> Option<&str> {
    let mut places = bare_places(definition);
    // Only keywords have capitals outside of quotes.
    let when = places.find(|place| place.depth == 0 && definition[place.at..].starts_with("WHEN ("))?;
    let open = when.at + "WHEN ".len();
    let close = places.find(|place| place.at > open && place.depth == 0 && place.character == ')')?;
    definition.get(open + 1..close.at)
}

/// The terms of a list that commas part.
pub(super) fn list_terms(list: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut start = 0;
    for place in bare_places(list).filter(|place| place.depth == 0 && place.character == ',') {
        terms.push(list[start..place.at].trim());
        start = place.at + 1;
    }
    terms.push(list[start..].trim());
    terms
}

/// A character outside of quotes, with the number of parentheses around it; one of its own does not count.
struct Place {
    at: usize,
    character: char,
    depth: i32,
}

fn bare_places(text: &str) -> impl Iterator<Item = Place> {
    let mut quote = None;
    let mut depth = 0;
    text.char_indices().filter_map(move |(at, character)| {
        match quote {
            Some(open) => {
                if character == open {
                    quote = None;
                }
                return None;
            }
            None if matches!(character, '\'' | '"') => {
                quote = Some(character);
                return None;
            }
            None => {}
        }
        if matches!(character, ')' | ']') {
            depth -= 1;
        }
        let place = Place { at, character, depth };
        if matches!(character, '(' | '[') {
            depth += 1;
        }
        Some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_found_whatever_is_quoted() {
        let definition = r#"CREATE TRIGGER "a WHEN (b" BEFORE UPDATE OF "WHEN (" ON s.t FOR EACH ROW WHEN (((new.a <> ') x''') AND f(new."b)"))) EXECUTE FUNCTION s.f('WHEN (c)')"#;
        assert_eq!(trigger_condition(definition), Some(r#"((new.a <> ') x''') AND f(new."b)"))"#));
        let without = "CREATE TRIGGER a AFTER INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.f('WHEN (c)')";
        assert_eq!(trigger_condition(without), None);
    }

    #[test]
    fn lists_are_parted_at_their_own_commas() {
        let list = r#"(("user" || ', '::text) || "a,b"), abs(f(a, b)), x[1, 2]"#;
        assert_eq!(list_terms(list), [r#"(("user" || ', '::text) || "a,b")"#, "abs(f(a, b))", "x[1, 2]"]);
    }
}
