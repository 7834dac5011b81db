//! Escrow of the master key: its versions as text, encrypted by age to people who may have to bring it back.
//!
//! What is encrypted is the text of a key file, so that the `age` command brings it back as well, without dbkeeper.

use std::io::{self, Read, Write};

use age::{
    DecryptError, Decryptor, Encryptor, IdentityFile,
    armor::{ArmoredReader, ArmoredWriter, Format},
    x25519,
};
use zeroize::Zeroizing;

use super::MasterKeys;
use crate::model::{Error, Reason, Result};

/// Most that is taken of what an export holds: some hundred versions.
const MAX_CONTENT: u64 = 64 * 1024;
/// How the text of a recipient begins.
const RECIPIENT: &str = "age1";

/// Who can open an export: the public half of a pair of keys of age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    /// Reads `age1...`. What is something else is not repeated: it may be the secret half.
    pub fn parse(text: &str) -> Result<Self> {
        text.parse().map(Self).map_err(|cause: &str| {
            let shown = if text.starts_with(RECIPIENT) { text } else { "what was given" };
            let what = format!(
                "{shown} is no recipient: give the public key that age-keygen prints, age1 and 58 letters and digits; \
                 keys of ssh and of plugins are not taken"
            );
            Error::new(Reason::InvalidField, what).caused_by(cause)
        })
    }

    /// Reads a file of recipients: one a line, empty lines and those that begin with `#` left out.
    pub fn parse_lines(text: &str) -> Result<Vec<Self>> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let filled = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        filled
            .map(|(number, line)| Self::parse(line).map_err(|error| error.context(format!("line {number}"))))
            .collect()
    }

    /// Its text.
    pub fn to_text(&self) -> String {
        self.0.to_string()
    }
}

/// The secret halves that an export can be opened with. It has no Debug.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl Identities {
    /// Reads a file of identities, as age-keygen writes it.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let none = "it holds no identity: give the file that age-keygen wrote, with a line AGE-SECRET-KEY-1...; one that is \
                    protected by a passphrase has to be decrypted first, and those of plugins are not taken";
        let unread = |cause| Error::new(Reason::InvalidField, none).caused_by(cause);
        let file = IdentityFile::from_buffer(text).map_err(unread)?;
        let identities = file.into_identities().map_err(|cause| unread(io::Error::other(cause)))?;
        if identities.is_empty() {
            return Err(Error::new(Reason::InvalidField, none));
        }
        Ok(Self(identities))
    }
}

/// Encrypts all versions of a key, so that each of the recipients can open the result. `remark` stands before them in clear
/// to whoever has opened it.
pub fn wrap(keys: &MasterKeys, recipients: &[Recipient], remark: &str) -> Result<String> {
    let recipients = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(recipients)
        .map_err(|cause| Error::new(Reason::InvalidField, "the key is exported to no recipient").caused_by(cause))?;
    let armored = encrypt(encryptor, remark, &keys.to_text()).map_err(Error::internal)?;
    String::from_utf8(armored).map_err(Error::internal)
}

fn encrypt(encryptor: Encryptor, remark: &str, keys: &str) -> io::Result<Vec<u8>> {
    let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armor)?;
    writer.write_all(format!("# {remark}\n").as_bytes())?;
    writer.write_all(keys.as_bytes())?;
    writer.finish()?.finish()
}

/// Opens what [`wrap`] made, and also what the `age` command made of the text of a key file.
pub fn unwrap(export: &[u8], identities: &Identities) -> Result<MasterKeys> {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(export)).map_err(unopened)?;
    let identities = identities.0.iter().map(|identity| identity.as_ref() as &dyn age::Identity);
    let content = decryptor.decrypt(identities).map_err(unopened)?;
    // The room is there from the start, so that no copy of the key stays behind where the buffer grew.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_CONTENT).unwrap_or_default()));
    content.take(MAX_CONTENT).read_to_end(&mut text).map_err(|cause| unopened(cause.into()))?;
    let keys = std::str::from_utf8(&text).ok().and_then(MasterKeys::parse);
    keys.ok_or_else(|| {
        Error::new(
            Reason::InvalidField,
            "it can be opened, but what is in it is no master key of dbkeeper: give the file that dbkeeper master-key \
             export wrote",
        )
    })
}

fn unopened(cause: DecryptError) -> Error {
    let what = match cause {
        DecryptError::NoMatchingKeys => {
            "no identity that was given opens it: it was made for other recipients; give the identity of one of them"
        }
        _ => {
            "it is no whole export: it was cut short or altered, or is another sort of file; give the file that \
             dbkeeper master-key export wrote, or another copy of it"
        }
    };
    Error::new(Reason::InvalidField, what).caused_by(cause)
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn pair() -> (Recipient, Identities) {
        let identity = x25519::Identity::generate();
        let text = identity.to_string();
        (Recipient(identity.to_public()), Identities::parse(text.expose_secret().as_bytes()).unwrap())
    }

    fn export() -> (String, MasterKeys, Identities) {
        let (recipient, identities) = pair();
        let keys = MasterKeys::generate().unwrap().with_new(2).unwrap();
        (wrap(&keys, &[recipient, pair().0], "a remark").unwrap(), keys, identities)
    }

    #[test]
    fn each_recipient_and_nobody_else_opens_it() {
        let ((one, mine), (other, theirs)) = (pair(), pair());
        let keys = MasterKeys::generate().unwrap().with_new(7).unwrap();
        let export = wrap(&keys, &[one, other], "a remark").unwrap();
        assert!(export.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{export}");
        for identities in [mine, theirs] {
            let opened = unwrap(export.as_bytes(), &identities).unwrap();
            assert_eq!(*opened.to_text(), *keys.to_text());
        }
        let error = unwrap(export.as_bytes(), &pair().1).err().unwrap();
        assert!(error.message().contains("other recipients"), "{error}");
        assert!(wrap(&keys, &[], "a remark").is_err());
    }

    #[test]
    fn what_is_cut_short_or_altered_does_not_open() {
        let (export, _, identities) = export();
        // Without its last line end it is whole; the armour says where it ends.
        for length in 0..export.len() - 1 {
            let error = unwrap(&export.as_bytes()[..length], &identities).err();
            assert!(error.is_some_and(|error| error.message().contains("cut short")), "{length}");
        }
        let body = export.find('\n').unwrap() + 1..export.rfind("\n-----END").unwrap();
        for place in body.step_by(7) {
            let mut altered = export.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            assert!(unwrap(&altered, &identities).is_err(), "{place}");
        }
    }

    #[test]
    fn something_else_that_opens_is_no_key() {
        let identity = x25519::Identity::generate();
        let identities = Identities::parse(identity.to_string().expose_secret().as_bytes()).unwrap();
        let long = "#".repeat(100_000);
        for content in ["", "hello", "dbkeeper-master-key:1:1:AAAA", &long] {
            let export = age::encrypt(&identity.to_public(), content.as_bytes()).unwrap();
            let error = unwrap(&export, &identities).err().unwrap();
            assert!(error.message().contains("no master key of dbkeeper"), "{error}");
        }
    }

    #[test]
    fn recipients_and_identities_are_read_from_files_and_a_secret_is_not_repeated() {
        let (recipient, _) = pair();
        let text = format!("# the board\n\n  {}  \n", recipient.to_text());
        assert_eq!(Recipient::parse_lines(&text).unwrap(), [recipient]);
        let error = Recipient::parse_lines("\nage1yubikey1q2w3e\n").unwrap_err();
        assert!(error.message().starts_with("line 2: age1yubikey1q2w3e is no recipient"), "{error}");
        let secret = x25519::Identity::generate().to_string();
        let error = Recipient::parse(secret.expose_secret()).unwrap_err();
        assert!(!format!("{error:?}").contains(secret.expose_secret()), "{error:?}");

        for nothing in ["", "# no key\n", "hello\n"] {
            let error = Identities::parse(nothing.as_bytes()).err().unwrap();
            assert!(error.message().contains("no identity"), "{error}");
        }
    }
}
