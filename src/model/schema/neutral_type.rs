//! Types of columns as every engine means them.

/// What a column holds, apart from how an engine writes it. What only one engine has is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeutralType {
    /// True or false.
    Boolean,
    /// A whole number.
    Integer {
        /// 8, 16, 24, 32 or 64.
        bits: u8,
        /// Has no numbers below zero (MySQL, MariaDB).
        unsigned: bool,
    },
    /// An exact number with digits behind the point.
    Decimal {
        /// Digits in all and those behind the point; absent: as many as a value has.
        digits: Option<(u32, u32)>,
    },
    /// A number that is rounded to what binary can express.
    Float {
        /// 32 or 64.
        bits: u8,
    },
    /// PostgreSQL's `money`, whose meaning depends on a setting of the session.
    Money,
    /// Text that is filled up with blanks.
    PaddedText {
        /// Characters.
        length: u32,
    },
    /// Text.
    Text {
        /// Most characters; absent: no limit but that of the engine.
        length: Option<u32>,
    },
    /// Bytes.
    Bytes,
    /// A day.
    Date,
    /// A time of day.
    Time {
        /// With an offset.
        zoned: bool,
    },
    /// A moment.
    Timestamp {
        /// It is a point in time; otherwise it is what a clock on some wall shows.
        zoned: bool,
    },
    /// A UUID.
    Uuid,
    /// JSON.
    Json {
        /// Kept parsed, so that it can be indexed; otherwise as the text that came.
        parsed: bool,
    },
}

impl NeutralType {
    /// Reads the word and the numbers in brackets of a type as an engine writes it: `numeric(10,2)` is `numeric`, 10 and 2. What
    /// follows the brackets, such as `without time zone`, belongs to the word.
    pub fn split(text: &str) -> (String, Vec<u32>) {
        let Some((before, rest)) = text.split_once('(') else { return (text.trim().to_ascii_lowercase(), Vec::new()) };
        let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
        let word = format!("{} {}", before.trim(), after.trim()).trim().to_ascii_lowercase();
        (word, inside.split(',').map_while(|number| number.trim().parse().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::NeutralType;

    #[test]
    fn a_type_is_split_into_its_word_and_its_numbers() {
        for (text, word, numbers) in [
            ("integer", "integer", vec![]),
            ("NUMERIC(10, 2)", "numeric", vec![10, 2]),
            ("timestamp(3) without time zone", "timestamp without time zone", vec![3]),
            ("int(10) unsigned", "int unsigned", vec![10]),
            ("enum('a','b')", "enum", vec![]),
            ("varchar(", "varchar", vec![]),
        ] {
            assert_eq!(NeutralType::split(text), (word.to_owned(), numbers), "{text}");
        }
    }
}
