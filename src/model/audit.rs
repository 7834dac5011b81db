//! The audit log: one chain of events an account. Who called what, on which resources, and what came of it.

use super::{
    id::{AccountId, RequestId},
    time::Timestamp,
};

/// Length of the authentication code of an event in bytes.
pub const MAC_LENGTH: usize = 32;
/// Authentication code of an event. It covers the event and the code of the event before.
pub type Mac = [u8; MAC_LENGTH];

/// Who acts where the server acts by itself.
pub const SERVER_ACTOR: &str = "server";

/// Who calls what. It holds names only, never a value that a caller could hide a secret in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedCall {
    /// In whose log it stands.
    pub account: AccountId,
    /// Which key or token calls, or `user/{number}` of the machine for a command; empty where that is not known.
    pub actor: String,
    /// Network address of the caller.
    pub address: String,
    /// `dbkeeper.v1.ConnectionService/DeleteConnection`, or `dbkeeper.command/ExportMasterKey`. What the server did by itself is
    /// `dbkeeper.server/SettleCredentials`; empty for its notes on the log.
    pub method: String,
    /// Id of the call.
    pub request_id: String,
    /// Names of the resources that the request, or the answer to it, names.
    pub resources: Vec<String>,
    /// Names of the switches that the request turns on, paths of its update mask, and recipients of an export; for an outcome
    /// also how much was removed.
    pub parameters: Vec<String>,
}

impl AuditedCall {
    /// A call of which only the outside is known.
    pub fn new(account: AccountId, actor: String, address: String, method: String, request_id: &RequestId) -> Self {
        Self {
            account,
            actor,
            address,
            method,
            request_id: request_id.to_string(),
            resources: Vec::new(),
            parameters: Vec::new(),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOutcome {
    /// gRPC code in UPPER_SNAKE; `OK` where the call succeeded.
    pub code: String,
    /// Reason of the failure; empty where there is none.
    pub reason: String,
    /// Resources as they stand after the call, each with its etag: `connections/shop r2`.
    pub versions: Vec<String>,
    /// Names of the resources in the answer that the request does not name, such as one that was made, and of those that
    /// the call removed.
    pub resources: Vec<String>,
    /// What only the end tells: `removed:{count}`.
    pub parameters: Vec<String>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// What an event tells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditKind { $($(#[$doc])* $variant,)* }

        impl AuditKind {
            /// The text that is stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the text that `as_str` wrote.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// A call is about to run.
    Intent = "intent";
    /// How a call ended.
    Outcome = "outcome";
    /// A call was refused before it ran.
    Refusal = "refusal";
    /// So many refusals are not told one by one.
    LeftOut = "left_out";
    /// The end of the log was found altered, and the log goes on from here.
    Damage = "damage";
}

/// An event before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When it was recorded.
    pub time: Timestamp,
    /// What it tells.
    pub kind: AuditKind,
    /// Sequence of the intent that this is the outcome of; else 0.
    pub intent: u64,
    /// The call.
    pub call: AuditedCall,
    /// gRPC code in UPPER_SNAKE; empty for an intent.
    pub code: String,
    /// Reason of the failure.
    pub reason: String,
    /// Resources as they stand after the call, each with its etag.
    pub versions: Vec<String>,
    /// How many refusals this event stands for; else 0.
    pub left_out: u64,
}

impl AuditRecord {
    /// That a call is about to run.
    pub fn intent(call: AuditedCall) -> Self {
        Self {
            time: Timestamp::now(),
            kind: AuditKind::Intent,
            intent: 0,
            call,
            code: String::new(),
            reason: String::new(),
            versions: Vec::new(),
            left_out: 0,
        }
    }

    /// How a call ended, or that it was refused where `intent` is 0.
    pub fn outcome(mut call: AuditedCall, intent: u64, outcome: AuditOutcome) -> Self {
        for name in outcome.resources {
            if !call.resources.contains(&name) {
                call.resources.push(name);
            }
        }
        call.parameters.extend(outcome.parameters);
        let kind = if intent == 0 { AuditKind::Refusal } else { AuditKind::Outcome };
        let (code, reason, versions) = (outcome.code, outcome.reason, outcome.versions);
        Self { kind, intent, code, reason, versions, ..Self::intent(call) }
    }
}

/// An event in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Counts the events of an account, from 1, without a gap.
    pub sequence: u64,
    /// What happened.
    pub record: AuditRecord,
    /// Authenticates the event and all before it.
    pub mac: Mac,
}

impl AuditEvent {
    /// About how many bytes it takes in an answer.
    pub fn approximate_bytes(&self) -> usize {
        const FIXED: usize = 256;
        let AuditRecord { call, versions, .. } = &self.record;
        let names = [&call.resources, &call.parameters, versions].into_iter().flatten();
        FIXED + call.actor.len() + call.method.len() + names.map(|name| name.len() + 4).sum::<usize>()
    }
}

/// A place in the chain of an account: the last event of it, or the last that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    /// Sequence of the event; 0 before the first.
    pub sequence: u64,
    /// Its authentication code; zeroes before the first.
    pub mac: Mac,
}

impl AuditPlace {
    /// Before the first event.
    pub const START: Self = Self { sequence: 0, mac: [0; MAC_LENGTH] };
}

/// What became of the call behind an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditCompletion {
    /// It ended: sequence, code and reason of the outcome.
    Ended {
        /// Sequence of the outcome.
        sequence: u64,
        /// Its code.
        code: String,
        /// Its reason.
        reason: String,
    },
    /// It runs.
    Running,
    /// The server ended before it could tell, or the outcome could not be written.
    Unknown,
}

/// Which events are listed. What is absent is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Recorded at this moment or later.
    pub from: Option<Timestamp>,
    /// Recorded before this moment.
    pub until: Option<Timestamp>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of this method: all of its name, or the part after the slash.
    pub method: Option<String>,
    /// On this resource or on one below it.
    pub resource: Option<String>,
}

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditProblem {
    /// An event is missing.
    Missing,
    /// An event is not as it was written.
    Altered,
    /// The end of the chain is not as it was written: events may be missing there.
    HeadAltered,
    /// The place up to which old events were removed is not as it was written.
    CheckpointAltered,
    /// The chain ends before the head that the caller expects.
    Truncated,
    /// The event at the place of the head that the caller expects is another one.
    HeadDiffers,
    /// The server found the end of the chain altered when it went on with it.
    DamageNoted,
}

/// What a look at a whole chain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditVerification {
    /// The last event that is right, with all before it.
    pub head: AuditPlace,
    /// Sequence of the last event that retention removed; 0: none.
    pub removed_until: u64,
    /// First sequence that is wrong, and what is wrong with it.
    pub bad: Option<(u64, AuditProblem)>,
    /// True where the expected head could be compared: retention has not removed it.
    pub compared: bool,
}

/// What retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditRemoval {
    /// So many events were removed; 0: nothing is old enough.
    Removed(u64),
    /// The chain is broken at this sequence, and nothing was removed.
    Broken(u64),
}
