//! The types of the browser: `daemon/web/src/lib/api/types.ts` is made from this crate.

use crate::metrics::{MetricsOptions, Series, ServiceSample, SystemSample};
use crate::permission::PermissionRules;
use crate::{
    audit, backup, catalogue, grants, mail, moving, services, sessions, setup, system, updates,
    users,
};
use std::collections::BTreeMap;
use std::path::Path;
use ts_rs::{Config, TS, TypeVisitor};

const HEAD: &str = "\
/**
 * What the host's APIs take and answer, made from the Rust crate `atek-api`. A test of that crate
 * compares the two; to make this file again:
 * ATEK_WRITE_BROWSER_TYPES=1 cargo test -p atek-api the_types_of_the_browser
 *
 * A field with `?` may be missing, and is never null.
 */
";

/// Declarations by the name of their type.
struct Declarations {
    config: Config,
    /// The Rust type and its declaration.
    found: BTreeMap<String, (&'static str, String)>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only types that are derived here have a file of their own.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        let path = std::any::type_name::<T>();
        let path = path.split('<').next().unwrap_or(path);
        if let Some((other, _)) = self.found.get(&name) {
            assert_eq!(*other, path, "two types are called {name}: rename one");
            return;
        }
        let exported = T::export_to_string(&self.config).unwrap();
        self.found.insert(name, (path, tidy(&exported)));
        T::visit_dependencies(self);
    }
}

/// The declaration without head and imports, with short comments on one line each.
///
/// `?: T | null` becomes `?: T`: serde leaves out such a field, and writes no null.
fn tidy(exported: &str) -> String {
    let body = exported
        .lines()
        .skip_while(|line| line.is_empty() || line.starts_with("//") || line.starts_with("import"));
    let lines: Vec<&str> = body.map(str::trim_end).collect();
    let joined = lines.join("\n").replace("[`", "`").replace("`]", "`");
    let mut text = String::new();
    for block in joined.split("/**\n") {
        if text.is_empty() && block.is_empty() {
            continue;
        }
        match block.split_once("\n */") {
            Some((comment, rest)) if !comment.contains('\n') => {
                text.push_str(&format!("/**{} */{rest}", comment.trim_start_matches(" *")));
            }
            Some(_) => text.push_str(&format!("/**\n{block}")),
            None => text.push_str(block),
        }
    }
    let mut tidied = String::new();
    for line in text.lines() {
        let is_optional = line
            .split_once("?: ")
            .is_some_and(|(name, _)| !name.contains(' '));
        let line = if is_optional {
            line.replacen(" | null,", ",", 1)
        } else {
            line.to_owned()
        };
        tidied.push_str(&line);
        tidied.push('\n');
    }
    tidied
}

fn declarations() -> String {
    let mut all = Declarations {
        config: Config::new().with_large_int("number"),
        found: BTreeMap::new(),
    };
    all.visit::<services::ServiceInfo>();
    all.visit::<services::ServiceStatus>();
    all.visit::<services::InstallParams>();
    all.visit::<services::Inspection>();
    all.visit::<services::UpdateParams>();
    all.visit::<services::UninstallParams>();
    all.visit::<services::ConfigureParams>();
    all.visit::<services::UpdateCheck>();
    all.visit::<updates::UpdateStatus>();
    all.visit::<updates::UpdateChanges>();
    all.visit::<updates::UpdatePlan>();
    all.visit::<backup::BackupStatus>();
    all.visit::<backup::BackupChanges>();
    all.visit::<backup::BackupDone>();
    all.visit::<backup::Run>();
    all.visit::<backup::StoredApps>();
    all.visit::<backup::StoredFiles>();
    all.visit::<backup::RestoreFile>();
    all.visit::<backup::RestoredFile>();
    all.visit::<backup::RestoreApp>();
    all.visit::<backup::RestoredApp>();
    all.visit::<backup::RestoredFiles>();
    all.visit::<backup::BackupPlaces>();
    all.visit::<backup::StoredPeople>();
    all.visit::<backup::RestoreDatabase>();
    all.visit::<backup::RestoredDatabase>();
    all.visit::<backup::RestoreUser>();
    all.visit::<backup::RestoredUser>();
    all.visit::<setup::RestoreBox>();
    all.visit::<setup::RestoreBegun>();
    all.visit::<setup::RestoreStatus>();
    all.visit::<catalogue::RecipeInfo>();
    all.visit::<catalogue::CatalogueInfo>();
    all.visit::<services::LogOptions>();
    all.visit::<services::LogEntry>();
    all.visit::<services::JobEvent>();
    all.visit::<MetricsOptions>();
    all.visit::<grants::GrantInfo>();
    all.visit::<grants::GrantParams>();
    all.visit::<audit::AuditParams>();
    all.visit::<audit::AuditPage>();
    all.visit::<grants::PendingRequest>();
    all.visit::<grants::AnswerParams>();
    all.visit::<grants::ShareParams>();
    all.visit::<grants::ShareInfo>();
    all.visit::<grants::GroupInfo>();
    all.visit::<grants::GroupParams>();
    all.visit::<Series<ServiceSample>>();
    all.visit::<ServiceSample>();
    all.visit::<SystemSample>();
    all.visit::<PermissionRules>();
    all.visit::<sessions::Credentials>();
    all.visit::<sessions::UserSession>();
    all.visit::<sessions::SessionInfo>();
    all.visit::<setup::Status>();
    all.visit::<setup::SetupParams>();
    all.visit::<setup::ResetStatus>();
    all.visit::<setup::ResetPassword>();
    all.visit::<setup::RecoverPassword>();
    all.visit::<setup::Completed>();
    all.visit::<system::SystemInfo>();
    all.visit::<system::FactoryReset>();
    all.visit::<moving::MoveTargets>();
    all.visit::<moving::MoveData>();
    all.visit::<mail::MailChanges>();
    all.visit::<mail::MailStatus>();
    all.visit::<system::Resources>();
    all.visit::<system::Security>();
    all.visit::<users::User>();
    all.visit::<users::DeleteParams>();
    all.visit::<users::PasswordChange>();
    all.visit::<users::PasswordSet>();
    all.visit::<users::OpenKeys>();
    all.visit::<users::UserSettings>();
    let declared: Vec<String> = all.found.into_values().map(|(_, text)| text).collect();
    format!("{HEAD}\n{}", declared.join("\n"))
}

#[test]
fn the_types_of_the_browser_are_those_of_this_crate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/lib/api/types.ts");
    let made = declarations();
    if std::env::var_os("ATEK_WRITE_BROWSER_TYPES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == made,
        "{} is not what this crate says: make it again, see its head",
        path.display()
    );
}

#[test]
fn a_declaration_is_tidied_without_a_change_of_its_meaning() {
    let exported = "// generated\nimport type { B } from \"./B\";\n\n/**\n * A.\n *\n * More.\n */\n\
                    export type A = { \n/**\n * One, see [`B`].\n */\none?: B | null, \n/**\n * Two.\n */\n\
                    two: B | null, };\n";
    let tidied = "/**\n * A.\n *\n * More.\n */\nexport type A = {\n/** One, see `B`. */\none?: B,\n\
                  /** Two. */\ntwo: B | null, };\n";
    assert_eq!(tidy(exported), tidied);
}
