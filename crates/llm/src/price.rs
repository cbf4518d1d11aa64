//! What models cost, as the host's owner states it: nothing is built in, because prices change.
//!
//! Not for: limits on cost (`policy`).

use std::collections::BTreeMap;

use model::{LlmUsage, Money};
use serde::{Deserialize, Serialize};

/// Prices are per so many tokens.
const PER_TOKENS: u128 = 1_000_000;
/// Most patterns of a table; each answer is held against all of them.
const PATTERNS_MAX: usize = 256;
/// Longest pattern, as long as a model's name.
const PATTERN_MAX: usize = 128;

/// Prices by model, `[llm.prices]` in `sheriffd.toml`. A key is a model's name, or the beginning of
/// names and a `*`; the longest one that fits decides. `"*"` fits every model, also an unnamed one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Price>", into = "BTreeMap<String, Price>")]
pub struct PriceTable(BTreeMap<String, Price>);

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of tokens read.
    pub input: Money,
    /// Of tokens made.
    pub output: Money,
    /// Of tokens read from the provider's cache. Left out: as `input`.
    #[serde(default)]
    pub cached: Option<Money>,
    /// Of tokens written to the provider's cache. Left out: as `input`.
    #[serde(default)]
    pub cache_written: Option<Money>,
}

/// A table that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceTableError {
    /// Not the name of a model, nor the beginning of one.
    #[error(
        "model {given:?} is refused: write a name of letters, digits and ._:/@-, or the beginning of names and *"
    )]
    Pattern {
        /// The key, cut.
        given: String,
    },
    /// Too many keys.
    #[error("{given} models have prices; at most {PATTERNS_MAX} are allowed")]
    TooMany {
        /// How many.
        given: usize,
    },
}

impl PriceTable {
    /// What an answer cost, rounded up to a millionth of a dollar; `None` when no price fits.
    #[must_use]
    pub fn cost(&self, usage: &LlmUsage) -> Option<Money> {
        let price = self.price(usage.model.as_deref().unwrap_or_default())?;
        let parts = [
            (usage.input, price.input),
            (usage.output, price.output),
            (usage.cached, price.cached.unwrap_or(price.input)),
            (
                usage.cache_written,
                price.cache_written.unwrap_or(price.input),
            ),
        ];
        let part = |(tokens, price): (u64, Money)| u128::from(tokens) * u128::from(price.micros());
        let sum = parts.into_iter().map(part).fold(0, u128::saturating_add);
        let micros = u64::try_from(sum.div_ceil(PER_TOKENS)).unwrap_or(u64::MAX);
        Some(Money::from_micros(micros))
    }

    /// The price of a model.
    #[must_use]
    pub fn price(&self, model: &str) -> Option<&Price> {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => model == pattern,
        };
        let fitting = self.0.iter().filter(|(pattern, _)| fits(pattern));
        let longest = fitting.max_by_key(|(pattern, _)| (!pattern.ends_with('*'), pattern.len()));
        longest.map(|(_, price)| price)
    }
}

impl TryFrom<BTreeMap<String, Price>> for PriceTable {
    type Error = PriceTableError;

    fn try_from(table: BTreeMap<String, Price>) -> Result<Self, PriceTableError> {
        if table.len() > PATTERNS_MAX {
            return Err(PriceTableError::TooMany { given: table.len() });
        }
        match table.keys().find(|pattern| !is_pattern(pattern)) {
            Some(bad) => Err(PriceTableError::Pattern {
                given: bad.chars().take(64).collect(),
            }),
            None => Ok(Self(table)),
        }
    }
}

impl From<PriceTable> for BTreeMap<String, Price> {
    fn from(table: PriceTable) -> Self {
        table.0
    }
}

fn is_pattern(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b);
    !text.is_empty() && text.len() <= PATTERN_MAX && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> PriceTable {
        toml::from_str(text).unwrap()
    }

    fn usage(model: &str) -> LlmUsage {
        LlmUsage {
            model: Some(model.to_owned()),
            input: 1_000_000,
            cached: 2_000_000,
            cache_written: 0,
            output: 500_000,
            estimated: false,
        }
    }

    const TABLE: &str = r#"
        "gpt-x*" = { input = "2.00 USD", output = "8.00 USD", cached = "0.50 USD" }
        "gpt-x-mini*" = { input = "0.15 USD", output = "0.60 USD" }
        "gpt-x-mini" = { input = "0.01 USD", output = "0.01 USD" }
    "#;

    #[test]
    fn the_longest_pattern_decides_and_a_name_goes_before_a_pattern() {
        let table = table(TABLE);
        let cost = |model: &str| table.cost(&usage(model)).map(|cost| cost.to_string());
        assert_eq!(cost("gpt-x-2"), Some("7.00 USD".to_owned()));
        assert_eq!(cost("gpt-x-mini-3"), Some("0.75 USD".to_owned()));
        assert_eq!(cost("gpt-x-mini"), Some("0.035 USD".to_owned()));
    }

    #[test]
    fn an_unknown_model_has_no_cost_unless_there_is_a_price_for_all() {
        assert_eq!(table(TABLE).cost(&usage("other")), None);
        let all = table(r#""*" = { input = "1 USD", output = "1 USD" }"#);
        assert!(all.cost(&LlmUsage::default()).is_some());
    }

    #[test]
    fn costs_are_rounded_up_and_saturate() {
        let table = table(r#""*" = { input = "0.000001 USD", output = "18446744073709 USD" }"#);
        let mut usage = LlmUsage {
            input: 1,
            ..LlmUsage::default()
        };
        assert_eq!(table.cost(&usage), Some(Money::from_micros(1)));
        usage.output = u64::MAX;
        assert_eq!(table.cost(&usage), Some(Money::from_micros(u64::MAX)));
    }

    #[test]
    fn refuses_keys_that_are_no_models() {
        for bad in ["a*b", "", "a b", "é"] {
            let text = format!("{bad:?} = {{ input = \"1 USD\", output = \"1 USD\" }}");
            assert!(toml::from_str::<PriceTable>(&text).is_err(), "{bad:?}");
        }
    }
}
