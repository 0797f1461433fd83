//! A thousand power cuts: what was acknowledged is there, and nothing is there by half.
//!
//! Four chains of batches run at once over a simulated disk. Each batch of a chain changes all of the chain's records,
//! so after a cut a chain must be exactly as after its last acknowledged batch, or as after the one that was under
//! way. A third of the cuts is followed by another one during recovery. `POSTWERK_CRASH_SEEDS` sets how many; a
//! failure prints its seed, and `POSTWERK_CRASH_SEED` runs that one alone.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::room::Ground;
use super::sim::Disk;
use super::{open, start, store};
use crate::base::clock::{Clock, Wall};
use crate::base::size::ByteSize;
use crate::store::conformance::{batch, due, key};
use crate::store::{Batch, Counter, Due, IndexId, Op, Pre, Record, Span, Store, Term};

const CHAINS: usize = 4;
const ROUNDS: usize = 3;
const BATCHES: u64 = 12;

struct Run {
    rng: fastrand::Rng,
    lies: bool,
    /// Makes chunks so many times larger: then the file grows and shrinks while it is cut.
    weight: usize,
    /// Of each chain: the last batch acknowledged, and the last tried.
    chains: Vec<(u64, u64)>,
}

impl Run {
    fn new(seed: u64, lies: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // One chain alone is replayed exactly; several share commits in an order that the machine chooses.
        let chains = if rng.bool() { 1 } else { CHAINS };
        let weight = if rng.u8(..4) == 0 { 10 } else { 1 };
        Self {
            rng,
            lies,
            weight,
            chains: vec![(0, 0); chains],
        }
    }

    async fn go(&mut self, mut image: Vec<u8>) -> Result<(), String> {
        for _ in 0..ROUNDS {
            if self.rng.u8(..3) == 0 {
                image = self.cut_recovery(image)?;
            }
            image = self.round(image).await?;
        }
        let disk = Disk::new(image, self.lies);
        let store = self.open(&disk)?;
        self.verify(&store).await?;
        store.close().await.map_err(|error| error.to_string())
    }

    /// One life: open, look, work until the power is cut. Answers what the platter holds.
    async fn round(&mut self, image: Vec<u8>) -> Result<Vec<u8>, String> {
        let disk = Disk::new(image, self.lies);
        let store = self.open(&disk)?;
        self.verify(&store).await?;
        disk.cut_after(self.rng.u64(1..150));
        let weight = self.weight;
        let chains = self
            .chains
            .iter_mut()
            .enumerate()
            .map(|(chain, state)| work(&store, chain, weight, state));
        join(chains).await;
        store.close().await.map_err(|error| error.to_string())?;
        Ok(disk.crash(&mut self.rng))
    }

    fn cut_recovery(&mut self, image: Vec<u8>) -> Result<Vec<u8>, String> {
        let disk = Disk::new(image, self.lies);
        disk.cut_after(self.rng.u64(..15));
        let opened = catch_unwind(|| {
            // Closing a database that cannot be trusted may panic.
            open::backend(Path::new("sim"), ByteSize::mib(1), disk.clone()).map(drop)
        });
        match opened {
            Ok(Err(error)) if !disk.is_dead() => return Err(format!("recovery: {error}")),
            Ok(Ok(()) | Err(_)) => {}
            Err(_) if disk.is_dead() => {}
            Err(_) => return Err("recovery panics".to_owned()),
        }
        Ok(disk.crash(&mut self.rng))
    }

    fn open(&mut self, disk: &Disk) -> Result<Store, String> {
        let cache = ByteSize(self.rng.u64(64 << 10..1 << 20));
        let disk = disk.clone();
        let opener = move || open::backend(Path::new("sim"), cache, disk.clone());
        let clock = Clock::moved(Wall(1_700_000_000_000_000));
        start(Box::new(opener), Ground::unknown(), clock)
            .map(store)
            .map_err(|error| error.to_string())
    }

    /// Every chain is as after a whole batch, and not an earlier one than was acknowledged.
    async fn verify(&mut self, store: &Store) -> Result<(), String> {
        let faults = store.check().await.map_err(|error| error.to_string())?;
        if !faults.is_empty() {
            return Err(format!("{faults:?}"));
        }
        let weight = self.weight;
        for (chain, state) in self.chains.iter_mut().enumerate() {
            let record = one(store, &format!("m{chain}")).await?;
            let reached = match &record {
                Some(record) => text(record).parse().map_err(|_| "no number")?,
                None => 0,
            };
            if reached != state.0 && reached != state.1 {
                return Err(format!(
                    "chain {chain}: at {reached}, acknowledged {state:?}"
                ));
            }
            compare(store, chain, reached, weight, record)
                .await
                .map_err(|text| format!("chain {chain} at {reached}: {text}"))?;
            *state = (reached, reached);
        }
        Ok(())
    }
}

async fn work(store: &Store, chain: usize, weight: usize, state: &mut (u64, u64)) {
    let Ok(record) = one(store, &format!("m{chain}")).await else {
        return;
    };
    let mut pre = match record {
        Some(record) => Pre::Is(record.key, record.version),
        None => Pre::Absent(key(&format!("m{chain}"))),
    };
    for n in state.0 + 1..=state.0 + BATCHES {
        state.1 = n;
        let Ok(version) = store.commit(step(chain, n, weight, pre)).await else {
            return;
        };
        state.0 = n;
        pre = Pre::Is(key(&format!("m{chain}")), version);
    }
}

/// The n-th batch of a chain.
fn step(chain: usize, n: u64, weight: usize, pre: Pre) -> Batch {
    let group = format!("g{chain}");
    let later = |hours| Due {
        after: Duration::from_secs(3_600 * hours),
        ..due(&group, 0)
    };
    let put = |key, value: Vec<u8>, due, terms| Op::Put {
        key,
        value: value.into(),
        due,
        terms,
    };
    let term = (IndexId(1), Term(n.to_be_bytes()[..].into()));
    let message = key(&format!("m{chain}"));
    let mut ops = vec![
        put(
            message.clone(),
            n.to_string().into(),
            Some(later(n)),
            vec![term],
        ),
        Op::Count {
            key: message,
            by: 1,
            at_zero: later(0),
        },
        put(
            key(&format!("b{chain}/{}", n % 3)),
            chunk(n, weight),
            None,
            vec![],
        ),
        Op::Add(
            Counter(chain.to_string().into_bytes().into()),
            i64::try_from(n).unwrap(),
        ),
    ];
    if n.is_multiple_of(7) {
        ops.push(Op::DeleteRange {
            from: key(&format!("h{chain}/")),
            to: key(&format!("h{chain}0")),
            limit: 3,
        });
    }
    ops.push(Op::Delete(key(&format!(
        "h{chain}/{:06}",
        n.saturating_sub(5)
    ))));
    ops.push(put(
        key(&format!("h{chain}/{n:06}")),
        vec![7; 50],
        (n.is_multiple_of(2)).then(|| later(1)),
        vec![],
    ));
    batch(vec![pre], ops)
}

fn chunk(n: u64, weight: usize) -> Vec<u8> {
    let length = usize::try_from(n * 7_919 % 20_000).unwrap();
    vec![u8::try_from(n % 251).unwrap(); length * weight]
}

/// Whether all that `step` changes is as after batch `n`.
async fn compare(
    store: &Store,
    chain: usize,
    n: u64,
    weight: usize,
    record: Option<Record>,
) -> Result<(), String> {
    let mut history = BTreeSet::new();
    for n in 1..=n {
        if n.is_multiple_of(7) {
            (0..3).for_each(|_| assert!(history.pop_first().is_some()));
        }
        history.remove(&n.saturating_sub(5));
        history.insert(n);
    }
    let span = Span::Prefix(key(&format!("h{chain}/")));
    let page = store
        .scan(span, None, false, 100)
        .await
        .map_err(|error| error.to_string())?;
    let found: Vec<String> = page
        .records
        .iter()
        .map(|r| r.key.0.escape_ascii().to_string())
        .collect();
    let wanted: Vec<String> = history.iter().map(|n| format!("h{chain}/{n:06}")).collect();
    if found != wanted {
        return Err(format!("history {found:?}, not {wanted:?}"));
    }
    for n in n.saturating_sub(2).max(1)..=n {
        let stored = one(store, &format!("b{chain}/{}", n % 3)).await?;
        if stored.is_none_or(|record| record.value.as_ref() != chunk(n, weight)) {
            return Err(format!("chunk {n} is another"));
        }
    }
    let sum = one(store, &format!("c{chain}")).await?.map_or(0, |record| {
        i64::from_be_bytes(record.value.as_ref().try_into().unwrap())
    });
    let count = record.map_or(0, |record| u64::from(record.count));
    if count != n || sum != i64::try_from(n * (n + 1) / 2).unwrap() {
        return Err(format!("count {count}, sum {sum}"));
    }
    Ok(())
}

async fn one(store: &Store, text: &str) -> Result<Option<Record>, String> {
    let found = store
        .get(vec![key(text)])
        .await
        .map_err(|error| error.to_string())?;
    Ok(found.into_iter().next().flatten())
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.value).into_owned()
}

/// Runs futures side by side in one task.
async fn join(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// An empty store, made by a disk that does not fail.
fn fresh() -> Vec<u8> {
    let disk = Disk::new(Vec::new(), false);
    drop(open::backend(Path::new("sim"), ByteSize::mib(1), disk.clone()).unwrap());
    disk.crash(&mut fastrand::Rng::with_seed(0))
}

/// Runs seeds on two threads; answers those that failed, and why.
fn failures(seeds: std::ops::Range<u64>, lies: bool) -> Vec<(u64, String)> {
    let image = fresh();
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let image = image.clone();
                    if let Err(text) = runtime.block_on(Run::new(seed, lies).go(image)) {
                        failed.lock().unwrap().push((seed, text));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    let seeds = match number("POSTWERK_CRASH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("POSTWERK_CRASH_SEEDS").unwrap_or(1_000),
    };
    let failed = failures(seeds, false);
    let lines: Vec<String> = failed
        .iter()
        .map(|(seed, text)| format!("POSTWERK_CRASH_SEED={seed}: {text}"))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn a_disk_that_lies_about_syncing_is_noticed() {
    assert!(!failures(0..40, true).is_empty());
}
