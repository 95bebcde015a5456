//! The rules that a recipe has to keep. Pure.

use crate::picture;
use atek_api::catalogue::{Recipe, Upstream};
use atek_api::manifest::{FILE_NAME, Manifest};
use atek_api::permission::Permissions;
use atek_api::source::Source;
use atek_api::version::Release;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The name of the file that describes a recipe.
pub const RECIPE: &str = "recipe.json";

/// Bytes of the largest icon.
pub const ICON_MAX: usize = 64 * 1024;
/// Bytes of the largest screenshot.
pub const SCREENSHOT_MAX: usize = 256 * 1024;
/// The most screenshots.
const SCREENSHOTS: usize = 4;

/// The files of a recipe's folder by path, with `/` between folders.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A recipe that keeps the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// `recipe.json`.
    pub recipe: Recipe,
    /// What `atek.json` asks for.
    pub permissions: Permissions,
}

/// Reads a recipe from the files of its folder.
///
/// # Errors
///
/// Everything that is wrong with it, a sentence each.
pub fn read(files: &Files) -> Result<Checked, Vec<String>> {
    let mut problems = Vec::new();
    let recipe: Option<Recipe> = match files.get(RECIPE) {
        None => {
            problems.push(format!("{RECIPE} is missing"));
            None
        }
        Some(text) => serde_json::from_slice(text)
            .map_err(|error| problems.push(format!("{RECIPE}: {error}")))
            .ok(),
    };
    let manifest: Option<Manifest> = match files.get(FILE_NAME) {
        None => {
            problems.push(format!(
                "{FILE_NAME} is missing: it says how the app is started"
            ));
            None
        }
        Some(text) => Manifest::parse(text)
            .map_err(|error| problems.push(format!("{FILE_NAME}: {error}")))
            .ok(),
    };
    if let Some(recipe) = &recipe {
        texts(recipe, &mut problems);
        pictures(recipe, files, &mut problems);
        match &recipe.upstream {
            Upstream::Npm { npm } => from_npm(recipe, npm, files, &mut problems),
            Upstream::Git { git, tag, commit } => {
                from_git(recipe, git, tag, commit, &mut problems);
            }
        }
    }
    match (recipe, manifest) {
        (Some(recipe), Some(manifest)) if problems.is_empty() => Ok(Checked {
            recipe,
            permissions: manifest.permissions,
        }),
        _ => Err(problems),
    }
}

/// The file names of a recipe that only the catalogue needs: they are no part of the app.
#[must_use]
pub fn is_about(recipe: &Recipe, path: &str) -> bool {
    path == RECIPE || recipe.screenshots.iter().any(|picture| picture == path)
}

fn texts(recipe: &Recipe, problems: &mut Vec<String>) {
    let mut bounded = |what: &str, text: &str, most: usize| {
        let count = text.chars().count();
        if count == 0 || count > most || text.chars().any(char::is_control) {
            problems.push(format!(
                "{what} must have 1 to {most} characters in one line"
            ));
        }
    };
    bounded("title", &recipe.title, 60);
    for (language, sentence) in &recipe.summary {
        bounded(&format!("summary.{language}"), sentence, 200);
    }
    if let Some(license) = &recipe.license {
        bounded("license", license, 100);
    }
    if !recipe.summary.contains_key("en") {
        problems.push("summary.en is missing".to_owned());
    }
    let is_code = |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_lowercase());
    if recipe.summary.len() > 20 || !recipe.summary.keys().all(is_code) {
        problems.push("the keys of summary must be two-letter codes of languages".to_owned());
    }
    let mut categories = recipe.categories.clone();
    categories.sort_unstable();
    categories.dedup();
    if categories.len() != recipe.categories.len() || !(1..=3).contains(&categories.len()) {
        problems.push("categories must be one to three different ones".to_owned());
    }
    if let Some(page) = &recipe.homepage
        && !is_web_page(page)
    {
        problems.push("homepage must be an https:// URL".to_owned());
    }
    if !recipe.check.path.starts_with('/') || recipe.check.path.len() > 200 {
        problems.push("check.path must begin with /".to_owned());
    }
}

fn is_web_page(text: &str) -> bool {
    text.len() <= 300
        && url::Url::parse(text).is_ok_and(|url| {
            url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
        })
}

fn pictures(recipe: &Recipe, files: &Files, problems: &mut Vec<String>) {
    if recipe.screenshots.len() > SCREENSHOTS {
        problems.push(format!("there may be {SCREENSHOTS} screenshots at most"));
    }
    let icon = recipe.icon.iter().map(|path| (path, ICON_MAX));
    let screenshots = recipe.screenshots.iter().map(|path| (path, SCREENSHOT_MAX));
    for (path, most) in icon.chain(screenshots) {
        match files.get(path) {
            None => problems.push(format!("the picture {path:?} is missing")),
            Some(content) if content.len() > most => {
                problems.push(format!("{path} is larger than {} KiB", most / 1024));
            }
            Some(content) => {
                if let Err(error) = picture::media_type(content) {
                    problems.push(format!("{path} cannot be shown: {error}"));
                }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackageJson {
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

fn from_npm(recipe: &Recipe, npm: &str, files: &Files, problems: &mut Vec<String>) {
    let version = recipe.version.to_string();
    let package = files.get("package.json");
    match package.map(|text| serde_json::from_slice::<PackageJson>(text)) {
        None => problems.push("package.json is missing: it names the program".to_owned()),
        Some(Err(error)) => problems.push(format!("package.json: {error}")),
        Some(Ok(package)) if package.dependencies.get(npm) != Some(&version) => {
            problems.push(format!(
                "package.json must depend on {npm} {version} exactly"
            ));
        }
        Some(Ok(_)) => {}
    }
    match files.get("package-lock.json") {
        None => problems.push(
            "package-lock.json is missing: npm install --package-lock-only makes it".to_owned(),
        ),
        Some(text) => lockfile(npm, &version, text, problems),
    }
}

/// Every package of a lockfile comes from a registry, with the hash of its content: the
/// signature of the index covers what is installed.
fn lockfile(npm: &str, version: &str, text: &[u8], problems: &mut Vec<String>) {
    let lock: Value = match serde_json::from_slice(text) {
        Ok(lock) => lock,
        Err(error) => return problems.push(format!("package-lock.json: {error}")),
    };
    let Some(packages) = lock["packages"].as_object() else {
        return problems.push("package-lock.json is of an npm before version 7".to_owned());
    };
    let locked = packages.get(&format!("node_modules/{npm}"));
    if locked.is_none_or(|locked| locked["version"] != version) {
        problems.push(format!("package-lock.json does not hold {npm} {version}"));
    }
    let is_package = |path: &str, about: &Value| {
        !path.is_empty() && about["inBundle"] != true && about["link"] != true
    };
    let loose = packages
        .iter()
        .filter(|(path, about)| is_package(path, about))
        .find(|(_, about)| {
            let resolved = about["resolved"].as_str();
            about["integrity"]
                .as_str()
                .is_none_or(|hash| !hash.starts_with("sha"))
                || resolved.is_some_and(|from| !from.starts_with("https://"))
        });
    if let Some((path, _)) = loose {
        problems.push(format!(
            "package-lock.json holds {path} without a hash, or from elsewhere than a registry"
        ));
    }
}

fn from_git(recipe: &Recipe, git: &str, tag: &str, commit: &str, problems: &mut Vec<String>) {
    if !matches!(git.parse(), Ok(Source::Git(_))) || !git.starts_with("https://") {
        problems.push("upstream.git must be the https:// URL of a repository".to_owned());
    }
    if Release::from_tag(tag).is_none_or(|release| release.version != recipe.version) {
        problems.push(format!(
            "the tag {tag:?} is not that of version {}",
            recipe.version
        ));
    }
    if !matches!(commit.len(), 40 | 64) || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
        problems.push("upstream.commit must be the 40 or 64 digits of a commit".to_owned());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn good() -> Files {
        let recipe = json!({
            "title": "Files", "summary": { "en": "Serves a folder.", "de": "Zeigt einen Ordner." },
            "categories": ["files"], "version": "14.1.1", "upstream": { "npm": "http-server" },
            "homepage": "https://example.org/", "icon": "icon.svg",
        });
        let lock = json!({ "lockfileVersion": 3, "packages": {
            "": {}, "node_modules/http-server": {
                "version": "14.1.1", "integrity": "sha512-x",
                "resolved": "https://packages.example.org/http-server/-/http-server-14.1.1.tgz",
            },
        }});
        let atek = json!({ "port": "auto", "permissions": { "network": { "hosts": ["a.org"] } } });
        let package = json!({ "dependencies": { "http-server": "14.1.1" } });
        let icon = "<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>";
        [
            (RECIPE, recipe.to_string()),
            (FILE_NAME, atek.to_string()),
            ("package.json", package.to_string()),
            ("package-lock.json", lock.to_string()),
            ("icon.svg", icon.to_owned()),
        ]
        .map(|(path, text)| (path.to_owned(), text.into_bytes()))
        .into()
    }

    /// The problems of the good recipe after a change.
    fn problems(change: impl FnOnce(&mut Files)) -> String {
        let mut files = good();
        change(&mut files);
        read(&files).map(drop).unwrap_err().join("; ")
    }

    fn with(files: &mut Files, file: &str, pointer: &str, value: Value) {
        let mut text: Value = serde_json::from_slice(&files[file]).unwrap();
        *text.pointer_mut(pointer).unwrap() = value;
        files.insert(file.to_owned(), text.to_string().into_bytes());
    }

    #[test]
    fn a_good_recipe_shows_what_its_app_asks_for() {
        let checked = read(&good()).unwrap();
        assert_eq!(checked.recipe.title, "Files");
        assert!(!checked.permissions.is_empty());
        assert!(is_about(&checked.recipe, "recipe.json"));
        assert!(!is_about(&checked.recipe, "icon.svg"));
    }

    #[test]
    fn each_rule_is_named_when_it_is_broken() {
        let remove = |file: &'static str| move |files: &mut Files| drop(files.remove(file));
        let recipe = |pointer: &'static str, value: Value| {
            move |files: &mut Files| with(files, RECIPE, pointer, value)
        };
        for (found, part) in [
            (problems(remove(RECIPE)), "recipe.json is missing"),
            (problems(remove(FILE_NAME)), "atek.json is missing"),
            (problems(remove("package.json")), "package.json is missing"),
            (
                problems(remove("package-lock.json")),
                "package-lock.json is missing",
            ),
            (problems(remove("icon.svg")), "\"icon.svg\" is missing"),
            (problems(recipe("/title", json!(""))), "title must"),
            (problems(recipe("/title", json!("a\nb"))), "title must"),
            (
                problems(recipe("/summary", json!({ "de": "x" }))),
                "summary.en",
            ),
            (
                problems(recipe("/categories", json!([]))),
                "categories must",
            ),
            (
                problems(recipe("/categories", json!(["games"]))),
                "recipe.json: ",
            ),
            (
                problems(recipe("/homepage", json!("javascript:1"))),
                "homepage must",
            ),
            (
                problems(recipe("/version", json!("14.1.2"))),
                "http-server 14.1.2 exactly",
            ),
            (
                problems(recipe("/icon", json!("../icon.svg"))),
                "is missing",
            ),
            (
                problems(|files| {
                    let script = b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>";
                    files.insert("icon.svg".to_owned(), script.to_vec());
                }),
                "script",
            ),
            (
                problems(|files| drop(files.insert("icon.svg".to_owned(), vec![b' '; 70_000]))),
                "64 KiB",
            ),
            (
                problems(|files| {
                    let at = "/packages/node_modules~1http-server/resolved";
                    with(
                        files,
                        "package-lock.json",
                        at,
                        json!("git+ssh://git@a.org/x"),
                    );
                }),
                "elsewhere than a registry",
            ),
            (
                problems(|files| {
                    let at = "/packages/node_modules~1http-server/integrity";
                    with(files, "package-lock.json", at, Value::Null);
                }),
                "without a hash",
            ),
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }

    #[test]
    fn a_recipe_from_git_names_the_commit_of_its_version() {
        let upstream = |tag: &str, commit: &str, git: &str| {
            let mut files = good();
            let upstream = json!({ "git": git, "tag": tag, "commit": commit });
            with(&mut files, RECIPE, "/upstream", upstream);
            read(&files).map(drop)
        };
        let commit = "a".repeat(40);
        assert_eq!(
            upstream("v14.1.1", &commit, "https://example.org/x"),
            Ok(())
        );
        assert!(upstream("v14.1.2", &commit, "https://example.org/x").is_err());
        assert!(upstream("v14.1.1", "abc", "https://example.org/x").is_err());
        assert!(upstream("v14.1.1", &commit, "http://example.org/x").is_err());
        assert!(upstream("v14.1.1", &commit, "/srv/x").is_err());
    }
}
