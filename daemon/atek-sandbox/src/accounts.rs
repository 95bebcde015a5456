//! The accounts that the programs of a service look up: `passwd` and `group`.
//!
//! Programs look up their own user in these files (`os.userInfo()`); what the system's files say of
//! people is not shown to them. The user is called `app`, or what the program's container image
//! calls it. Which number it has is known only in the unit, so the files are written here: they are
//! there, empty or of a start before, and the service's group may change them until
//! [`crate::landlock`] takes that away. Where they are mounted, at `/etc`, they are read-only.

use anyhow::Context as _;
use atek_api::spec::paths;
use nix::unistd::{getegid, geteuid};
use std::fs;
use std::path::Path;

/// The service's user and group, as its programs see them where no image names them.
const NAME: &str = "app";

/// Writes both for this process's user, with `home` as its home.
pub(crate) fn write(name: Option<&str>, home: &Path) -> anyhow::Result<()> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    for (file, content) in files(name.unwrap_or(NAME), uid, gid, home) {
        let path = Path::new(paths::ACCOUNTS).join(file);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The content of `passwd` and `group`.
fn files(name: &str, uid: u32, gid: u32, home: &Path) -> [(&'static str, String); 2] {
    let home = home.display();
    [
        (
            "passwd",
            format!(
                "root:x:0:0::/:/usr/sbin/nologin\n{name}:x:{uid}:{gid}::{home}:/usr/sbin/nologin\n"
            ),
        ),
        ("group", format!("root:x:0:\n{name}:x:{gid}:\n")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_finds_its_own_user_and_root_and_no_person() {
        let [(_, passwd), (_, group)] = files(NAME, 61_184, 963, Path::new("/var/lib/atek-app-k1"));
        assert_eq!(
            passwd,
            "root:x:0:0::/:/usr/sbin/nologin\n\
             app:x:61184:963::/var/lib/atek-app-k1:/usr/sbin/nologin\n"
        );
        assert_eq!(group, "root:x:0:\napp:x:963:\n");
    }
}
