//! Whose cosignatures a head needs before it is believed: C2SP `tlog-policy` files and `tlog-cosignature` (Ed25519).
//!
//! A witness signs that the largest tree of the log that it has seen has this root, and that it has grown out of those before. A log
//! that shows different trees to different people does not get the signatures of all of them.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};
use signed_note::{Note, Signature, StandardVerifier, Verifier, VerifierList, key_id};

use super::Error;
use super::note::{Doubt, Head};

/// What cosignatures with Ed25519 are called in signed notes.
const COSIGNATURE: u8 = 4;
/// How many logs, witnesses and groups a file may name, each.
const NAMED_MAX: usize = 64;
/// The quorum that asks for nobody.
const NOBODY: &str = "none";

/// Why a file with witnesses cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Flaw {
    /// Which line, from 1.
    pub line: usize,
    /// Why.
    pub reason: &'static str,
}

/// A witness.
#[derive(Clone, Debug)]
pub struct Witness {
    /// What the file calls it.
    pub name: String,
    /// Where heads are submitted (`add-checkpoint` is below it), if the file says so.
    pub url: Option<String>,
    key: Cosigner,
}

/// Which logs are known, which witnesses there are, and which of them a head needs.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    logs: Vec<String>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

#[derive(Clone, Copy, Debug)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Holds if so many of its members do. Invariant: `1 <= need <= members.len()`, and members come before it.
#[derive(Clone, Debug)]
struct Group {
    need: usize,
    members: Vec<Member>,
}

/// The verifier key of a witness.
#[derive(Clone, Debug)]
struct Cosigner {
    name: String,
    id: u32,
    public: [u8; 32],
}

impl Cosigner {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, typed) = (parts.next()?, parts.next()?, STANDARD.decode(parts.next()?).ok()?);
        let id = u32::from_str_radix(id, 16).ok()?;
        let (&[COSIGNATURE], public) = typed.split_first_chunk::<1>()? else { return None };
        let public = public.try_into().ok()?;
        (!name.is_empty() && id == key_id(name, &typed)).then(|| Self { name: name.to_owned(), id, public })
    }
}

impl Verifier for Cosigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let head = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time));
        let message = [head.as_bytes(), text].concat();
        UnparsedPublicKey::new(&ED25519, &self.public).verify(&message, signature).is_ok()
    }
}

impl Trust {
    /// Reads a C2SP `tlog-policy` file.
    ///
    /// # Errors
    /// The first line that cannot be taken.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let mut reader = Reader::default();
        for (number, line) in text.lines().enumerate() {
            reader.line(line).map_err(|reason| Flaw { line: number + 1, reason })?;
        }
        let lines = text.lines().count();
        if reader.quorum_seen { Ok(reader.trust) } else { Err(Flaw { line: lines, reason: "there is no quorum line" }) }
    }

    /// All witnesses, in the order of the file.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether heads of the log with this key may be believed at all: the file names it, or names none.
    #[must_use]
    pub fn knows_log(&self, key: &str) -> bool {
        self.logs.is_empty() || self.logs.iter().any(|log| log == key.trim())
    }

    /// The names of the witnesses that have cosigned a note, if they are enough.
    ///
    /// # Errors
    /// [`Doubt::Form`] if it is no note, [`Doubt::Unwitnessed`] if they are not enough.
    pub fn check(&self, note: &str) -> Result<Vec<&str>, Doubt> {
        let note = Note::from_bytes(note.as_bytes()).map_err(|_malformed| Doubt::Form)?;
        let signed: Vec<bool> = self.witnesses.iter().map(|witness| witness.signature(&note).is_some()).collect();
        if self.quorum.is_none_or(|quorum| self.holds(quorum, &signed)) {
            let names = self.witnesses.iter().zip(&signed).filter(|(_, signed)| **signed);
            Ok(names.map(|(witness, _)| witness.name.as_str()).collect())
        } else {
            Err(Doubt::Unwitnessed)
        }
    }

    fn holds(&self, member: Member, signed: &[bool]) -> bool {
        match member {
            Member::Witness(at) => signed.get(at).copied().unwrap_or(false),
            Member::Group(at) => self
                .groups
                .get(at)
                .is_some_and(|group| group.members.iter().filter(|member| self.holds(**member, signed)).count() >= group.need),
        }
    }
}

impl Witness {
    /// The witness's valid cosignature on a note.
    fn signature(&self, note: &Note) -> Option<Signature> {
        let alone = VerifierList::new(vec![Box::new(self.key.clone())]);
        note.verify(&alone).ok()?.0.pop()
    }

    /// Reads what the witness answered to a head: the line that is its valid cosignature, if there is one.
    #[must_use]
    pub fn cosignature(&self, head: &Head, answer: &str) -> Option<Cosignature> {
        let note = Note::from_bytes(format!("{}{answer}", head.note).as_bytes()).ok()?;
        self.signature(&note).map(Cosignature)
    }

    /// Whether it has cosigned a head.
    #[must_use]
    pub fn has_cosigned(&self, head: &Head) -> bool {
        Note::from_bytes(head.note.as_bytes()).is_ok_and(|note| self.signature(&note).is_some())
    }
}

/// A witness's signature on a head. Invariant: it was checked.
#[derive(Clone, Debug)]
pub struct Cosignature(Signature);

impl Head {
    /// The same head with cosignatures.
    ///
    /// # Errors
    /// [`Error::Note`] if it becomes too long.
    pub fn with(&self, cosignatures: &[Cosignature]) -> Result<Self, Error> {
        let lines = cosignatures.iter().flat_map(|Cosignature(signature)| signature.to_bytes()).collect();
        let lines = String::from_utf8(lines).map_err(|_not_text| Error::Note)?;
        let note = format!("{}{lines}", self.note);
        Note::from_bytes(note.as_bytes()).map_err(|_too_long| Error::Note)?;
        Ok(Self { size: self.size, root: self.root, note })
    }
}

/// Reads a file line by line.
#[derive(Default)]
struct Reader {
    trust: Trust,
    names: HashMap<String, Member>,
    members: HashSet<String>,
    keys: HashSet<[u8; 32]>,
    quorum_seen: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, need, members @ ..] => self.group(name, need, members),
            ["quorum", name] => self.quorum(name),
            _ => Err("write `log KEY [URL]`, `witness NAME KEY [URL]`, `group NAME all|any|N NAME…` or `quorum NAME`"),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), &'static str> {
        StandardVerifier::new(key).map_err(|_malformed| "this is not the key of a log (name+hash+key)")?;
        if self.trust.logs.iter().any(|log| log == key) {
            return Err("this log was named before");
        }
        self.trust.logs.push(key.to_owned());
        if self.trust.logs.len() > NAMED_MAX { Err("there are too many logs") } else { Ok(()) }
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), &'static str> {
        let key = Cosigner::parse(key).ok_or("this is not the key of a witness (name+hash+key, Ed25519, type 4)")?;
        if !self.keys.insert(key.public) {
            return Err("a witness with this key was named before");
        }
        if url.is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err("the address of a witness begins with https://");
        }
        self.name(name, Member::Witness(self.trust.witnesses.len()))?;
        let url = url.map(|url| url.trim_end_matches('/').to_owned());
        self.trust.witnesses.push(Witness { name: name.to_owned(), url, key });
        if self.trust.witnesses.len() > NAMED_MAX { Err("there are too many witnesses") } else { Ok(()) }
    }

    fn group(&mut self, name: &str, need: &str, members: &[&str]) -> Result<(), &'static str> {
        let need = match need {
            "all" => members.len(),
            "any" => 1,
            number => number.parse().map_err(|_no_number| "a group needs `all`, `any` or a number")?,
        };
        if need == 0 || need > members.len() {
            return Err("a group needs between one and all of its members");
        }
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            found.push(*self.names.get(*member).ok_or("a member was not named on a line before")?);
            if !self.members.insert((*member).to_owned()) {
                return Err("a member counts in one group alone");
            }
        }
        self.name(name, Member::Group(self.trust.groups.len()))?;
        self.trust.groups.push(Group { need, members: found });
        if self.trust.groups.len() > NAMED_MAX { Err("there are too many groups") } else { Ok(()) }
    }

    fn quorum(&mut self, name: &str) -> Result<(), &'static str> {
        if self.quorum_seen {
            return Err("there is a second quorum line");
        }
        self.quorum_seen = true;
        if name != NOBODY {
            self.trust.quorum = Some(*self.names.get(name).ok_or("the quorum was not named on a line before")?);
        }
        Ok(())
    }

    fn name(&mut self, name: &str, member: Member) -> Result<(), &'static str> {
        if name == NOBODY || self.names.insert(name.to_owned(), member).is_some() {
            return Err("this name is taken");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    struct Key(Ed25519KeyPair, String);

    impl Key {
        fn of(n: u8) -> Self {
            Self(Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap(), format!("witness.example/{n}"))
        }

        fn typed(&self) -> Vec<u8> {
            [&[COSIGNATURE], self.0.public_key().as_ref()].concat()
        }

        fn text(&self) -> String {
            let (Self(_, name), typed) = (self, self.typed());
            format!("{name}+{:08x}+{}", key_id(name, &typed), STANDARD.encode(&typed))
        }

        fn line(&self, text: &str, time: u64) -> String {
            let signature = self.0.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
            let bytes = [&time.to_be_bytes(), signature.as_ref()].concat();
            let signature = Signature::new(self.1.clone(), key_id(&self.1, &self.typed()), bytes).unwrap();
            String::from_utf8(signature.to_bytes()).unwrap()
        }
    }

    const TEXT: &str = "example.com/log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn head() -> Head {
        // The signature of the log itself does not matter here.
        let note = format!("{TEXT}\n— example.com/log Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe\n");
        Head { size: 3, root: tlog_tiles::EMPTY_HASH, note }
    }

    fn file(quorum: &str) -> String {
        let mut text = String::from("# ours\n\n");
        for n in 1..=5 {
            text += &format!("witness W{n} {} https://w{n}.example/\n", Key::of(n).text());
        }
        text + "group X 2 W1 W2 W3\ngroup Y any W4 W5\ngroup both all X Y\n" + &format!("quorum {quorum}\n")
    }

    #[test]
    fn a_quorum_holds_with_exactly_the_signatures_that_it_asks_for() {
        for signed in 0_u8..32 {
            let has = |n: u8| signed & (1 << (n - 1)) != 0;
            let lines: String = (1..=5).filter(|n| has(*n)).map(|n| Key::of(n).line(TEXT, 1_700_000_000)).collect();
            let note = format!("{}{lines}", head().note);
            let two = (1..=3).filter(|n| has(*n)).count() >= 2;
            for (quorum, holds) in [("both", two && (has(4) || has(5))), ("X", two), ("W5", has(5)), ("none", true)] {
                let trust = Trust::parse(&file(quorum)).unwrap();
                assert_eq!(trust.check(&note).is_ok(), holds, "{quorum} with {signed:05b}");
            }
        }
    }

    #[test]
    fn only_the_witness_s_own_signature_on_this_head_counts() {
        let trust = Trust::parse(&file("W1")).unwrap();
        let witness = &trust.witnesses()[0];
        assert_eq!(witness.url.as_deref(), Some("https://w1.example"));
        let good = Key::of(1).line(TEXT, 7);
        let cosigned = head().with(&[witness.cosignature(&head(), &good).unwrap()]).unwrap();
        assert_eq!(trust.check(&cosigned.note), Ok(vec!["W1"]));
        assert!(witness.has_cosigned(&cosigned) && !witness.has_cosigned(&head()));
        let other = Key::of(1).line("example.com/log\n4\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", 7);
        let foreign = Key::of(9).line(TEXT, 7).replace("witness.example/9", "witness.example/1");
        for wrong in [&other, &foreign, &Key::of(2).line(TEXT, 7), "", "nonsense\n", "\n\n"] {
            assert!(witness.cosignature(&head(), wrong).is_none(), "{wrong}");
        }
        // Unknown lines beside the good one do no harm.
        assert!(witness.cosignature(&head(), &format!("{}{good}", Key::of(9).line(TEXT, 1))).is_some());
        let note = cosigned.note.replace("\n3\n", "\n4\n");
        assert_eq!(trust.check(&note), Err(Doubt::Unwitnessed));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_by_its_line() {
        let w1 = format!("witness W1 {}", Key::of(1).text());
        for (text, line) in [
            (String::from("quorum W1\n"), 1),
            (format!("{w1}\n"), 1),
            (format!("{w1}\n{w1}\nquorum W1\n"), 2),
            (format!("{w1}\nwitness W1 {}\nquorum W1\n", Key::of(2).text()), 2),
            (format!("{w1}\ngroup G 2 W1\nquorum G\n"), 2),
            (format!("{w1}\ngroup G 0 W1\nquorum G\n"), 2),
            (format!("{w1}\ngroup G any W2\nquorum G\n"), 2),
            (format!("{w1}\ngroup G any W1\ngroup H any W1\nquorum H\n"), 3),
            (format!("{w1}\ngroup none any W1\nquorum none\n"), 2),
            (format!("{w1}\nquorum W1\nquorum W1\n"), 3),
            (format!("{w1} ftp://w.example\nquorum W1\n"), 1),
            (format!("witness W1 {}\nquorum W1\n", Key::of(1).text().replace('+', "-")), 1),
            (String::from("log nonsense\nquorum none\n"), 1),
            (String::from("wtness\nquorum none\n"), 1),
        ] {
            assert_eq!(Trust::parse(&text).unwrap_err().line, line, "{text}");
        }
        assert!(Trust::parse("quorum none").unwrap().check(&head().note).is_ok());
    }
}
