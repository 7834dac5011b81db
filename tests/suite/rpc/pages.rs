//! Every list that comes in pages: the list of them comes from the descriptors, so an RPC with a page token and without a
//! case here fails the run.

mod cases;

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value as Field};
use secrecy::SecretString;
use serde_json::Value;
use tonic::{Code, Status, transport::Channel};

use self::cases::{Case, Scene};
use super::{
    answer::assert_refused,
    wire::{call, methods, short_name},
};
use crate::harness::server::{TestServer, in_time};

/// What is no selection: it says which part of the list is asked for.
const PAGING: [&str; 2] = ["page_size", "page_token"];
/// Fewer entries would not show how the third page goes on behind the second.
const FEWEST: usize = 3;

/// A list of the server that is asked for page by page.
struct List<'a> {
    channel: &'a Channel,
    method: &'a MethodDescriptor,
    case: &'a Case,
}

impl List<'_> {
    /// The case's request for a page, with another value in one of its fields.
    fn request(&self, change: Option<&(&str, Value)>, page_size: i32, page_token: &str) -> Vec<u8> {
        let mut fields = self.case.request.clone();
        if let Some((field, value)) = change {
            assert_ne!(fields.get(*field), Some(value), "{}: the same {field} selects the same", self.case.method);
            fields[*field] = value.clone();
        }
        fields["page_size"] = page_size.into();
        fields["page_token"] = page_token.into();
        let message = DynamicMessage::deserialize(self.method.input(), fields).expect(self.case.method);
        message.encode_to_vec()
    }

    /// What tells the entries of a page apart, and the token of the next page.
    async fn page(&self, key: &SecretString, request: Vec<u8>) -> Result<(Vec<String>, String), Status> {
        let answer = in_time(call(self.channel, self.method, Some(key), request)).await?;
        let entries = answer.get_field_by_name(self.case.entries).expect(self.case.method);
        let entries = entries.as_list().expect("a list").iter().map(|entry| self.key_of(entry)).collect();
        let token = answer.get_field_by_name("next_page_token").expect("a list has a token of its next page");
        Ok((entries, token.as_str().expect("a text").to_owned()))
    }

    fn key_of(&self, entry: &Field) -> String {
        let found = self.case.key.split('.').fold(entry.clone(), |part, field| {
            let message = part.as_message().expect("a message");
            message.get_field_by_name(field).unwrap_or_else(|| panic!("an entry has no {field}")).into_owned()
        });
        format!("{found:?}")
    }

    async fn whole(&self, key: &SecretString) -> Vec<String> {
        let (entries, next) = self.page(key, self.request(None, 1000, "")).await.expect(self.case.method);
        assert_eq!(next, "", "{}: it comes in one page", self.case.method);
        entries
    }

    /// Every entry, from pages of one.
    async fn one_by_one(&self, key: &SecretString) -> Vec<String> {
        let (mut found, mut tokens, mut token) = (Vec::new(), BTreeSet::new(), String::new());
        loop {
            let page = self.page(key, self.request(None, 1, &token)).await;
            let (entries, next) = page.expect(self.case.method);
            assert!(entries.len() <= 1, "{} gives more than was asked for: {entries:?}", self.case.method);
            found.extend(entries);
            if next.is_empty() {
                return found;
            }
            assert!(tokens.insert(next.clone()), "{} goes on where it was: {found:?}", self.case.method);
            token = next;
        }
    }

    /// Every entry comes once, and in the order of the whole list. What comes or goes meanwhile may be in it or not.
    async fn check_entries(&self, key: &SecretString) {
        let before = self.whole(key).await;
        let found = self.one_by_one(key).await;
        let after = self.whole(key).await;
        let method = self.case.method;
        let lasting: Vec<_> = before.into_iter().filter(|entry| after.contains(entry)).collect();
        assert!(lasting.len() >= FEWEST, "{method} has too few entries to tell: {lasting:?}");
        let distinct: BTreeSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), found.len(), "{method} gives an entry twice: {found:?}");
        let found: Vec<_> = found.into_iter().filter(|entry| lasting.contains(entry)).collect();
        assert_eq!(found, lasting, "{method}");
    }

    /// A token is good for its own caller and its own list alone.
    async fn check_tokens(&self, owner: &SecretString, stranger: &SecretString, of_others: &[&str]) {
        let (_, token) = self.page(owner, self.request(None, 1, "")).await.expect(self.case.method);
        let again = self.page(owner, self.request(None, 1, &token)).await;
        again.unwrap_or_else(|error| panic!("{} refuses its own token: {error:?}", self.case.method));
        for forged in forged(&token) {
            self.assert_foreign("a forged token", self.page(owner, self.request(None, 1, &forged)).await);
        }
        let of_stranger = self.page(stranger, self.request(None, 1, &token)).await;
        self.assert_foreign("a token of another account", of_stranger);
        for of_another in of_others {
            let answer = self.page(owner, self.request(None, 1, of_another)).await;
            self.assert_foreign("a token of another method", answer);
        }
        for other in &self.case.others {
            let answer = self.page(owner, self.request(Some(other), 1, &token)).await;
            self.assert_foreign(&format!("a token of another {}", other.0), answer);
        }
    }

    fn assert_foreign(&self, what: &str, answer: Result<(Vec<String>, String), Status>) {
        match answer {
            Ok(found) => panic!("{} takes {what}: {found:?}", self.case.method),
            Err(error) => assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
        }
    }
}

/// Nothing that could be made of a token without the key: another place, another code, a part of it, none of it.
fn forged(token: &str) -> Vec<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).expect("a token");
    let flipped = |place: usize| {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let cut = URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 1]);
    vec![flipped(2), flipped(bytes.len() - 1), cut, format!("{token}{token}"), "x".to_owned()]
}

/// Methods of the contract whose request has the field.
fn paged(methods: &[MethodDescriptor]) -> BTreeMap<String, &MethodDescriptor> {
    let paged = methods.iter().filter(|method| method.input().get_field_by_name("page_token").is_some());
    paged.map(|method| (short_name(method), method)).collect()
}

/// Every field of a request either makes another list, and a case says how, or selects nothing, and a case says so.
fn assert_every_field_is_tried(paged: &BTreeMap<String, &MethodDescriptor>, cases: &[Case]) {
    let known: BTreeSet<_> = cases.iter().map(|case| case.method.to_owned()).collect();
    assert_eq!(known, paged.keys().cloned().collect(), "each RPC with a page token has a case, and each case one");
    for (name, method) in paged {
        let of_method = || cases.iter().filter(|case| case.method == name);
        let changed = of_method().flat_map(|case| case.others.iter().map(|(field, _)| *field));
        let idle = of_method().flat_map(|case| case.selects_nothing.iter().copied());
        let told: BTreeSet<&str> = changed.chain(idle).chain(PAGING).collect();
        let input = method.input();
        let fields: Vec<_> = input.fields().collect();
        let fields: BTreeSet<&str> = fields.iter().map(prost_reflect::FieldDescriptor::name).collect();
        assert_eq!(told, fields, "{name}: each field of the request is tried");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_gives_each_entry_once_and_takes_its_own_tokens_alone() {
    let scene = Scene::make().await;
    let (owner, stranger) = (scene.server.admin_key(), scene.server.second_account().await);
    let channel = channel(&scene.server).await;
    let (methods, cases) = (methods(), cases::all());
    let paged = paged(&methods);
    assert_every_field_is_tried(&paged, &cases);
    let lists: Vec<List<'_>> =
        cases.iter().map(|case| List { channel: &channel, method: paged[case.method], case }).collect();
    for list in &lists {
        list.check_entries(&owner).await;
    }
    let mut tokens = Vec::new();
    for list in &lists {
        let (_, token) = list.page(&owner, list.request(None, 1, "")).await.expect(list.case.method);
        tokens.push((list.case.method, token));
    }
    for list in &lists {
        let of_others = tokens.iter().filter(|(method, _)| *method != list.case.method);
        let of_others: Vec<&str> = of_others.map(|(_, token)| token.as_str()).collect();
        list.check_tokens(&owner, &stranger, &of_others).await;
    }
}

async fn channel(server: &TestServer) -> Channel {
    Channel::from_shared(server.url()).unwrap().connect().await.unwrap()
}
