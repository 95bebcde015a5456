//! Tools that a build looked for in vain, from what npm, pnpm, yarn and node-gyp print.
//!
//! Their own lines about a missing compiler are a page that names neither the dependency nor what
//! to do.

use std::fmt;

/// A program that this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MissingTool {
    /// What node-gyp needs: a compiler, make or Python. The dependency that is compiled, if
    /// the lines name it.
    Compiler(Option<String>),
    /// For a dependency that is a repository.
    Git,
    /// A package manager that the package's scripts call.
    Manager(&'static str),
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
                "a dependency of the package is a git repository, and this machine has no git: the package needs a \
                 version of it that is in a registry",
            ),
            Self::Manager(name) => write!(
                f,
                "a script of the package calls {name}, which this machine does not have; it has npm, and pnpm or yarn \
                 for a package with their lockfile"
            ),
        }
    }
}

/// Yarn, which has no node-gyp of its own.
const NO_GYP: &str = "Couldn't find a script name \"node-gyp\"";

/// The dependency that a line says is being compiled: its folder's name, or yarn's name for it.
fn dependency_of(line: &str) -> Option<&str> {
    let folder = ["npm error path ", "gyp ERR! cwd "]
        .iter()
        .find_map(|before| line.split_once(before));
    if let Some((_, path)) = folder {
        return path.rsplit_once("node_modules/").map(|(_, name)| name);
    }
    let (_, user) = line.split_once(NO_GYP)?.1.split_once("(used by ")?;
    user.split_once("@npm:").map(|(name, _)| name)
}

/// Reads the lines of a build as they come.
#[derive(Debug, Default)]
pub(crate) struct ToolFinder {
    needs_compiler: bool,
    needs_git: bool,
    manager: Option<&'static str>,
    dependency: Option<String>,
}

impl ToolFinder {
    /// Takes one line.
    pub(crate) fn push(&mut self, line: &str) {
        const COMPILER: [&str; 12] = [
            "gyp ERR! find Python",
            "not found: make",
            "make: not found",
            "make: g++: No such file",
            "make: c++: No such file",
            "make: cc: No such file",
            "g++: not found",
            "cc: not found",
            "CMake is not installed",
            "cmake: not found",
            "cargo: not found",
            NO_GYP,
        ];
        const GIT: [&str; 4] = [
            "spawn git ENOENT",
            "syscall spawn git",
            "git: not found",
            "Couldn't find the binary git",
        ];
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        self.needs_compiler |= says(&COMPILER);
        self.needs_git |= says(&GIT) || line.trim_end().ends_with(" not found: git");
        const MANAGERS: [(&str, &str); 3] = [
            ("bun: not found", "bun"),
            ("pnpm: not found", "pnpm"),
            ("yarn: not found", "yarn"),
        ];
        let manager = MANAGERS.iter().find(|(words, _)| line.contains(words));
        self.manager = manager.map(|(_, name)| *name).or(self.manager);
        if let Some(name) = dependency_of(line) {
            self.dependency = Some(name.to_owned());
        }
    }

    /// What was missing, if anything was.
    pub(crate) fn missing(&self) -> Option<MissingTool> {
        if self.needs_compiler {
            Some(MissingTool::Compiler(self.dependency.clone()))
        } else if self.needs_git {
            Some(MissingTool::Git)
        } else {
            self.manager.map(MissingTool::Manager)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_told_from_a_build_that_fails() {
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
                &[
                    "../node_modules/@a/b install: gyp ERR! find Python - Set the variable",
                    "../node_modules/@a/b install: gyp ERR! cwd /s/node_modules/.pnpm/@a+b@2.0.6/node_modules/@a/b",
                ],
                Some(MissingTool::Compiler(Some("@a/b".to_owned()))),
            ),
            (
                &[
                    "unix@npm:2.0.6 STDOUT Usage Error: Couldn't find a script name \"node-gyp\" in the top-level (used by unix@npm:2.0.6). This",
                ],
                Some(MissingTool::Compiler(Some("unix".to_owned()))),
            ),
            (
                &["error unix: Command failed.", "sh: 1: cmake: not found"],
                Some(MissingTool::Compiler(None)),
            ),
            (
                &["npm error code ENOENT", "npm error syscall spawn git"],
                Some(MissingTool::Git),
            ),
            (
                &["error Couldn't find the binary git"],
                Some(MissingTool::Git),
            ),
            (&[" ENOENT  not found: git"], Some(MissingTool::Git)),
            (&["ERROR: repository not found: gitea"], None),
            (
                &["sh: 1: bun: not found"],
                Some(MissingTool::Manager("bun")),
            ),
            (
                &["sh: 1: pnpm: not found"],
                Some(MissingTool::Manager("pnpm")),
            ),
            (&["src/a.ts(3,1): error TS2304: Cannot find name"], None),
        ] {
            let mut finder = ToolFinder::default();
            lines.iter().for_each(|line| finder.push(line));
            assert_eq!(finder.missing(), expected, "{lines:?}");
        }
    }
}
