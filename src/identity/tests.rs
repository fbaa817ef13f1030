//! Normalisation as tables; the directory against a naive model; the guarantees under concurrency.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::id::Blind;
use crate::policy;
use crate::store::{Batch, Store};

struct House {
    store: Store,
    vault: Arc<Vault>,
    policy: Policy,
    chance: Chance,
    directory: Directory,
    _keys: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let (store, chance) = (Store::memory(), Chance::system());
        let vault = Arc::new(Vault::open(&keys.path().join("keys"), &store, &chance).unwrap());
        let policy = policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap();
        let directory = Directory::open(&store, &vault).unwrap();
        Self { store, vault, policy, chance, directory, _keys: keys }
    }

    fn identifier(&self, kind: &str, value: &str) -> Identifier {
        parse(&self.policy, &self.vault, kind, value).unwrap_or_else(|r| panic!("{kind} {value}: {r}"))
    }

    fn stated(&self, list: &[(&str, &str)]) -> Vec<Identifier> {
        let mut stated: Vec<Identifier> = list.iter().map(|(k, v)| self.identifier(k, v)).collect();
        stated.sort_by_key(|i| i.kind);
        stated
    }

    /// Admits, as often as it takes.
    fn admit(&self, list: &[(&str, &str)]) -> Vec<SubjectId> {
        let stated = self.stated(list);
        for _ in 0..1000 {
            let context = Admission { vault: &self.vault, policy: &self.policy, chance: &self.chance, at: Clock::system().now() };
            let mut batch = Batch::default();
            let plan = self.directory.admit(&stated, &context, &mut batch).unwrap();
            match self.store.commit_blocking(batch) {
                Ok(_) => {
                    self.directory.learn(&plan);
                    return plan.owners().to_vec();
                }
                Err(store::Error::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("never admitted");
    }
}

#[test]
fn however_it_is_typed_it_is_one_identifier() {
    let house = House::new();
    let same: &[(&str, &[&str])] = &[
        ("email", &["erika@muster.de", " Erika@Muster.DE ", "ERIKA@MUSTER.DE\u{a0}", "\terika@muster.de", "erika@muster.de."]),
        ("email", &["käthe@müller.de", "Ka\u{308}the@mu\u{308}ller.de", "KÄTHE@MÜLLER.DE", "käthe@xn--mller-kva.de"]),
        ("phone", &["+4915112345678", "0049 151 12345678", "0151 / 12345678", "+49 (0)151 12345678", "0151-1234 5678"]),
        ("loyalty_card", &["DE-4001 2345", "de40012345", " DE 4001-2345 "]),
        ("user_id", &["kunde-1", " kunde-1 "]),
    ];
    for (kind, forms) in same {
        let blinds: BTreeSet<Blind> = forms.iter().map(|f| house.identifier(kind, f).blinds.now).collect();
        assert_eq!(blinds.len(), 1, "{kind} {forms:?}");
    }
    let different =
        [("email", "e.rika@gmail.com", "erika@gmail.com"), ("email", "erika+a@x.de", "erika@x.de"), ("user_id", "A", "a")];
    for (kind, a, b) in different {
        assert_ne!(house.identifier(kind, a).blinds.now, house.identifier(kind, b).blinds.now, "{a} is not {b}");
    }
    assert_ne!(house.identifier("user_id", "4711").blinds.now, house.identifier("loyalty_card", "4711").blinds.now);
}

#[test]
fn what_names_nobody_is_refused() {
    let house = House::new();
    let refused = [
        ("user_id", "null"),
        ("user_id", " Anonymous "),
        ("user_id", ""),
        ("user_id", "a\u{0}b"),
        ("user_id", "a\u{202e}b"),
        ("device", "undefined"),
        ("email", "erika"),
        ("email", "@x.de"),
        ("email", "a@b"),
        ("email", "a b@x.de"),
        ("email", "test@example.com"),
        ("phone", "12"),
        ("phone", "call me"),
        ("loyalty_card", " - "),
        ("nonsense", "x"),
    ];
    for (kind, value) in refused {
        assert!(parse(&house.policy, &house.vault, kind, value).is_err(), "{kind} {value:?}");
    }
    assert_eq!(parse(&house.policy, &house.vault, "user_id", &"x".repeat(400)), Err(Refusal::TooLong));
}

#[test]
fn a_device_is_linked_and_never_owned_by_a_person() {
    let house = House::new();
    let owners = house.admit(&[("user_id", "u1"), ("device", "tablet")]);
    assert_ne!(owners[0], owners[1]);
    house.admit(&[("user_id", "u2"), ("device", "tablet")]);
    let resolved = house.directory.resolve(&house.stated(&[("device", "tablet")]));
    assert_eq!(resolved.linked.len(), 2, "the family's tablet knows both");
    let person = house.directory.resolve(&house.stated(&[("user_id", "u1")]));
    assert!(person.linked.is_empty(), "what the tablet's visitors refuse does not bind everything else");
}

#[test]
fn the_shared_mailbox_of_a_couple_never_merges_two_customers() {
    let house = House::new();
    let first = house.admit(&[("user_id", "u1"), ("email", "familie@muster.de")]);
    let second = house.admit(&[("user_id", "u2"), ("email", "familie@muster.de")]);
    assert_eq!(first[1], second[1], "the address stays with who stated it first");
    assert_ne!(first[0], second[0]);
    let resolved = house.directory.resolve(&house.stated(&[("email", "familie@muster.de")]));
    assert_eq!(resolved.linked.len(), 1, "and knows that it was stated by the other one");
}

#[test]
fn the_limit_of_a_type_holds() {
    let house = House::new();
    for i in 0..8 {
        house.admit(&[("user_id", "u1"), ("email", &format!("e{i}@muster.de"))]);
    }
    let owner = house.admit(&[("user_id", "u1")])[0];
    let own = (0..8).filter(|i| house.admit(&[("email", &format!("e{i}@muster.de"))])[0] == owner).count();
    assert_eq!(own, 5);
}

#[test]
fn known_identifiers_write_nothing() {
    let house = House::new();
    let list = [("user_id", "u1"), ("email", "a@muster.de"), ("device", "d1")];
    house.admit(&list);
    let context = Admission { vault: &house.vault, policy: &house.policy, chance: &house.chance, at: 0 };
    let mut batch = Batch::default();
    let plan = house.directory.admit(&house.stated(&list), &context, &mut batch).unwrap();
    assert!(plan.is_empty() && batch.is_empty());
    assert!(house.directory.admit_links_only(&house.stated(&list), &house.policy, &mut batch).is_none());
}

#[test]
fn links_of_an_event_that_is_not_kept_join_only_who_is_known() {
    let house = House::new();
    house.admit(&[("user_id", "u1")]);
    house.admit(&[("device", "d1")]);
    let before = house.directory.figures();
    let mut batch = Batch::default();
    assert!(
        house
            .directory
            .admit_links_only(&house.stated(&[("user_id", "new"), ("device", "d1")]), &house.policy, &mut batch)
            .is_none()
    );
    let plan = house
        .directory
        .admit_links_only(&house.stated(&[("user_id", "u1"), ("device", "d1")]), &house.policy, &mut batch)
        .unwrap();
    house.store.commit_blocking(batch).unwrap();
    house.directory.learn(&plan);
    let after = house.directory.figures();
    assert_eq!((after.subjects, after.identifiers, after.links), (before.subjects, before.identifiers, before.links + 1));
}

#[test]
fn threads_that_meet_the_same_person_make_one_owner() {
    let house = House::new();
    let owners: Vec<SubjectId> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..8).map(|_| scope.spawn(|| house.admit(&[("user_id", "u1"), ("email", "a@muster.de")])[0])).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(owners.iter().all(|o| *o == owners[0]));
    assert_eq!(house.directory.figures().subjects, 1);
    assert_eq!(house.directory.figures().identifiers, 2);
}

#[test]
fn nothing_readable_of_an_identifier_is_stored() {
    let house = House::new();
    house.admit(&[("user_id", "kanarienvogel-1"), ("email", "kanarienvogel@muster.de"), ("device", "kanarienvogel-2")]);
    for (key, value) in house.store.scan(&[], None, 1000).unwrap() {
        for bytes in [key, value] {
            assert!(!bytes.windows(6).any(|w| w == b"kanari"));
        }
    }
}

/// Who owns what and who is linked, by the rules as they are written, with names instead of references.
#[derive(Default)]
struct Model {
    owners: BTreeMap<(usize, u8), usize>,
    links: BTreeSet<((usize, u8), usize)>,
    /// Identifiers and owners that are kept apart.
    parted: BTreeSet<((usize, u8), usize)>,
    subjects: usize,
}

impl Model {
    /// The types are those of the shipped policy: 0 user ID (limit 1), 1 e-mail (limit 5), 4 device.
    fn admit(&mut self, stated: &[(usize, u8)]) {
        let mut person = stated.iter().filter(|i| i.0 != 4).find_map(|i| self.owners.get(i).copied());
        for item in stated {
            if self.owners.contains_key(item) {
                continue;
            }
            let limit = if item.0 == 0 { 1 } else { 5 };
            let room = |p: usize| self.owners.iter().filter(|(k, o)| k.0 == item.0 && **o == p).count() < limit;
            let owner = match person.filter(|p| item.0 != 4 && room(*p)) {
                Some(owner) => owner,
                None => {
                    self.subjects += 1;
                    self.subjects
                }
            };
            if item.0 != 4 {
                person = person.or(Some(owner));
            }
            self.owners.insert(*item, owner);
        }
        for weak in stated {
            for strong in stated {
                let (own, other) = (self.owners[weak], self.owners[strong]);
                let apart = self.parted.contains(&(*weak, other)) || self.parted.contains(&(*strong, own));
                if own != other && strong.0 <= weak.0 && !apart {
                    self.links.insert((*weak, other));
                }
            }
        }
    }
}

impl Model {
    fn part(&mut self, one: (usize, u8), other: (usize, u8)) {
        let (weak, strong) = if one.0 >= other.0 { (one, other) } else { (other, one) };
        let (Some(owner), Some(person)) = (self.owners.get(&weak).copied(), self.owners.get(&strong).copied()) else { return };
        if owner == person {
            return;
        }
        self.parted.insert((weak, person));
        self.links.remove(&(weak, person));
        let owners = &self.owners;
        if owners.iter().filter(|(_, o)| **o == owner).all(|(own, _)| self.parted.contains(&(*own, person))) {
            self.links.retain(|(own, to)| *to != owner || owners[own] != person);
        }
    }
}

impl House {
    fn part(&self, one: (&str, &str), other: (&str, &str)) -> Option<Parted> {
        let Tie::Pair(pair) =
            self.directory.tie(&self.identifier(one.0, one.1), &self.identifier(other.0, other.1), &self.policy)
        else {
            return None;
        };
        let mut batch = Batch::default();
        let parted = self.directory.part(pair, &mut batch).unwrap();
        self.store.commit_blocking(batch).unwrap();
        self.directory.parted(&parted);
        Some(parted)
    }

    fn linked(&self, kind: &str, value: &str) -> usize {
        self.directory.resolve(&[self.identifier(kind, value)]).linked.len()
    }
}

#[test]
fn whoever_states_a_pair_at_the_moment_in_which_it_is_parted_does_not_link_it() {
    let house = House::new();
    house.admit(&[("user_id", "u1")]);
    house.admit(&[("device", "d1")]);
    let stated = house.stated(&[("user_id", "u1"), ("device", "d1")]);
    let context = Admission { vault: &house.vault, policy: &house.policy, chance: &house.chance, at: 0 };
    // Prepared before the parting, committed after it: it conflicts.
    let mut late = Batch::default();
    house.directory.admit(&stated, &context, &mut late).unwrap();
    house.part(("device", "d1"), ("user_id", "u1")).unwrap();
    assert!(matches!(house.store.commit_blocking(late), Err(store::Error::Conflict)));
    // Committed before it, and learnt after it: it is gone all the same.
    let house = House::new();
    house.admit(&[("user_id", "u1")]);
    house.admit(&[("device", "d1")]);
    let context = Admission { vault: &house.vault, policy: &house.policy, chance: &house.chance, at: 0 };
    let mut early = Batch::default();
    let stated = house.stated(&[("user_id", "u1"), ("device", "d1")]);
    let plan = house.directory.admit(&stated, &context, &mut early).unwrap();
    house.store.commit_blocking(early).unwrap();
    house.part(("device", "d1"), ("user_id", "u1")).unwrap();
    house.directory.learn(&plan);
    assert_eq!(house.linked("device", "d1"), 0);
    let reloaded = Directory::open(&house.store, &house.vault).unwrap();
    assert!(reloaded.resolve(&[house.identifier("device", "d1")]).linked.is_empty());
}

#[test]
fn a_parting_is_forgotten_with_either_of_the_two_and_can_be_ended() {
    let house = House::new();
    let owners = house.admit(&[("user_id", "u1"), ("device", "d1")]);
    house.admit(&[("user_id", "u2"), ("device", "d1")]);
    assert!(house.part(("user_id", "u1"), ("device", "d1")).unwrap().was_linked());
    assert!(!house.part(("user_id", "u1"), ("device", "d1")).unwrap().was_linked());
    assert_eq!(house.linked("device", "d1"), 1, "the other one of the family is still linked");
    house.part(("device", "d1"), ("user_id", "u2")).unwrap();
    let parted = || record::PARTED.scan(&house.store, &[], None, 10).unwrap().len();
    assert_eq!(parted(), 2);
    let mut batch = Batch::default();
    house.directory.forget(&house.store, owners[0], &mut batch).unwrap();
    house.store.commit_blocking(batch).unwrap();
    house.directory.forgotten(owners[0]);
    assert_eq!(parted(), 1);
    let Tie::Pair(pair) =
        house.directory.tie(&house.identifier("device", "d1"), &house.identifier("user_id", "u2"), &house.policy)
    else {
        panic!()
    };
    assert_eq!(house.directory.linked(pair.subject, &house.policy), []);
    let mut batch = Batch::default();
    let again = house.directory.rejoin(pair, &mut batch).unwrap();
    house.store.commit_blocking(batch).unwrap();
    house.directory.parted(&again);
    house.admit(&[("user_id", "u2"), ("device", "d1")]);
    assert_eq!((parted(), house.linked("device", "d1")), (0, 1));
    assert_eq!(house.directory.linked(pair.subject, &house.policy), [Linked { pair, kind: String::from("device") }]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_directory_is_what_the_rules_say_also_after_a_restart(events in proptest::collection::vec(proptest::collection::btree_set((prop_oneof![Just(0_usize), Just(1), Just(4)], 0..4_u8), 1..4), 1..20), partings in proptest::collection::vec((0_usize..20, 0_usize..20), 0..4)) {
        let house = House::new();
        let mut model = Model::default();
        let name = |(kind, n): (usize, u8)| match kind {
            0 => ("user_id", format!("u{n}")),
            1 => ("email", format!("e{n}@muster.de")),
            _ => ("device", format!("d{n}")),
        };
        for (at, event) in events.iter().enumerate() {
            let list: Vec<(usize, u8)> = event.iter().copied().collect();
            let named: Vec<(&str, String)> = list.iter().map(|i| name(*i)).collect();
            let stated: Vec<(&str, &str)> = named.iter().map(|(k, v)| (*k, v.as_str())).collect();
            house.admit(&stated);
            model.admit(&list);
            for (_, other) in partings.iter().filter(|(when, _)| *when == at) {
                let (one, other) = (list[0], *events[*other % events.len()].iter().next_back().unwrap());
                let ((a, b), (c, d)) = (name(one), name(other));
                house.part((a, &b), (c, &d));
                model.part(one, other);
            }
        }
        let reloaded = Directory::open(&house.store, &house.vault).unwrap();
        for directory in [&house.directory, &reloaded] {
            let mut names: BTreeMap<SubjectId, usize> = BTreeMap::new();
            for (item, owner) in &model.owners {
                let (kind, value) = name(*item);
                let resolved = directory.resolve(&[house.identifier(kind, &value)]);
                let found = directory.subject(resolved.nodes[0].owner);
                prop_assert_eq!(*names.entry(found).or_insert(*owner), *owner);
            }
            prop_assert_eq!(names.len(), model.owners.values().collect::<BTreeSet<_>>().len());
            for item in model.owners.keys() {
                let (kind, value) = name(*item);
                let resolved = directory.resolve(&[house.identifier(kind, &value)]);
                let linked: BTreeSet<usize> = resolved.linked.iter().map(|s| names[&directory.subject(*s)]).collect();
                let expected: BTreeSet<usize> = model.links.iter().filter(|(i, _)| i == item).map(|(_, o)| *o).collect();
                prop_assert_eq!(linked, expected);
            }
            // Many at once are what each is by itself, and whose they are is what admitting says; one is nobody's yet.
            let named = |event: &BTreeSet<(usize, u8)>| event.iter().map(|item| name(*item)).map(|(k, v)| house.identifier(k, &v)).collect();
            let mut stated: Vec<Vec<Identifier>> = events.iter().map(named).collect();
            stated.extend(model.owners.keys().map(|item| name(*item)).map(|(k, v)| vec![house.identifier(k, &v)]));
            stated.extend([vec![], vec![house.identifier("user_id", "nobody")]]);
            for (stated, found) in stated.iter().zip(directory.resolve_all(stated.iter().map(Vec::as_slice))) {
                prop_assert_eq!(&found.resolved, &directory.resolve(stated));
                if let Some(whose) = found.whose {
                    let context = Admission { vault: &house.vault, policy: &house.policy, chance: &house.chance, at: 0 };
                    let plan = directory.admit(stated, &context, &mut Batch::default()).unwrap();
                    prop_assert!(plan.is_empty() && plan.subject == whose);
                }
                prop_assert_eq!(found.whose.is_some(), stated.len() == 1 && found.resolved.unknown.is_empty());
            }
        }
    }
}

/// Not a claim but a figure: run with `--nocapture` to read it.
#[test]
fn what_a_subject_costs_is_printed() {
    let house = House::new();
    let count = 5_000;
    for i in 0..count {
        house.admit(&[("user_id", &format!("u{i}")), ("email", &format!("e{i}@muster.de"))]);
    }
    let figures = house.directory.figures();
    let stored: usize = house.store.scan(&[], None, usize::MAX).unwrap().iter().map(|(k, v)| k.len() + v.len()).sum();
    println!(
        "per subject with two identifiers: {} bytes in memory, {} bytes stored",
        figures.memory_bytes / count,
        stored / count
    );
    assert_eq!(figures.subjects, count);
}
