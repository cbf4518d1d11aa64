//! Says conditions on arguments in words.
//!
//! Not for: judging them.

use crate::condition::{Condition, Test, Width};
use crate::signature::{Kind, Parameter, parameter};

/// Below this, a number that is not a mode is said in decimal: constants such as `AF_VSOCK` (40)
/// are listed so in manuals, while flags and `ioctl` requests are listed in hexadecimal.
const DECIMAL_BELOW: u64 = 1024;

/// The argument's name: the kernel's, and its place.
#[must_use]
pub fn argument(call: &str, index: usize) -> String {
    match parameter(call, index) {
        Some(Parameter { name, .. }) => format!("{name} (argument {index})"),
        None => format!("argument {index}"),
    }
}

/// A condition in words.
#[must_use]
pub fn condition(call: &str, condition: &Condition) -> String {
    phrase(call, condition, true)
}

/// What holds when the condition does not.
pub(crate) fn negation(call: &str, condition: &Condition) -> String {
    phrase(call, condition, false)
}

/// Conditions that hold together, in words.
#[must_use]
pub fn all_of(call: &str, conditions: &[Condition]) -> String {
    let parts: Vec<String> = conditions.iter().map(|one| condition(call, one)).collect();
    parts.join(" and ")
}

/// Each alternative of a rule in words.
#[must_use]
pub fn alternatives(call: &str, alternatives: &[Vec<Condition>]) -> Vec<String> {
    alternatives.iter().map(|all| all_of(call, all)).collect()
}

fn phrase(call: &str, condition: &Condition, holds: bool) -> String {
    let subject = subject(call, condition);
    let parameter = parameter(call, condition.argument());
    let octal = parameter.is_some_and(|one| one.kind == Kind::Mode);
    let whole = condition.mask() == condition.width().ones();
    let number = |value: u64| number(value, octal);
    let bits = if octal {
        format!("0o{:o}", condition.mask())
    } else {
        format!("{:#x}", condition.mask())
    };
    let text = match (condition.test(), holds) {
        (Test::In(set), true) | (Test::NotIn(set), false) => match set.as_slice() {
            [0] if !whole => format!("has none of the bits {bits}"),
            set if whole => format!("is {}", list(set, "or", number)),
            set => format!("with mask {bits} is {}", list(set, "or", number)),
        },
        (Test::NotIn(set), true) | (Test::In(set), false) => match set.as_slice() {
            [0] if !whole => format!("has any of the bits {bits}"),
            [one] if whole => format!("is not {}", number(*one)),
            set if whole => format!("is none of {}", list(set, "and", number)),
            [one] => format!("with mask {bits} is not {}", number(*one)),
            set => format!("with mask {bits} is none of {}", list(set, "and", number)),
        },
        (Test::Between(low, high), true) | (Test::Outside(low, high), false) => {
            format!("is from {} to {}", number(*low), number(*high))
        }
        (Test::Outside(low, high), true) | (Test::Between(low, high), false) => {
            format!("is below {} or above {}", number(*low), number(*high))
        }
    };
    format!("{subject} {text}")
}

/// The argument, and how much of it is compared where that is not what the kernel reads.
fn subject(call: &str, condition: &Condition) -> String {
    let name = argument(call, condition.argument());
    let kind = parameter(call, condition.argument()).map(|one| one.kind);
    match (condition.width(), kind) {
        (Width::Low32, Some(Kind::Long | Kind::Pointer) | None) => {
            format!("the low half of {name}")
        }
        (Width::Full64, Some(Kind::Word | Kind::Mode) | None) => format!("the whole of {name}"),
        _ => name,
    }
}

fn number(value: u64, octal: bool) -> String {
    if octal && value >= 8 {
        format!("0o{value:o}")
    } else if value < DECIMAL_BELOW {
        value.to_string()
    } else {
        format!("{value:#x}")
    }
}

fn list(values: &[u64], join: &str, number: impl Fn(u64) -> String) -> String {
    let all: Vec<String> = values.iter().map(|value| number(*value)).collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {join} {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(call: &str, argument: usize, width: Width, mask: u64, test: Test) -> [String; 2] {
        let condition = Condition {
            argument,
            width,
            mask,
            test,
        };
        [
            self::condition(call, &condition),
            negation(call, &condition),
        ]
    }

    #[test]
    fn names_the_argument_and_says_each_test_and_its_opposite() {
        let ones = Width::Low32.ones();
        assert_eq!(
            words("socket", 0, Width::Low32, ones, Test::NotIn(vec![1, 2, 10])),
            [
                "family (argument 0) is none of 1, 2 and 10",
                "family (argument 0) is 1, 2 or 10"
            ]
        );
        assert_eq!(
            words("chmod", 1, Width::Low32, 0o6000, Test::In(vec![0])),
            [
                "mode (argument 1) has none of the bits 0o6000",
                "mode (argument 1) has any of the bits 0o6000"
            ]
        );
        let low = words("read", 2, Width::Full64, u64::MAX, Test::Between(3, 0x1000));
        assert_eq!(
            low,
            [
                "count (argument 2) is from 3 to 0x1000",
                "count (argument 2) is below 3 or above 0x1000"
            ]
        );
    }

    #[test]
    fn says_so_when_a_condition_looks_at_another_width_than_the_kernel() {
        let test = || Test::In(vec![0x5412]);
        let [wide, _] = words("ioctl", 1, Width::Full64, u64::MAX, test());
        assert_eq!(wide, "the whole of cmd (argument 1) is 0x5412");
        let [narrow, _] = words("ioctl", 2, Width::Low32, Width::Low32.ones(), test());
        assert_eq!(narrow, "the low half of arg (argument 2) is 0x5412");
        let [fitting, _] = words("ioctl", 1, Width::Low32, Width::Low32.ones(), test());
        assert_eq!(fitting, "cmd (argument 1) is 0x5412");
    }
}
