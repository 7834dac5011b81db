//! The login of MySQL and MariaDB.

use super::{LOGIN_BYTES, Refusal, proves_itself};
use crate::model::connection::TlsMode;

/// Longest packet of a login.
const LOGIN_PACKET: usize = 64 << 10;
/// Longest packet after it. No row that dbkeeper reads comes near it, and the driver copies what it reads, so that each byte costs
/// three. A packet that goes on in the next one is twice as long.
const ANSWER: usize = 8 << 20;
/// Turns of the driver that a login over TLS takes at least: the request for TLS, the handshake, the user. The answers to
/// the first statements of ours are short, so that a few turns more do no harm.
const TURNS: u32 = 6;
/// Bit of the capabilities with which the driver asks for TLS.
const TLS_BIT: u8 = 0x08;

/// Watches one login, and in clear the lengths of answers after it.
pub(in crate::engine::reach) struct MysqlGuard {
    mode: TlsMode,
    stage: Stage,
    /// The packet that is coming in: its head, and of the login its body.
    packet: Vec<u8>,
    /// Bytes of the packet that are still to come and are not kept.
    skip: usize,
    /// Bytes of the server before the login is done.
    total: usize,
    /// How often the driver has spoken after the server.
    turns: u32,
    server_spoke: bool,
    /// What the driver sent first.
    first: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server says who it is and which login it prefers.
    Greeting,
    /// The driver logs in, in clear.
    Clear,
    /// The driver logs in, and what is said cannot be read here.
    Encrypted,
    /// The user is in, and what is said cannot be read here.
    Unreadable,
    /// In clear; the user is in, or the server has refused it.
    Answers,
}

impl MysqlGuard {
    pub(super) fn new(mode: TlsMode) -> Self {
        Self {
            mode,
            stage: Stage::Greeting,
            packet: Vec::new(),
            skip: 0,
            total: 0,
            turns: 0,
            server_spoke: false,
            first: Vec::new(),
        }
    }

    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.turns += u32::from(std::mem::take(&mut self.server_spoke));
        if self.stage == Stage::Encrypted && self.turns > TURNS {
            self.stage = Stage::Unreadable;
        }
        // The first packet is a request for TLS of 32 bytes, or the login itself, which is longer.
        if self.stage == Stage::Clear && self.first.len() < 6 {
            let missing = 6 - self.first.len();
            self.first.extend(bytes.iter().take(missing));
            if let [32, 0, 0, _, _, second] = self.first[..]
                && second & TLS_BIT != 0
            {
                self.stage = Stage::Encrypted;
            }
        }
    }

    pub(super) fn received(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        self.server_spoke = true;
        if !matches!(self.stage, Stage::Unreadable | Stage::Answers) {
            self.total += bytes.len();
            if self.total > LOGIN_BYTES {
                return Err(Refusal::TooMuch);
            }
        }
        while !bytes.is_empty() && matches!(self.stage, Stage::Greeting | Stage::Clear) {
            let wanted = if self.packet.len() < 4 { 4 } else { 4 + self.length() };
            let taken = (wanted - self.packet.len()).min(bytes.len());
            self.packet.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.packet.len() == 4 && self.length() > LOGIN_PACKET {
                return Err(Refusal::TooMuch);
            }
            if self.packet.len() >= 4 && self.packet.len() == 4 + self.length() {
                self.check_packet()?;
                self.packet.clear();
            }
        }
        if self.stage == Stage::Answers { self.measure(bytes) } else { Ok(()) }
    }

    /// Looks at the length of each packet.
    fn measure(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            let taken = (4 - self.packet.len()).min(bytes.len() - skipped);
            self.packet.extend_from_slice(&bytes[skipped..skipped + taken]);
            bytes = &bytes[skipped + taken..];
            if self.packet.len() < 4 {
                continue;
            }
            let length = self.length();
            self.packet.clear();
            if length > ANSWER {
                return Err(Refusal::TooMuch);
            }
            self.skip = length;
        }
        Ok(())
    }

    fn length(&self) -> usize {
        usize::from(self.packet[0]) | usize::from(self.packet[1]) << 8 | usize::from(self.packet[2]) << 16
    }

    fn check_packet(&mut self) -> Result<(), Refusal> {
        let body = &self.packet[4..];
        if self.stage == Stage::Greeting {
            // An error in place of a greeting goes to the driver, which words it.
            self.stage = if body.first() == Some(&0xff) { Stage::Answers } else { Stage::Clear };
            return self.check_plugin(greeted_plugin(body));
        }
        match body {
            [] => return Err(Refusal::NotTheProtocol),
            // Asks for another login; without a name, for that of MySQL before 4.1.
            [0xfe] => return Err(Refusal::OldPassword),
            [0xfe, named @ ..] => return self.check_plugin(named.split(|byte| *byte == 0).next().unwrap_or_default()),
            [0x00 | 0xff, ..] => self.stage = Stage::Answers,
            _ => {}
        }
        Ok(())
    }

    fn check_plugin(&self, plugin: &[u8]) -> Result<(), Refusal> {
        match plugin {
            b"mysql_old_password" => Err(Refusal::OldPassword),
            b"mysql_clear_password" | b"dialog" if !proves_itself(self.mode) => Err(Refusal::ClearPassword),
            // Within TLS it is the password in clear, without TLS the driver does not know it.
            b"sha256_password" if self.mode == TlsMode::Required => Err(Refusal::ClearPassword),
            _ => Ok(()),
        }
    }
}

/// The login that a greeting prefers; empty where it names none. It is the last of the texts that end in a zero, after
/// the version, ids, the halves of the nonce and the capabilities.
fn greeted_plugin(greeting: &[u8]) -> &[u8] {
    const AFTER_VERSION: usize = 4 + 8 + 1 + 2 + 1 + 2 + 2;
    let plugin = || {
        let after = 1 + greeting.get(1..)?.iter().position(|byte| *byte == 0)? + 1;
        let nonce_length = usize::from(*greeting.get(after + AFTER_VERSION)?);
        let name = greeting.get(after + AFTER_VERSION + 1 + 10 + nonce_length.saturating_sub(8).max(13)..)?;
        name.split(|byte| *byte == 0).next()
    };
    plugin().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{ANSWER, MysqlGuard, Refusal, greeted_plugin};
    use crate::model::connection::TlsMode;

    fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&length[..3], &[sequence], body].concat()
    }

    fn greeting(plugin: &str) -> Vec<u8> {
        let mut body = b"\x0a11.4.0-MariaDB\0\x01\0\0\0abcdefgh\0\xff\xff\x08\x02\0\xff\xff\x15".to_vec();
        body.extend([0; 10]);
        body.extend(b"ijklmnopqrst\0");
        body.extend(plugin.as_bytes());
        body.push(0);
        packet(0, &body)
    }

    fn said(mode: TlsMode, first: &[u8], then: &[u8]) -> Result<(), Refusal> {
        let outcomes: Vec<_> = [1, 5, 1000]
            .into_iter()
            .map(|size| {
                let mut guard = MysqlGuard::new(mode);
                first.chunks(size).try_for_each(|piece| guard.received(piece))?;
                guard.sent(&packet(1, &[0xff; 60]));
                then.chunks(size).try_for_each(|piece| guard.received(piece))
            })
            .collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
        outcomes[0]
    }

    #[test]
    fn what_a_server_may_ask() {
        let ok = packet(2, b"\0\0\0\x02\0\0\0");
        let native = greeting("mysql_native_password");
        assert_eq!(greeted_plugin(&native[4..]), b"mysql_native_password");
        assert_eq!(said(TlsMode::Disabled, &native, &ok), Ok(()));
        assert_eq!(said(TlsMode::Disabled, &greeting("mysql_clear_password"), b""), Err(Refusal::ClearPassword));
        assert_eq!(said(TlsMode::Required, &greeting("mysql_clear_password"), b""), Err(Refusal::ClearPassword));
        assert_eq!(said(TlsMode::Required, &greeting("sha256_password"), b""), Err(Refusal::ClearPassword));
        assert_eq!(said(TlsMode::VerifyFull, &greeting("mysql_clear_password"), b""), Ok(()));
        assert_eq!(said(TlsMode::Disabled, &greeting("mysql_old_password"), b""), Err(Refusal::OldPassword));
        let switch = packet(2, b"\xfemysql_clear_password\0abc");
        assert_eq!(said(TlsMode::Disabled, &native, &switch), Err(Refusal::ClearPassword));
        assert_eq!(said(TlsMode::Disabled, &native, &packet(2, b"\xfe")), Err(Refusal::OldPassword));
        assert_eq!(said(TlsMode::Disabled, b"\xff\xff\xff\0", b""), Err(Refusal::TooMuch));
        let storm = packet(2, &[1; 60_000]).repeat(20);
        assert_eq!(said(TlsMode::Disabled, &native, &storm), Err(Refusal::TooMuch));
        let large = packet(3, &[1; 100_000]).repeat(20);
        assert_eq!(said(TlsMode::Disabled, &native, &[ok, large].concat()), Ok(()));
    }

    #[test]
    fn an_answer_in_clear_is_bounded() {
        let mut guard = MysqlGuard::new(TlsMode::Disabled);
        guard.received(&greeting("mysql_native_password")).unwrap();
        guard.sent(&packet(1, &[0xff; 60]));
        guard.received(&packet(2, b"\0\0\0\x02\0\0\0")).unwrap();
        let longest = packet(1, &vec![1; ANSWER]);
        // The size of the pieces does not matter.
        for size in [longest.len(), 16 << 10, 4099] {
            longest.chunks(size).try_for_each(|piece| guard.received(piece)).unwrap();
        }
        assert_eq!(guard.received(&packet(1, &vec![1; ANSWER + 1])[..4]), Err(Refusal::TooMuch));
    }

    #[test]
    fn an_encrypted_login_is_bounded_and_what_follows_is_not() {
        let mut guard = MysqlGuard::new(TlsMode::Required);
        guard.received(&greeting("mysql_native_password")).unwrap();
        guard.sent(&packet(1, &[0xff; 32]));
        let flood = vec![0; 1 << 20];
        for _ in 0..5 {
            guard.received(b"record").unwrap();
            guard.sent(b"record");
        }
        assert_eq!(guard.received(&flood), Err(Refusal::TooMuch));
        let mut guard = MysqlGuard::new(TlsMode::Required);
        guard.received(&greeting("mysql_native_password")).unwrap();
        guard.sent(&packet(1, &[0xff; 32]));
        for _ in 0..8 {
            guard.received(b"record").unwrap();
            guard.sent(b"record");
        }
        assert_eq!(guard.received(&flood), Ok(()));
    }
}
