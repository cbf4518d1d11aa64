//! Types that files and messages carry as text: what `Display` writes and `FromStr` reads.
//!
//! Not for: types with a form of their own, nor for the forms themselves.

/// Gives a type with `Display` and `FromStr` that form in serde as well.
macro_rules! text_form {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use text_form;
