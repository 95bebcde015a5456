//! Regular expressions as far as the schema uses them: literals, `.`, classes, groups,
//! `|`, `?`, `*`, `+`, `{m,n}`, `^`, `$` and negative lookahead; by backtracking.

enum Node {
    /// A character in one of the ranges, or in none of them.
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    Group(Vec<Vec<Repeated>>),
    NotAhead(Vec<Vec<Repeated>>),
    Start,
    End,
}

struct Repeated {
    node: Node,
    min: usize,
    max: usize,
}

/// Whether `pattern` is found in `text`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut parser = Parser {
        pattern: &pattern,
        at: 0,
    };
    let alternatives = parser.alternatives();
    assert_eq!(parser.at, pattern.len(), "an unbalanced pattern");
    let text: Vec<char> = text.chars().collect();
    (0..=text.len()).any(|from| any(&alternatives, &text, from, &mut |_| true))
}

struct Parser<'p> {
    pattern: &'p [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }

    fn take(&mut self) -> char {
        self.at += 1;
        self.pattern[self.at - 1]
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.pattern[self.at..]
            .iter()
            .copied()
            .take(text.len())
            .eq(text.chars());
        self.at += if found { text.len() } else { 0 };
        found
    }

    fn alternatives(&mut self) -> Vec<Vec<Repeated>> {
        let mut all = vec![Vec::new()];
        while let Some(c) = self.peek().filter(|c| *c != ')') {
            if c == '|' {
                self.at += 1;
                all.push(Vec::new());
            } else {
                let node = self.node();
                let (min, max) = self.quantifier();
                all.last_mut().unwrap().push(Repeated { node, min, max });
            }
        }
        all
    }

    fn node(&mut self) -> Node {
        if self.eat("(?!") {
            let inner = self.alternatives();
            assert!(self.eat(")"));
            return Node::NotAhead(inner);
        }
        match self.take() {
            '(' => {
                assert_ne!(self.peek(), Some('?'), "an unknown group");
                let inner = self.alternatives();
                assert!(self.eat(")"));
                Node::Group(inner)
            }
            '^' => Node::Start,
            '$' => Node::End,
            '.' => Node::Class {
                ranges: vec![('\n', '\n'), ('\r', '\r')],
                negated: true,
            },
            '[' => self.class(),
            '\\' => one(self.take()),
            c => one(c),
        }
    }

    fn class(&mut self) -> Node {
        let negated = self.eat("^");
        let mut ranges = Vec::new();
        while !self.eat("]") {
            let mut low = self.take();
            if low == '\\' {
                low = self.take();
            }
            let is_range = self.peek() == Some('-') && self.pattern.get(self.at + 1) != Some(&']');
            let mut high = low;
            if is_range {
                self.at += 1;
                high = self.take();
                if high == '\\' {
                    high = self.take();
                }
            }
            ranges.push((low, high));
        }
        Node::Class { ranges, negated }
    }

    fn quantifier(&mut self) -> (usize, usize) {
        match self.peek() {
            Some('?') => (self.take(), (0, 1)).1,
            Some('*') => (self.take(), (0, usize::MAX)).1,
            Some('+') => (self.take(), (1, usize::MAX)).1,
            Some('{') => {
                let end = self.at
                    + self.pattern[self.at..]
                        .iter()
                        .position(|c| *c == '}')
                        .unwrap();
                let inner: String = self.pattern[self.at + 1..end].iter().collect();
                self.at = end + 1;
                let (min, max) = inner.split_once(',').unwrap();
                (min.parse().unwrap(), max.parse().unwrap())
            }
            _ => (1, 1),
        }
    }
}

fn one(c: char) -> Node {
    Node::Class {
        ranges: vec![(c, c)],
        negated: false,
    }
}

type Then<'t> = &'t mut dyn FnMut(usize) -> bool;

fn any(alternatives: &[Vec<Repeated>], text: &[char], at: usize, then: Then<'_>) -> bool {
    alternatives
        .iter()
        .any(|sequence| in_order(sequence, text, at, then))
}

fn in_order(sequence: &[Repeated], text: &[char], at: usize, then: Then<'_>) -> bool {
    match sequence.split_first() {
        None => then(at),
        Some((first, rest)) => repeat(first, 0, text, at, &mut |after| {
            in_order(rest, text, after, then)
        }),
    }
}

fn repeat(item: &Repeated, done: usize, text: &[char], at: usize, then: Then<'_>) -> bool {
    if done < item.max {
        let again = single(&item.node, text, at, &mut |after| {
            // An empty match again and again leads nowhere.
            (after > at || done < item.min) && repeat(item, done + 1, text, after, then)
        });
        if again {
            return true;
        }
    }
    done >= item.min && then(at)
}

fn single(node: &Node, text: &[char], at: usize, then: Then<'_>) -> bool {
    match node {
        Node::Class { ranges, negated } => text.get(at).is_some_and(|c| {
            ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != *negated && then(at + 1)
        }),
        Node::Group(inner) => any(inner, text, at, then),
        Node::NotAhead(inner) => !any(inner, text, at, &mut |_| true) && then(at),
        Node::Start => at == 0 && then(at),
        Node::End => at == text.len() && then(at),
    }
}

#[test]
fn patterns_match_as_they_do_elsewhere() {
    for (pattern, text, expected) in [
        ("^a(b|c)*d$", "abcbd", true),
        ("^a(b|c)*d$", "abxd", false),
        ("^[a-c]{1,2}$", "abc", false),
        ("^[^a-c-]+$", "xyz", true),
        ("^[^a-c-]+$", "x-", false),
        ("b", "abc", true),
        ("^(?!ab)a", "ac", true),
        ("^(?!ab)a", "ab", false),
        ("^(a?)*$", "aaa", true),
        ("^(\\./*)*\\.?$", "././.", true),
        ("^(\\./*)*\\.?$", "./a", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
