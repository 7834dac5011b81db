//! Messages of any type of the contract, with content that is half plausible and half absurd.

use std::collections::HashMap;

use proptest::{collection::vec, option, prelude::*};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

/// Values that reach further than noise would: names of things that are there, and the classics of bad input.
const TEXTS: [&str; 22] = [
    "connections/shop",
    "connections/absent",
    "connections/shop/backups/absent",
    "connections/../shop",
    "migrationSets/app",
    "operations/absent",
    "accounts/default",
    "accounts/default/apiKeys/0000000000000000",
    "shop",
    "127.0.0.1",
    "[::1]",
    "/etc/passwd",
    "../../store.db",
    "shop.db",
    "1_a.up.sql",
    "'; DROP TABLE accounts; --",
    "SELECT 1; SELECT $$",
    "-----BEGIN CERTIFICATE-----",
    "%s%n\u{0}\u{7f}",
    "\u{202e}\u{fffd}é😀",
    "name = \"x\" AND NOT (",
    "*",
];

/// Any message of a type, with messages in it down to a depth.
pub(super) fn message(descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
    let fields: Vec<_> = descriptor.fields().map(|field| option::weighted(0.6, of_field(field, depth))).collect();
    let descriptor = descriptor.clone();
    fields
        .prop_map(move |fields| {
            let mut message = DynamicMessage::new(descriptor.clone());
            for (field, value) in fields.into_iter().flatten() {
                if let Some(value) = value {
                    message.set_field(&field, value);
                }
            }
            message
        })
        .boxed()
}

fn of_field(field: FieldDescriptor, depth: u32) -> BoxedStrategy<(FieldDescriptor, Option<Value>)> {
    let value = if field.is_map() {
        vec((text(), text()), 0..4)
            .prop_map(|entries| {
                let entries = entries.into_iter().map(|(key, value)| (MapKey::String(key), Value::String(value)));
                Some(Value::Map(entries.collect::<HashMap<_, _>>()))
            })
            .boxed()
    } else if field.is_list() {
        vec(one(&field, depth), 0..4)
            .prop_map(|values| Some(Value::List(values.into_iter().flatten().collect())))
            .boxed()
    } else {
        one(&field, depth)
    };
    value.prop_map(move |value| (field.clone(), value)).boxed()
}

fn one(field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Option<Value>> {
    let value = match field.kind() {
        Kind::Double => any::<f64>().prop_map(Value::F64).boxed(),
        Kind::Float => any::<f32>().prop_map(Value::F32).boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            prop_oneof![any::<i32>(), -2..100i32].prop_map(Value::I32).boxed()
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            prop_oneof![any::<i64>(), -2..100i64].prop_map(Value::I64).boxed()
        }
        Kind::Uint32 | Kind::Fixed32 => prop_oneof![any::<u32>(), 0..100u32].prop_map(Value::U32).boxed(),
        Kind::Uint64 | Kind::Fixed64 => prop_oneof![any::<u64>(), 0..100u64].prop_map(Value::U64).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::String => text().prop_map(Value::String).boxed(),
        Kind::Bytes => vec(any::<u8>(), 0..100).prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        Kind::Enum(_) => prop_oneof![4 => 0..8i32, 1 => any::<i32>()].prop_map(Value::EnumNumber).boxed(),
        Kind::Message(_) if depth == 0 => return Just(None).boxed(),
        Kind::Message(inner) => message(&inner, depth - 1).prop_map(Value::Message).boxed(),
    };
    value.prop_map(Some).boxed()
}

/// Messages with one field set, and that to the end of its range or behind what it may be: whatever else a request would be
/// refused for is not in them. Fields of messages are set down to a depth.
pub(super) fn with_one_extreme(descriptor: &MessageDescriptor, depth: u32) -> Vec<DynamicMessage> {
    let fields = descriptor.fields().filter(|field| !field.is_map());
    let settings = fields.flat_map(|field| {
        let values = extremes(&field.kind(), depth);
        values.into_iter().map(move |value| {
            let value = if field.is_list() { Value::List(vec![value]) } else { value };
            (field.clone(), value)
        })
    });
    let with_one = settings.map(|(field, value)| {
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field(&field, value);
        message
    });
    with_one.collect()
}

fn extremes(kind: &Kind, depth: u32) -> Vec<Value> {
    match kind {
        Kind::Double => [f64::NAN, f64::INFINITY, f64::MIN].map(Value::F64).to_vec(),
        Kind::Float => [f32::NAN, f32::INFINITY, f32::MIN].map(Value::F32).to_vec(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => [i32::MIN, -1, i32::MAX].map(Value::I32).to_vec(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => [i64::MIN, -1, 1 << 40, i64::MAX].map(Value::I64).to_vec(),
        Kind::Uint32 | Kind::Fixed32 => vec![Value::U32(u32::MAX)],
        Kind::Uint64 | Kind::Fixed64 => vec![Value::U64(u64::MAX)],
        Kind::Bool => vec![Value::Bool(true)],
        Kind::String => ["\u{0}", "é", "/"].map(|text| Value::String(text.to_owned())).to_vec(),
        Kind::Bytes => vec![Value::Bytes(vec![0xff].into())],
        Kind::Enum(_) => [i32::MIN, i32::MAX].map(Value::EnumNumber).to_vec(),
        Kind::Message(_) if depth == 0 => Vec::new(),
        Kind::Message(inner) => {
            let empty = DynamicMessage::new(inner.clone());
            with_one_extreme(inner, depth - 1).into_iter().chain([empty]).map(Value::Message).collect()
        }
    }
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        6 => proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned),
        2 => ".{0,40}",
        1 => "[a-z][a-z0-9-]{0,70}",
        1 => (1..20_000usize).prop_map(|length| "x".repeat(length)),
    ]
    .boxed()
}
