//! `atek uninstall`.

use crate::ask;
use crate::cli::apps::Uninstall;
use crate::error::Failure;
use crate::host::Host;

const ACTION: &str = "uninstall";

pub(super) async fn run(host: &Host, args: &Uninstall) -> Result<(), Failure> {
    let id = &args.id;
    if !args.yes {
        // A typo must not lead to a question about something that does not exist.
        host.service(ACTION, id).await?;
    }
    let question = if args.keep_data {
        format!("Uninstall {id}, and keep its data?")
    } else {
        format!("Uninstall {id}, and delete its data?")
    };
    ask::confirm_or_flag(args.yes, &question).await?;
    // The second parameter is sent only when it says something.
    let answer = if args.keep_data {
        host.on_service(ACTION, (id, true), ACTION, id).await?
    } else {
        host.on_service(ACTION, (id,), ACTION, id).await?
    };
    if host.out.json {
        host.out.print_json(&answer)
    } else {
        host.out.done(&format!("uninstalled {id}"))
    }
}
