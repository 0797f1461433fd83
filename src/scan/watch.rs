//! Asks scanners that put mails off whether they answer again, and closes connections that nobody needs.
//!
//! While such a scanner fails, `/readyz` says that the server is not ready, and who heeds it sends no mail: without this
//! nobody would ever ask the scanner again. Those that hold are asked where their mails are requeued (`judge`), and past
//! those that let mails through the mails keep coming. Not here: when a mail may try (`breaker`).

use super::Scanners;
use crate::base::clock::Clock;
use crate::base::limit::{SCAN_ASK_TIMEOUT, SCAN_WATCH};
use crate::base::shutdown::Shutdown;
use crate::config::{OnFailure, ScannerConf};

/// Until the signal to stop.
pub async fn run(scanners: Scanners, clock: Clock, shutdown: Shutdown) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.wait() => return,
            () = clock.sleep(SCAN_WATCH) => {}
        }
        scanners.sweep();
        for stand in scanners.stands() {
            let puts_off = stand.conf.on_failure == OnFailure::Defer;
            if puts_off && stand.health.failure.is_some() {
                let conf = ScannerConf {
                    timeout: stand.conf.timeout.min(SCAN_ASK_TIMEOUT),
                    ..stand.conf
                };
                tokio::select! {
                    biased;
                    () = shutdown.wait() => return,
                    // What it says is noted with its health.
                    said = scanners.ping(&conf) => drop(said),
                }
            }
        }
    }
}
