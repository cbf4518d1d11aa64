//! A test of one argument of a system call, and its direct evaluation.
//!
//! Not for: memory behind pointers, which a filter never sees, nor for BPF code.

/// Arguments of a system call.
pub const ARGUMENTS: usize = 6;

/// How much of the 64-bit register the kernel's code for the call looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// The low half only, as for `int` and `unsigned int`. A 64-bit compare of such an argument
    /// is passed by with a bit in the upper half (CVE-2019-7303, CVE-2019-10063).
    Low32,
    /// The whole register, as for `long` and `size_t`.
    Full64,
}

/// What the masked argument is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is one of these; ascending, no value twice, never empty.
    In(Vec<u64>),
    /// It is none of these; ascending, no value twice, never empty.
    NotIn(Vec<u64>),
    /// It lies between the two, both included.
    Between(u64, u64),
    /// It lies below the first or above the second.
    Outside(u64, u64),
}

/// A test of one argument: `(argument & mask)` at a width, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Index of the argument, below [`ARGUMENTS`].
    pub(crate) argument: usize,
    pub(crate) width: Width,
    /// Within the width and never 0; all ones of the width when the profile names none.
    pub(crate) mask: u64,
    pub(crate) test: Test,
}

impl Width {
    /// All ones of this width.
    #[must_use]
    pub const fn ones(self) -> u64 {
        match self {
            Self::Low32 => 0xFFFF_FFFF,
            Self::Full64 => u64::MAX,
        }
    }

    /// The width in bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.ones().count_ones()
    }
}

impl Condition {
    /// Index of the argument, from 0.
    #[must_use]
    pub const fn argument(&self) -> usize {
        self.argument
    }

    /// How much of the register is looked at.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// The bits that take part.
    #[must_use]
    pub const fn mask(&self) -> u64 {
        self.mask
    }

    /// The comparison.
    #[must_use]
    pub const fn test(&self) -> &Test {
        &self.test
    }

    /// Whether the arguments pass the test.
    #[must_use]
    pub fn holds(&self, arguments: &[u64; ARGUMENTS]) -> bool {
        let register = arguments.get(self.argument).copied().unwrap_or(0);
        let value = register & self.width.ones() & self.mask;
        match &self.test {
            Test::In(set) => set.contains(&value),
            Test::NotIn(set) => !set.contains(&value),
            Test::Between(low, high) => (*low..=*high).contains(&value),
            Test::Outside(low, high) => !(*low..=*high).contains(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(width: Width, mask: u64, test: Test) -> Condition {
        Condition {
            argument: 1,
            width,
            mask,
            test,
        }
    }

    fn holds(condition: &Condition, value: u64) -> bool {
        condition.holds(&[0, value, 0, 0, 0, 0])
    }

    #[test]
    fn a_narrow_test_ignores_the_upper_half_and_a_wide_one_does_not() {
        let narrow = condition(Width::Low32, Width::Low32.ones(), Test::In(vec![0x5412]));
        let wide = condition(Width::Full64, u64::MAX, Test::In(vec![0x5412]));
        assert!(holds(&narrow, 0x5412) && holds(&wide, 0x5412));
        assert!(holds(&narrow, 0x1_0000_5412) && !holds(&wide, 0x1_0000_5412));
        assert!(!holds(&narrow, 0x5413));
    }

    #[test]
    fn masks_sets_and_ranges_mean_what_they_say() {
        let clear = condition(Width::Low32, 0o6000, Test::In(vec![0]));
        assert!(holds(&clear, 0o755) && !holds(&clear, 0o4755) && !holds(&clear, 0o2755));
        let not_in = condition(Width::Full64, u64::MAX, Test::NotIn(vec![1, 3]));
        assert!(holds(&not_in, 2) && !holds(&not_in, 3));
        let between = condition(Width::Full64, u64::MAX, Test::Between(2, 1 << 40));
        assert!(holds(&between, 2) && holds(&between, 1 << 40) && !holds(&between, 1));
        let outside = condition(Width::Full64, u64::MAX, Test::Outside(2, 1 << 40));
        assert!(holds(&outside, 1) && !holds(&outside, 2) && holds(&outside, (1 << 40) + 1));
    }
}
