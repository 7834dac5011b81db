//! The login of PostgreSQL.

use super::{LOGIN_BYTES, Refusal, proves_itself};
use crate::model::connection::TlsMode;

/// Longest message of a login.
const LOGIN_MESSAGE: usize = 64 << 10;
/// Longest message after it. No row that dbkeeper reads comes near it.
const MESSAGE: usize = 64 << 20;
/// Most rounds of SCRAM. Servers use 4,096; RFC 7677 asks for no more.
const ROUNDS: u64 = 1_000_000;
/// Turns of the driver that a login over TLS takes: the request for TLS, the handshake, the user, and two of SCRAM. The
/// answers to the first statements of ours are short.
const TURNS: u32 = 5;
/// First bytes of the request for TLS, after its length.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Watches one login, and the lengths of messages after it.
pub(in crate::engine::reach) struct PostgresGuard {
    mode: TlsMode,
    stage: Stage,
    /// Bytes of the server before the login is done.
    total: usize,
    /// The message that is coming in: its head, and of the login its body.
    message: Vec<u8>,
    /// Bytes of the message that are still to come and are not kept.
    skip: usize,
    logged_in: bool,
    /// How often the driver has spoken after the server.
    turns: u32,
    server_spoke: bool,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// The driver has said nothing yet.
    Start,
    /// The driver asked for TLS and the server has not answered.
    Asked,
    /// Encrypted: what is said cannot be read here.
    Encrypted,
    /// In clear.
    Clear,
}

impl PostgresGuard {
    pub(super) fn new(mode: TlsMode) -> Self {
        Self {
            mode,
            stage: Stage::Start,
            total: 0,
            message: Vec::new(),
            skip: 0,
            logged_in: false,
            turns: 0,
            server_spoke: false,
        }
    }

    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.turns += u32::from(std::mem::take(&mut self.server_spoke));
        if self.stage == Stage::Start {
            self.stage = if bytes.starts_with(&TLS_REQUEST) { Stage::Asked } else { Stage::Clear };
        }
    }

    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.server_spoke = true;
        match self.stage {
            Stage::Start => Err(Refusal::NotTheProtocol),
            Stage::Asked => {
                self.stage = Stage::Encrypted;
                // Bytes behind the one answer would be taken for a part of the encrypted stream.
                if bytes.len() == 1 || bytes[0] != b'S' { Ok(()) } else { Err(Refusal::NotTheProtocol) }
            }
            Stage::Encrypted if self.turns > TURNS => Ok(()),
            Stage::Encrypted => {
                self.total += bytes.len();
                if self.total > LOGIN_BYTES { Err(Refusal::TooMuch) } else { Ok(()) }
            }
            Stage::Clear => self.read(bytes),
        }
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = if self.message.len() < 5 { 5 } else { self.length() + 1 };
            let taken = (wanted - self.message.len()).min(bytes.len());
            self.message.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            self.total += if self.logged_in { 0 } else { taken };
            if self.total > LOGIN_BYTES {
                return Err(Refusal::TooMuch);
            }
            if self.message.len() == 5 {
                self.check_length()?;
            }
            if self.message.len() >= 5 && self.message.len() == self.length() + 1 {
                self.check_message()?;
                self.message.clear();
            }
        }
        Ok(())
    }

    /// What the head of the message says of its length, the head's four bytes included.
    fn length(&self) -> usize {
        let head = [self.message[1], self.message[2], self.message[3], self.message[4]];
        usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX)
    }

    fn check_length(&mut self) -> Result<(), Refusal> {
        let length = self.length();
        if length < 4 {
            return Err(Refusal::NotTheProtocol);
        }
        if length > if self.logged_in { MESSAGE } else { LOGIN_MESSAGE } {
            return Err(Refusal::TooMuch);
        }
        if self.logged_in {
            self.message.clear();
            self.skip = length - 4;
        }
        Ok(())
    }

    fn check_message(&mut self) -> Result<(), Refusal> {
        let body = &self.message[5..];
        match (self.message[0], body) {
            (b'R', [0, 0, 0, 3, ..]) if !proves_itself(self.mode) => Err(Refusal::ClearPassword),
            (b'R', [0, 0, 0, 11, said @ ..]) if rounds(said).is_none_or(|rounds| rounds > ROUNDS) => {
                Err(Refusal::EndlessRounds)
            }
            (b'Z', _) => {
                self.logged_in = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The rounds in `r=...,s=...,i=4096`.
fn rounds(said: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(said).ok()?;
    text.split(',').find_map(|part| part.strip_prefix("i="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{PostgresGuard, Refusal, TLS_REQUEST};
    use crate::model::connection::TlsMode;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    /// Gives the guard what a server says in pieces of every size, which must not matter.
    fn said(mode: TlsMode, bytes: &[u8]) -> Result<(), Refusal> {
        let outcomes: Vec<_> = [1, 3, 7, bytes.len()]
            .into_iter()
            .map(|size| {
                let mut guard = PostgresGuard::new(mode);
                guard.sent(b"\0\0\0\x20startup");
                bytes.chunks(size).try_for_each(|piece| guard.received(piece))
            })
            .collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
        outcomes[0]
    }

    #[test]
    fn what_a_server_may_ask() {
        let scram =
            [message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"), message(b'R', b"\0\0\0\x0br=x,s=eA==,i=4096")].concat();
        assert_eq!(said(TlsMode::Disabled, &scram), Ok(()));
        assert_eq!(said(TlsMode::Disabled, &message(b'R', b"\0\0\0\x05salt")), Ok(()));
        let clear = message(b'R', b"\0\0\0\x03");
        assert_eq!(said(TlsMode::Disabled, &clear), Err(Refusal::ClearPassword));
        assert_eq!(said(TlsMode::Required, &clear), Err(Refusal::ClearPassword));
        assert_eq!(said(TlsMode::VerifyFull, &clear), Ok(()));
        let endless = message(b'R', b"\0\0\0\x0br=x,s=eA==,i=4294967295");
        assert_eq!(said(TlsMode::VerifyFull, &endless), Err(Refusal::EndlessRounds));
        assert_eq!(said(TlsMode::Disabled, b"R\xff\xff\xff\xff"), Err(Refusal::TooMuch));
        assert_eq!(said(TlsMode::Disabled, b"R\0\0\0\x03"), Err(Refusal::NotTheProtocol));
        let notices = message(b'N', &[b'x'; 1000]).repeat(1100);
        assert_eq!(said(TlsMode::Disabled, &notices), Err(Refusal::TooMuch));
    }

    #[test]
    fn nothing_in_clear_comes_behind_the_answer_that_begins_tls() {
        let answered = |answer: &[u8]| {
            let mut guard = PostgresGuard::new(TlsMode::Required);
            guard.sent(&TLS_REQUEST);
            guard.received(answer)
        };
        assert_eq!(answered(b"S"), Ok(()));
        assert_eq!(answered(b"SE\0\0\0\x0csmuggled"), Err(Refusal::NotTheProtocol));
        // Who refuses TLS may say why.
        assert_eq!(answered(b"E\0\0\0\x0cwithout"), Ok(()));
    }

    #[test]
    fn after_the_login_large_rows_pass_and_senseless_lengths_do_not() {
        let login = [message(b'R', b"\0\0\0\0"), message(b'Z', b"I")].concat();
        let rows = message(b'D', &[0; 100_000]).repeat(20);
        assert_eq!(said(TlsMode::Disabled, &[login.clone(), rows].concat()), Ok(()));
        assert_eq!(said(TlsMode::Disabled, &[&login[..], b"D\xff\xff\xff\xf0"].concat()), Err(Refusal::TooMuch));
    }
}
