//! How much a name below a wildcard can say: data in labels is a way out through the resolver.
//!
//! A rule for `*.example.com` lets a jail choose the labels before `example.com`, and the host's resolver
//! carries them to whoever answers for that zone, before any connection (CVE-2025-55284). No shape tells
//! every smuggled text from every honest name. So length and looks are bounded here, which stops what is
//! dense; how many new names there may be in a minute is bounded by the caller, and that holds for the rest.
//!
//! Not for: names that a rule spells out, whose labels say nothing new.

/// Longest part of a name that a wildcard may leave open, dots included. The longest names of content
/// networks and object stores (a bucket of 63 characters, a region, a service) stay below it.
pub const OPEN_MAX: usize = 96;

/// Shortest run without a hyphen that is looked at more closely. Random identifiers of clouds and content
/// networks are shorter (8 to 26), and digests in hexadecimal digits pass at any length.
pub const DENSE_RUN: usize = 32;

/// Information of a dense run in hundredths of a bit for each character.
///
/// Hexadecimal digits can't exceed 400, words without a hyphen between them have 330 to 400; base32 and
/// base36 of this length have 420 to 480.
pub const DENSE_CENTIBITS: u32 = 410;

/// Why the open part of a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Longer than [`OPEN_MAX`].
    #[error("the part of the name before the wildcard's is longer than {OPEN_MAX} characters")]
    TooLong,
    /// A run of at least [`DENSE_RUN`] characters in which too many different ones are mixed evenly.
    #[error("a label of the name looks like encoded data")]
    Dense,
}

/// Judges the part of a name that a wildcard left open.
///
/// # Errors
/// [`LabelError`], when the part is long or looks like encoded data.
pub fn check_open(open: &str) -> Result<(), LabelError> {
    if open.len() > OPEN_MAX {
        return Err(LabelError::TooLong);
    }
    let mut runs = open.split(['.', '-', '_']);
    if runs.any(is_dense) {
        Err(LabelError::Dense)
    } else {
        Ok(())
    }
}

fn is_dense(run: &str) -> bool {
    run.len() >= DENSE_RUN && centibits(run) >= DENSE_CENTIBITS
}

/// The entropy of a run's characters, by how often each is in it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a run has at most 63 characters, and the result is 0 to 600"
)]
fn centibits(run: &str) -> u32 {
    let mut counts = [0_u8; 256];
    for byte in run.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count = count.saturating_add(1);
        }
    }
    let length = run.len() as f64;
    let share = |count: u8| f64::from(count) / length;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| -share(*count) * share(*count).log2())
        .sum();
    (bits * 100.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_names_pass_as_real_services_have_them() {
        for open in [
            "d111111abcdef8",
            "r3---sn-4g5ednsl",
            "e1234.dscb",
            "internal-k8s-default-myingres-0123456789-1234567890.us-east-1.elb",
            "my-bucket-with-quite-a-long-name-for-static-assets.s3.eu-central-1",
            "123e4567-e89b-12d3-a456-426614174000",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "productionresultssastorageaccountwesteurope.blob",
            "_dmarc",
            "a.b.c.d.e.f",
        ] {
            assert_eq!(check_open(open), Ok(()), "{open}");
        }
    }

    #[test]
    fn refuses_runs_that_look_like_base32_or_base36() {
        for open in [
            "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydc",
            "x.gezdgnbvgy3tqojqmfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dz.y",
            "k5zq8x1w0v7t3m9b2n4c6r8y1u0i5o7p3a9s2d",
        ] {
            assert_eq!(check_open(open), Err(LabelError::Dense), "{open}");
        }
    }

    #[test]
    fn bounds_the_whole_open_part_to_the_character() {
        let open = |length: usize| "abc.".chars().cycle().take(length).collect::<String>();
        assert_eq!(check_open(&open(OPEN_MAX)), Ok(()));
        assert_eq!(check_open(&open(OPEN_MAX + 1)), Err(LabelError::TooLong));
    }
}
