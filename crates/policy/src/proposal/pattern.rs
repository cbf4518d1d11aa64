//! Few patterns for many paths, each with the paths that it was made of.
//!
//! Not for: one segment by itself (`segment`), nor methods (`draft`).

use std::collections::{BTreeMap, BTreeSet};

use super::observed::Traffic;
use super::segment::{generalised, literal};
use crate::glob::{GLOB_MAX, PathGlob};

/// Paths that differ in one segment alone, up to which they are named one by one.
const SIBLINGS_MAX: usize = 8;
/// Patterns below one folder, up to which they are named one by one.
const FOLDER_MAX: usize = 16;
/// Patterns of one host and method, up to which they are named; beyond, every path is allowed.
const PATTERNS_MAX: usize = 64;
/// Paths that a comment names.
const SAMPLES_MAX: usize = 3;

/// A pattern in segments; in the end `**` for everything below.
type Shape = Vec<String>;

/// One pattern and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) glob: String,
    pub(super) paths: usize,
    pub(super) samples: Vec<String>,
    pub(super) traffic: Traffic,
}

/// The patterns of some paths, in the order of their text. Each path is matched by one of them, and none
/// of them can be left out.
pub(super) fn patterns(paths: &BTreeMap<&str, Traffic>) -> Vec<Pattern> {
    let shapes: BTreeSet<Shape> = paths.keys().map(|path| shape(path)).collect();
    let shapes = all_beyond(folded(without_siblings(shapes)));
    let texts: BTreeSet<String> = shapes.iter().map(|shape| written(shape)).collect();
    let globs: Vec<PathGlob> = texts
        .iter()
        .filter_map(|text| PathGlob::parse(text).ok())
        .collect();
    let globs = needed(globs, paths);
    let mut made: Vec<Pattern> = globs.iter().map(Pattern::of).collect();
    for (path, traffic) in paths {
        let first = globs.iter().position(|glob| glob.matches(path));
        if let Some(pattern) = first.and_then(|index| made.get_mut(index)) {
            pattern.add(path, *traffic);
        }
    }
    made
}

impl Pattern {
    fn of(glob: &PathGlob) -> Self {
        Self {
            glob: glob.as_str().to_owned(),
            paths: 0,
            samples: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    fn add(&mut self, path: &str, traffic: Traffic) {
        self.paths += 1;
        self.traffic = self.traffic.and(traffic);
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(path.to_owned());
        }
    }
}

/// A path with what changes as `*`; one that is too long for a pattern is cut to its folder.
fn shape(path: &str) -> Shape {
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let mut shape: Shape = segments.map(generalised).collect();
    while written(&shape).len() > GLOB_MAX {
        if shape.last().is_some_and(|last| last == "**") {
            shape.pop();
        }
        shape.pop();
        shape.push("**".to_owned());
    }
    shape
}

fn written(shape: &[String]) -> String {
    format!("/{}", shape.join("/"))
}

/// Puts `*` in place of a segment in which many paths differ, and in nothing else. The deepest segments
/// come first, so that a folder's files are put together before folders are.
fn without_siblings(mut shapes: BTreeSet<Shape>) -> BTreeSet<Shape> {
    let deepest = shapes.iter().map(Vec::len).max().unwrap_or(0);
    for depth in (0..deepest).rev() {
        let mut families: BTreeMap<Shape, Vec<Shape>> = BTreeMap::new();
        for shape in shapes {
            let family = masked(&shape, depth).unwrap_or_else(|| shape.clone());
            families.entry(family).or_default().push(shape);
        }
        shapes = families
            .into_iter()
            .flat_map(|(family, members)| match members.len() {
                0..=SIBLINGS_MAX => members,
                _ => vec![family],
            })
            .collect();
    }
    shapes
}

/// The shape with `*` at this depth; `None` where there is nothing, or everything already.
fn masked(shape: &Shape, depth: usize) -> Option<Shape> {
    let named = |segment: &String| !segment.is_empty() && segment != "**";
    shape.get(depth).filter(|segment| named(segment))?;
    let mut masked = shape.clone();
    "*".clone_into(masked.get_mut(depth)?);
    Some(masked)
}

/// Puts `**` in place of what is below a folder, where that is much; the deepest such folder first.
fn folded(mut shapes: BTreeSet<Shape>) -> BTreeSet<Shape> {
    while let Some(folder) = fullest(&shapes) {
        let below = |shape: &Shape| shape.len() > folder.len() && shape.starts_with(&folder);
        shapes.retain(|shape| !below(shape));
        let mut all = folder;
        all.push("**".to_owned());
        shapes.insert(all);
    }
    shapes
}

/// The deepest folder with too many shapes below it.
fn fullest(shapes: &BTreeSet<Shape>) -> Option<Shape> {
    let mut below: BTreeMap<&[String], usize> = BTreeMap::new();
    for shape in shapes {
        for depth in 1..shape.len() {
            *below
                .entry(shape.get(..depth).unwrap_or_default())
                .or_default() += 1;
        }
    }
    let full = below.into_iter().filter(|(_, count)| *count > FOLDER_MAX);
    let deepest = full.max_by_key(|(folder, _)| folder.len());
    deepest.map(|(folder, _)| folder.to_vec())
}

fn all_beyond(shapes: BTreeSet<Shape>) -> BTreeSet<Shape> {
    if shapes.len() <= PATTERNS_MAX {
        return shapes;
    }
    [vec!["**".to_owned()]].into()
}

/// Leaves patterns out whose paths are all matched by others; those that match fewest go first.
fn needed(globs: Vec<PathGlob>, paths: &BTreeMap<&str, Traffic>) -> Vec<PathGlob> {
    let matched = |glob: &PathGlob| -> Vec<usize> {
        let all = paths.keys().enumerate();
        all.filter(|(_, path)| glob.matches(path))
            .map(|(index, _)| index)
            .collect()
    };
    let matched: Vec<Vec<usize>> = globs.iter().map(matched).collect();
    let mut cover = vec![0_usize; paths.len()];
    for index in matched.iter().flatten() {
        if let Some(count) = cover.get_mut(*index) {
            *count += 1;
        }
    }
    let mut order: Vec<usize> = (0..globs.len()).collect();
    order.sort_by_key(|at| matched.get(*at).map_or(0, Vec::len));
    let mut out = BTreeSet::new();
    for at in order {
        let own = matched.get(at).map_or(&[][..], Vec::as_slice);
        let spare = |index: &usize| cover.get(*index).is_some_and(|count| *count > 1);
        if own.iter().all(spare) {
            for index in own {
                if let Some(count) = cover.get_mut(*index) {
                    *count -= 1;
                }
            }
            out.insert(at);
        }
    }
    let kept = globs.into_iter().enumerate();
    kept.filter(|(at, _)| !out.contains(at))
        .map(|(_, glob)| glob)
        .collect()
}

/// Whether a pattern is nothing but one path as it was.
pub(super) fn is_verbatim(glob: &str, samples: &[String]) -> bool {
    matches!(samples, [only] if literal(only) == glob)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(paths: &[String]) -> Vec<String> {
        let paths = paths
            .iter()
            .map(|path| (path.as_str(), Traffic::default()))
            .collect();
        patterns(&paths).into_iter().map(|it| it.glob).collect()
    }

    fn many(count: usize, path: impl Fn(usize) -> String) -> Vec<String> {
        (0..count).map(path).collect()
    }

    fn word(number: usize) -> String {
        number
            .to_string()
            .bytes()
            .map(|digit| char::from(digit - b'0' + b'a'))
            .collect()
    }

    #[test]
    fn few_paths_stay_as_they_are_and_many_siblings_become_one_pattern() {
        let few = many(SIBLINGS_MAX, |n| format!("/simple/{}/", word(n)));
        assert_eq!(globs(&few), few);
        let many = many(SIBLINGS_MAX + 1, |n| format!("/simple/{}/", word(n)));
        assert_eq!(globs(&many), ["/simple/*/"]);
    }

    #[test]
    fn a_folder_of_which_much_was_asked_is_opened_as_a_whole_and_its_neighbours_are_not() {
        let mut paths = many(40, |n| {
            let depth = "x/".repeat(n % 7);
            format!("/files/{depth}{}/{}", word(n), word(n))
        });
        paths.push("/other".to_owned());
        assert_eq!(globs(&paths), ["/files/**", "/other"]);
    }

    #[test]
    fn what_has_nothing_in_common_opens_every_path_at_last() {
        let paths = many(PATTERNS_MAX + 1, |n| format!("/{}/{}", word(n), word(n)));
        assert_eq!(globs(&paths), ["/**"]);
    }

    #[test]
    fn a_pattern_that_others_make_superfluous_is_left_out() {
        let mut paths = many(SIBLINGS_MAX + 1, |n| format!("/a/{}", word(n)));
        paths.push("/a/12345".to_owned());
        assert_eq!(globs(&paths), ["/a/*"]);
        assert_eq!(globs(&["/".to_owned()]), ["/"]);
    }

    #[test]
    fn a_path_that_is_too_long_is_cut_at_a_folder() {
        let long = format!("/start/{}/end", "abc-".repeat(100));
        assert_eq!(globs(&[long]), ["/start/**"]);
        assert_eq!(globs(&[format!("/{}", "q".repeat(300))]), ["/**"]);
    }
}
