//! Types of columns as every engine means them.

/// Most digits of a second that all engines keep, and what they keep where a definition says nothing.
pub const SECOND_DIGITS: u8 = 6;

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
        /// Digits of a second, at most [`SECOND_DIGITS`].
        digits: u8,
    },
    /// A moment.
    Timestamp {
        /// It is a point in time; otherwise it is what a clock on some wall shows.
        zoned: bool,
        /// Digits of a second, at most [`SECOND_DIGITS`].
        digits: u8,
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
    /// What [`NeutralType::parse`] reads.
    pub const FORMS: &'static str = "boolean, int8, int16, int24, int32, int64, uint8, uint16, uint24, uint32, uint64, \
         decimal, decimal(p,s), float32, float64, money, char(n), text, text(n), bytes, date, time, time(n), time_tz, \
         time_tz(n), timestamp, timestamp(n), timestamp_tz, timestamp_tz(n), uuid, json, json_text";

    /// A time of day with all digits of a second.
    pub const fn time(zoned: bool) -> Self {
        Self::Time { zoned, digits: SECOND_DIGITS }
    }

    /// A moment with all digits of a second.
    pub const fn timestamp(zoned: bool) -> Self {
        Self::Timestamp { zoned, digits: SECOND_DIGITS }
    }

    /// A type of times with this many digits of a second; any other stays what it is.
    pub fn with_second_digits(self, digits: u8) -> Self {
        match self {
            Self::Time { zoned, .. } => Self::Time { zoned, digits },
            Self::Timestamp { zoned, .. } => Self::Timestamp { zoned, digits },
            other => other,
        }
    }

    /// The digits of a second that an engine writes in brackets, such as the 3 of `time(3)`.
    pub fn second_digits(numbers: &[u32], unsaid: u8) -> u8 {
        let said = numbers.first().and_then(|digits| u8::try_from(*digits).ok());
        said.unwrap_or(unsaid).min(SECOND_DIGITS)
    }

    /// Reads what [`std::fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, numbers) = Self::split(text);
        let found = match (word.as_str(), numbers.as_slice()) {
            ("boolean", []) => Self::Boolean,
            ("decimal", []) => Self::Decimal { digits: None },
            ("decimal", [precision]) => Self::Decimal { digits: Some((*precision, 0)) },
            ("decimal", [precision, scale]) => Self::Decimal { digits: Some((*precision, *scale)) },
            ("float32", []) => Self::Float { bits: 32 },
            ("float64", []) => Self::Float { bits: 64 },
            ("money", []) => Self::Money,
            ("char", [length]) => Self::PaddedText { length: *length },
            ("text", []) => Self::Text { length: None },
            ("text", [length]) => Self::Text { length: Some(*length) },
            ("bytes", []) => Self::Bytes,
            ("date", []) => Self::Date,
            ("time", digits) => Self::time(false).with_second_digits(Self::said_digits(digits)?),
            ("time_tz", digits) => Self::time(true).with_second_digits(Self::said_digits(digits)?),
            ("timestamp", digits) => Self::timestamp(false).with_second_digits(Self::said_digits(digits)?),
            ("timestamp_tz", digits) => Self::timestamp(true).with_second_digits(Self::said_digits(digits)?),
            ("uuid", []) => Self::Uuid,
            ("json", []) => Self::Json { parsed: true },
            ("json_text", []) => Self::Json { parsed: false },
            (integer, []) => return Self::integer(integer),
            _ => return None,
        };
        // Brackets that hold anything but these numbers are no form of ours.
        (text.contains('(') != numbers.is_empty()).then_some(found)
    }

    /// No number says all digits of a second.
    fn said_digits(numbers: &[u32]) -> Option<u8> {
        match numbers {
            [] => Some(SECOND_DIGITS),
            [digits] => u8::try_from(*digits).ok().filter(|digits| *digits <= SECOND_DIGITS),
            _ => None,
        }
    }

    fn integer(word: &str) -> Option<Self> {
        let (unsigned, bits) = match word.strip_prefix("uint") {
            Some(bits) => (true, bits),
            None => (false, word.strip_prefix("int")?),
        };
        let bits = [8, 16, 24, 32, 64].into_iter().find(|known: &u8| known.to_string() == bits)?;
        Some(Self::Integer { bits, unsigned })
    }

    /// Reads the word and the numbers in brackets of a type as an engine writes it: `numeric(10,2)` is `numeric`, 10 and 2. What
    /// follows the brackets, such as `without time zone`, belongs to the word.
    pub fn split(text: &str) -> (String, Vec<u32>) {
        let Some((before, rest)) = text.split_once('(') else { return (text.trim().to_ascii_lowercase(), Vec::new()) };
        let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
        let word = format!("{} {}", before.trim(), after.trim()).trim().to_ascii_lowercase();
        (word, inside.split(',').map_while(|number| number.trim().parse().ok()).collect())
    }
}

impl std::fmt::Display for NeutralType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean => write!(f, "boolean"),
            Self::Integer { bits, unsigned } => write!(f, "{}int{bits}", if *unsigned { "u" } else { "" }),
            Self::Decimal { digits: None } => write!(f, "decimal"),
            Self::Decimal { digits: Some((precision, scale)) } => write!(f, "decimal({precision},{scale})"),
            Self::Float { bits } => write!(f, "float{bits}"),
            Self::Money => write!(f, "money"),
            Self::PaddedText { length } => write!(f, "char({length})"),
            Self::Text { length: None } => write!(f, "text"),
            Self::Text { length: Some(length) } => write!(f, "text({length})"),
            Self::Bytes => write!(f, "bytes"),
            Self::Date => write!(f, "date"),
            Self::Time { zoned, digits } => write_time(f, "time", *zoned, *digits),
            Self::Timestamp { zoned, digits } => write_time(f, "timestamp", *zoned, *digits),
            Self::Uuid => write!(f, "uuid"),
            Self::Json { parsed } => write!(f, "json{}", if *parsed { "" } else { "_text" }),
        }
    }
}

fn write_time(f: &mut std::fmt::Formatter<'_>, word: &str, zoned: bool, digits: u8) -> std::fmt::Result {
    write!(f, "{word}{}", if zoned { "_tz" } else { "" })?;
    if digits == SECOND_DIGITS { Ok(()) } else { write!(f, "({digits})") }
}

#[cfg(test)]
mod tests {
    use super::NeutralType;

    #[test]
    fn a_type_is_read_as_it_is_written() {
        for text in [
            "boolean",
            "int8",
            "int64",
            "uint24",
            "decimal",
            "decimal(10,2)",
            "float32",
            "float64",
            "money",
            "char(3)",
            "text",
            "text(40)",
            "bytes",
            "date",
            "time",
            "time_tz",
            "timestamp",
            "timestamp_tz",
            "time(0)",
            "timestamp_tz(3)",
            "uuid",
            "json",
            "json_text",
        ] {
            assert_eq!(NeutralType::parse(text).expect(text).to_string(), text);
        }
        for text in [
            "int7",
            "uint",
            "text(x)",
            "text()",
            "boolean(1)",
            "varchar(3)",
            "decimal(1,2,3)",
            "time(7)",
            "timestamp(1,2)",
            "",
        ] {
            assert_eq!(NeutralType::parse(text), None, "{text}");
        }
    }

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
