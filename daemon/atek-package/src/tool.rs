//! Tools that a build looked for in vain, from what npm and node-gyp print.
//!
//! npm's own lines about a missing compiler are a page that names neither the dependency nor
//! what to do.

use std::fmt;

/// A program that this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MissingTool {
    /// What node-gyp needs: a compiler, make or Python. The dependency that is compiled, if
    /// npm names it.
    Compiler(Option<String>),
    /// For a dependency that is a repository.
    Git,
}

impl fmt::Display for MissingTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler(dependency) => {
                let what = match dependency {
                    Some(name) => format!("the dependency {name}"),
                    None => "a dependency".to_owned(),
                };
                write!(
                    f,
                    "{what} has to be compiled, and this machine has no compiler: the package needs a \
                     version of it that comes with a program for this machine ({}-{})",
                    std::env::consts::OS,
                    std::env::consts::ARCH
                )
            }
            Self::Git => f.write_str(
                "a dependency of the package is a git repository, and git is not installed on this machine",
            ),
        }
    }
}

/// Reads the lines of a build as they come.
#[derive(Debug, Default)]
pub(crate) struct ToolFinder {
    needs_compiler: bool,
    needs_git: bool,
    dependency: Option<String>,
}

impl ToolFinder {
    /// Takes one line.
    pub(crate) fn push(&mut self, line: &str) {
        const COMPILER: [&str; 8] = [
            "gyp ERR! find Python",
            "not found: make",
            "make: not found",
            "make: g++: No such file",
            "make: c++: No such file",
            "make: cc: No such file",
            "g++: not found",
            "cc: not found",
        ];
        const GIT: [&str; 3] = ["spawn git ENOENT", "syscall spawn git", "git: not found"];
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        self.needs_compiler |= says(&COMPILER);
        self.needs_git |= says(&GIT);
        if let Some((_, path)) = line.split_once("npm error path ")
            && let Some((_, name)) = path.rsplit_once("node_modules/")
        {
            self.dependency = Some(name.to_owned());
        }
    }

    /// What was missing, if anything was.
    pub(crate) fn missing(&self) -> Option<MissingTool> {
        if self.needs_compiler {
            Some(MissingTool::Compiler(self.dependency.clone()))
        } else {
            self.needs_git.then_some(MissingTool::Git)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_compiler_is_told_from_a_build_that_fails() {
        for (lines, expected) in [
            (
                &[
                    "npm error code 1",
                    "npm error path /s/package/node_modules/@a/sqlite",
                    "npm error gyp ERR! find Python Python is not set from command line",
                ][..],
                Some(MissingTool::Compiler(Some("@a/sqlite".to_owned()))),
            ),
            (
                &["npm error gyp ERR! stack Error: not found: make"],
                Some(MissingTool::Compiler(None)),
            ),
            (
                &["npm error code ENOENT", "npm error syscall spawn git"],
                Some(MissingTool::Git),
            ),
            (&["src/a.ts(3,1): error TS2304: Cannot find name"], None),
        ] {
            let mut finder = ToolFinder::default();
            lines.iter().for_each(|line| finder.push(line));
            assert_eq!(finder.missing(), expected, "{lines:?}");
        }
    }
}
