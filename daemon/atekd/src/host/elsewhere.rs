//! A host whose data are on their way to another disk, or on one that is not there: it serves one
//! page about that, and nothing else. So no box is claimed again because its disk was pulled out.

use super::plain_page::{self, Page, document, escaped};
use super::{keep_watchdog_quiet, sockets::ListenSockets};
use crate::attach::Notify;
use crate::error_chain::DisplayChain;
use crate::moving::{self, Now};
use crate::systemd::{Bus, Power};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why `/var` is only in memory: one line, of atek-init.
const PROBLEM: &str = "/run/atek-init/data-problem";
/// What udev leaves when the disk with the data comes after all.
const CAME: &str = "/run/atek-init/data-came";
/// The pauses between two looks, and between two attempts to restart the machine.
const LOOK: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(10);

/// Why the data of the box cannot be used, if that is so.
pub(super) fn problem() -> Option<String> {
    let text = std::fs::read_to_string(PROBLEM).ok()?;
    Some(text.trim().to_owned())
}

/// Says so until `stop`. When the disk comes, the machine starts again.
pub(super) async fn explain(sockets: ListenSockets, problem: &str, stop: CancellationToken) {
    let page = page_of_problem(problem);
    let page: Page = Arc::new(move || page.clone());
    let tell = format!("READY=1\nSTATUS=The data cannot be used: {problem}");
    // One that is there at once was there before, and did not help.
    let was_there = Path::new(CAME).exists();
    let comes = async {
        while was_there || !Path::new(CAME).exists() {
            tokio::time::sleep(LOOK).await;
        }
        tracing::info!("the disk with the data is there: the machine starts again");
        restart().await;
    };
    serve_while(sockets, page, 60, &tell, comes, stop).await;
}

/// Shows how far a move is. Returns when it was given up, so that the host starts as ever; when it
/// was decided, the machine starts again.
pub(super) async fn accompany(sockets: ListenSockets, state: &Path, stop: CancellationToken) {
    let about = state.to_owned();
    let page: Page = Arc::new(move || match moving::now(&about) {
        Now::Wait(progress) => page_of_move(&moving::in_words(progress)),
        Now::GoOn | Now::Restart => page_of_move("The box starts again."),
    });
    let ends = async {
        loop {
            match moving::now(state) {
                Now::GoOn => return,
                Now::Restart => restart().await,
                Now::Wait(_) => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let tell = "READY=1\nSTATUS=The box moves its data";
    serve_while(sockets, page, 5, tell, ends, stop).await;
}

async fn serve_while(
    sockets: ListenSockets,
    page: Page,
    again: u32,
    tell: &str,
    work: impl Future<Output = ()>,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let end = stop.child_token();
    plain_page::serve(sockets.public, page, again, &tasks, &end);
    tasks.spawn(keep_watchdog_quiet(end.clone()));
    let notify = Notify::from_env();
    notify.tell(tell);
    end.run_until_cancelled(work).await;
    notify.tell("STOPPING=1");
    end.cancel();
    tasks.close();
    tasks.wait().await;
}

/// Restarts the machine, however often that has to be asked for. Does not return.
async fn restart() {
    let power = Power::new(Bus::system());
    loop {
        if let Err(error) = power.reboot().await {
            tracing::error!(error = %DisplayChain(&error), "cannot restart the machine");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn page_of_problem(problem: &str) -> String {
    let body = format!(
        "<h1>This box cannot reach its data</h1><p>{}</p>\
         <p>Nothing is lost by that, and nothing can be changed until then. If the data are on a disk that is not \
         plugged in, plug it in: the box starts again by itself. Else turn the box off and on again. When the disk is \
         broken, write a new card and restore the backup on it.</p>",
        escaped(problem)
    );
    document("This box cannot reach its data", &body)
}

fn page_of_move(progress: &str) -> String {
    let body = format!(
        "<h1>The box moves its data</h1><p>{}</p>\
         <p>The box serves nothing else until it is done. A power cut does no harm: it begins again then. Pull the disk out, and \
         the box goes on as before.</p>",
        escaped(progress)
    );
    document("The box moves its data", &body)
}
