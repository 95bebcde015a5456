//! Catalogues of apps.
//!
//! A catalogue is a folder, kept in git: recipes, and an index that lists them with the SHA-256
//! of every file. The index is signed with `minisign` (Ed25519), so that what a box shows and
//! installs is what the catalogue's maintainer published, whatever stands between.
//! `docs/catalogue.md` describes the format.
//!
//! ```text
//! catalogue.json            the title
//! index.json                made by `atek catalogue index`
//! index.json.minisig        made by `minisign -S -m index.json`
//! recipes/NAME/recipe.json  what people see of it
//!              atek.json    the manifest of the app
//!              ...          package.json, package-lock.json, pictures, small files
//! ```
//!
//! | module | does |
//! |---|---|
//! | [`folder`] | reads recipes, makes and verifies an index; the only module with I/O |
//! | [`recipe`] | the rules that a recipe has to keep |
//! | [`picture`] | which pictures are harmless |
//! | [`signature`] | checks the signature of an index |
//! | [`search`] | finds recipes in several catalogues |

#![forbid(unsafe_code)]

pub mod folder;
pub mod picture;
pub mod recipe;
pub mod search;
pub mod signature;
