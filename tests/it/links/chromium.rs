//! A real browser: Debian's chromium, driven by its own driver on a port that the driver chooses.
//!
//! It is given nothing to do of its own (no sync, no updates, no background traffic) and a profile that is thrown away.
//! Screenshots are kept under `target/`, as output of the tests. Not here: what the pages must show (`browser`).

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;

/// How it looks at pages.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    pub lang: &'static str,
}

pub struct Chromium {
    pub client: Client,
    driver: Child,
    _profile: TempDir,
}

pub const PHONE: Look = Look {
    width: 320,
    height: 640,
    dark: false,
    lang: "de",
};

impl Chromium {
    pub async fn start(look: Look) -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; Debian's package is chromium-driver");
        let said = BufReader::new(driver.stdout.take().expect("its output"));
        let port: u16 = said
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("the driver's port");
        let profile = tempfile::tempdir().expect("a directory");
        let scheme = if look.dark { 0 } else { 1 };
        let args = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--ignore-certificate-errors".to_owned(),
            format!("--blink-settings=preferredColorScheme={scheme}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let metrics =
            json!({ "width": look.width, "height": look.height, "pixelRatio": 2.0, "touch": true });
        let options = json!({
            "args": args,
            "mobileEmulation": { "deviceMetrics": metrics },
            "prefs": {
                "intl.accept_languages": look.lang,
            },
        });
        let mut wanted = serde_json::Map::new();
        wanted.insert("goog:chromeOptions".to_owned(), options);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser");
        Self {
            client,
            driver,
            _profile: profile,
        }
    }

    /// Keeps what is seen now.
    pub async fn keep(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        let png = self.client.screenshot().await.expect("a screenshot");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("written");
    }

    /// The value of an expression in the page.
    pub async fn value(&self, expression: &str) -> serde_json::Value {
        let script = format!("return {expression};");
        self.client
            .execute(&script, Vec::new())
            .await
            .expect("a value")
    }

    pub async fn end(mut self) {
        drop(self.client.clone().close().await);
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
