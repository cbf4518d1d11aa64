//! Inputs that are kept for the fuzzer (`fuzz/corpus`), given to its properties in ordinary tests: each as it
//! is, and mangled in ways that are the same in every run.
//!
//! Not for: finding new ones (`cargo xtask fuzz`).

use std::fs;
use std::path::Path;

/// Mangled inputs that are made of all kept ones together.
const MANGLED: usize = 150;
/// Longest part that one change takes out, doubles or overwrites.
const PART_MAX: usize = 12;

/// Numbers that look random and are the same in every run (`SplitMix64`).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Begins with a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below a bound, 0 for the bound 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let number = usize::try_from(mixed >> 33).unwrap_or_default();
        number.checked_rem(bound).unwrap_or_default()
    }

    /// One of them.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let number = self.below(from.len());
        from.iter().cycle().nth(number).cloned().unwrap()
    }
}

/// Tries all kept inputs of a target, and others like them. The trial asserts what must hold and says whether
/// it took the input.
///
/// # Panics
/// When the trial does, or it takes all of the kept inputs, or none of them: then it tests little.
pub fn check(target: &str, trial: fn(&[u8]) -> bool) {
    let inputs = inputs(target);
    let taken = inputs.iter().filter(|input| trial(input)).count();
    assert!(taken > 0, "{target}: none of {} is taken", inputs.len());
    assert!(taken < inputs.len(), "{target}: all are taken");
    let mut dice = Dice::new(inputs.len() as u64);
    for _ in 0..MANGLED {
        let input = dice.pick(&inputs);
        trial(&mangled(input, &mut dice));
    }
}

/// The kept inputs of a target, by the names of their files.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("../../fuzz/corpus").join(target);
    assert!(folder.is_dir(), "{} is no folder", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// With parts of it taken out, doubled or overwritten.
fn mangled(mut input: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.below(3) {
        let at = dice.below(input.len() + 1);
        let end = (at + dice.below(PART_MAX)).min(input.len());
        let part = match dice.below(3) {
            0 => Vec::new(),
            1 => input.get(at..end).unwrap_or_default().repeat(2),
            _ => vec![u8::try_from(dice.below(256)).unwrap()],
        };
        input.splice(at..end, part);
    }
    input
}
