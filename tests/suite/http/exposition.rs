//! A strict reader of the text format of Prometheus: whatever the format does not allow fails, and so does what would give a
//! wrong figure, such as buckets that are not cumulative.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a series, by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

/// The samples of one HELP and one TYPE.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) help: String,
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

/// Everything that was told, by name of the family.
#[derive(Debug)]
pub(crate) struct Exposition(pub(crate) BTreeMap<String, Family>);

impl Exposition {
    /// The value of the one series that has these labels, among others.
    #[track_caller]
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.series(name, labels);
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0].value
    }

    /// Every series of a name that has these labels, among others.
    pub(super) fn series(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let has = |sample: &&Sample| {
            let label = |(name, value): &(&str, &str)| sample.labels.get(*name).is_some_and(|found| found == value);
            sample.name == name && labels.iter().all(label)
        };
        self.0.values().flat_map(|family| &family.samples).filter(has).collect()
    }
}

/// Reads a whole text, or says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Exposition, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut help, mut current) = (None, None);
    for line in text.lines() {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').ok_or(wrong("HELP without a text"))?;
            if help.is_some() {
                return Err(wrong("HELP after HELP"));
            }
            help = Some((name.to_owned(), unescaped(text, false).ok_or(wrong("a bad escape"))?));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(wrong("TYPE without a type"))?;
            let (of, help) = help.take().ok_or(wrong("TYPE without HELP"))?;
            if of != name || !is_metric_name(name) || !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(wrong("a bad TYPE"));
            }
            let family = Family { help, kind: kind.to_owned(), samples: Vec::new() };
            if families.insert(name.to_owned(), family).is_some() {
                return Err(wrong("a second TYPE"));
            }
            current = Some(name.to_owned());
        } else {
            let sample = sample(line).ok_or(wrong("no sample"))?;
            let name = current.as_ref().filter(|_| help.is_none()).ok_or(wrong("a sample without TYPE"))?;
            let family = families.get_mut(name).ok_or(wrong("a sample without TYPE"))?;
            if !belongs(&sample.name, name, &family.kind) {
                return Err(wrong("a sample of another family"));
            }
            family.samples.push(sample);
        }
    }
    if help.is_some() {
        return Err("HELP without TYPE".to_owned());
    }
    families.iter().try_for_each(|(name, family)| check(name, family).map_err(|what| format!("{name}: {what}")))?;
    Ok(Exposition(families))
}

fn is_metric_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    match sample.strip_prefix(family) {
        Some(suffix) if kind == "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
        Some(suffix) => suffix.is_empty(),
        None => false,
    }
}

/// `name{label="value",...} number`, with one space and no time.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let end = end_of_value(after)?;
            let value = unescaped(&after[..end], true)?;
            if !is_label_name(label) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            rest = &after[end + 1..];
            if let Some(behind) = rest.strip_prefix('}') {
                rest = behind;
                break;
            }
            rest = rest.strip_prefix(',')?;
        }
    }
    let number = rest.strip_prefix(' ')?;
    let value =
        if number == "+Inf" { f64::INFINITY } else { number.parse().ok().filter(|value: &f64| value.is_finite())? };
    is_metric_name(name).then(|| Sample { name: name.to_owned(), labels, value })
}

/// Where the quotation mark stands that ends a value.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

fn unescaped(text: &str, quoted: bool) -> Option<String> {
    let (mut plain, mut characters) = (String::new(), text.chars());
    while let Some(c) = characters.next() {
        plain.push(match c {
            '\\' => match characters.next()? {
                'n' => '\n',
                '\\' => '\\',
                '"' if quoted => '"',
                _ => return None,
            },
            '"' if quoted => return None,
            other => other,
        });
    }
    Some(plain)
}

fn check(name: &str, family: &Family) -> Result<(), String> {
    if family.samples.is_empty() || family.help.is_empty() {
        return Err("it tells nothing".to_owned());
    }
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        let series = (sample.name.clone(), sample.labels.clone());
        if !seen.insert(series) {
            return Err(format!("a series twice: {sample:?}"));
        }
    }
    match family.kind.as_str() {
        "counter" if !name.ends_with("_total") => Err("a counter without _total".to_owned()),
        "counter" if family.samples.iter().any(|sample| sample.value < 0.0) => Err("a counter below 0".to_owned()),
        "histogram" => check_histograms(name, &family.samples),
        _ => Ok(()),
    }
}

fn check_histograms(name: &str, samples: &[Sample]) -> Result<(), String> {
    #[derive(Default)]
    struct Parts {
        buckets: Vec<(f64, f64)>,
        sum: Option<f64>,
        count: Option<f64>,
    }
    let mut histograms: BTreeMap<Labels, Parts> = BTreeMap::new();
    for sample in samples {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le");
        let parts = histograms.entry(labels).or_default();
        match (sample.name.strip_prefix(name), bound) {
            (Some("_bucket"), Some(bound)) => {
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| bound.clone())? };
                parts.buckets.push((bound, sample.value));
            }
            (Some("_sum"), None) => parts.sum = Some(sample.value),
            (Some("_count"), None) => parts.count = Some(sample.value),
            _ => return Err(format!("le stands where it must not, or not where it must: {sample:?}")),
        }
    }
    for (labels, Parts { buckets, sum, count }) in histograms {
        let cumulative = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let last = buckets.last().copied();
        if !cumulative || sum.is_none() || count.is_none() || last != count.map(|count| (f64::INFINITY, count)) {
            return Err(format!("no histogram: {labels:?} {buckets:?} sum {sum:?} count {count:?}"));
        }
    }
    Ok(())
}

#[test]
fn what_the_format_does_not_allow_is_refused() {
    let good = "# HELP a_total A \\\\ and\\n.\n# TYPE a_total counter\na_total{x=\"\\\"q\\\\\",y=\"\"} 3\na_total 0.5\n\
                # HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n";
    let told = read(good).unwrap();
    assert_eq!(told.value("a_total", &[("x", "\"q\\")]), 3.0);
    assert_eq!(told.0["a_total"].help, "A \\ and\n.");
    for (from, to) in [
        ("# HELP h H.\n", ""),
        ("# TYPE h histogram\n", ""),
        ("# TYPE h histogram", "# TYPE h summary"),
        ("h_sum 4.5\n", ""),
        ("h_count 3", "h_count 4"),
        ("le=\"+Inf\"", "le=\"2\""),
        ("h_bucket{le=\"1\"} 2", "h_bucket{le=\"1\"} 4"),
        ("h_bucket{le=\"1\"} 2", "h_bucket{le=\"one\"} 2"),
        ("h_bucket{le=\"1\"} 2", "h_bucket 2"),
        ("a_total 0.5", "a_total 0.5 1700000000"),
        ("a_total 0.5", "a_total  0.5"),
        ("a_total 0.5", "a_total many"),
        ("a_total 0.5", "a_total NaN"),
        ("a_total 0.5", "a_total -1"),
        ("a_total 0.5", "b_total 0.5"),
        ("a_total 0.5", "a_total{y=\"\",x=\"\\\"q\\\\\"} 1"),
        ("a_total 0.5\n", "a_total 0.5\n\n"),
        ("y=\"\"", "x=\"\""),
        ("y=\"\"", "y:z=\"\""),
        ("y=\"\"", "y=\"\\t\""),
        ("h_count 3\n", "h_count 3"),
        ("h_count 3\n", "h_count 3\n# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        read(&bad).expect_err(&bad);
    }
    read(&good.replace("a_total", "a")).expect_err("a counter without _total");
}
