//! `[attachments]`: which files no mail may carry, however they are packed.
//!
//! The list that counts when none is written is what large mailbox providers refuse: programs and what starts them.
//! Not here: looking for them (`mail::archive`), and what becomes of such a mail (`policy`).

use std::sync::Arc;

use super::Role;
use super::file::{Fault, Section, Value};
use super::kind::{choice, flag, list};
use super::rule::{glob, media_type};
use super::section::ROLES;
use super::value::parsed;
use crate::mail::archive::Rules;

/// `[attachments]`
#[derive(Clone, Debug)]
pub struct AttachmentsConf {
    /// What is blocked, and whether archives are looked into.
    pub rules: Arc<Rules>,
    /// Hold what only a password opens.
    pub hold_encrypted: bool,
    /// Hold archives that cannot be read to their end.
    pub hold_damaged: bool,
    /// Mail that came in by listeners of these roles.
    pub listeners: Vec<Role>,
}

impl Default for AttachmentsConf {
    fn default() -> Self {
        Self {
            rules: Arc::new(Rules::new(BLOCK.iter().copied(), true)),
            hold_encrypted: true,
            hold_damaged: true,
            // What our own people and programs send is theirs; strangers are many.
            listeners: vec![Role::Mx],
        }
    }
}

/// `[attachments]`
pub(super) fn attachments(at: &Section<'_, '_>) -> AttachmentsConf {
    let other = AttachmentsConf::default();
    let words = &[("hold", true), ("accept", false)];
    let block = at.get("block", list(parsed("pattern", pattern)));
    for pattern in block.iter().flatten() {
        check(at, pattern);
    }
    let archives = at.get("archives", flag);
    let encrypted = at.get("encrypted", choice(words));
    let damaged = at.get("damaged", choice(words));
    let listeners = at.get("listeners", list(|value: &Value<'_>| choice(ROLES)(value)));
    if listeners.as_ref().is_some_and(Vec::is_empty) {
        let remedy = "write [\"mx\"], or leave \"attachments\" out of [checks] order";
        at.fault("listeners", Fault::new("then no mail is looked at", remedy));
    }
    at.finish();
    if archives == Some(false) {
        for (name, written) in [("encrypted", encrypted), ("damaged", damaged)] {
            if written == Some(true) {
                let fault = Fault::new("it is not used for archives", "write archives = true too");
                at.warn(name, fault);
            }
        }
    }
    let block = block.unwrap_or_else(|| vec![DEFAULT.to_owned()]);
    let block = block.iter().flat_map(|one| match one.as_str() {
        DEFAULT => BLOCK.to_vec(),
        one => vec![one],
    });
    AttachmentsConf {
        rules: Arc::new(Rules::new(block, archives.unwrap_or(true))),
        hold_encrypted: encrypted.unwrap_or(other.hold_encrypted),
        hold_damaged: damaged.unwrap_or(other.hold_damaged),
        listeners: listeners.unwrap_or(other.listeners),
    }
}

fn pattern(text: &str) -> Result<String, String> {
    if text.contains('/') {
        media_type(text).map(|glob| glob.0)
    } else {
        glob(text).map(|glob| glob.0)
    }
}

/// What was hardly meant.
fn check(at: &Section<'_, '_>, pattern: &str) {
    if ["*", "*/*", "*.*"].contains(&pattern) {
        let fault = Fault::new(
            format!("\"{pattern}\" blocks every mail that has any attachment"),
            "write kinds of files, such as \"*.exe\"",
        );
        at.warn("block", fault);
    } else if !pattern.contains(['*', '/']) && pattern != DEFAULT {
        let ending = pattern.rsplit('.').next().unwrap_or(pattern);
        let fault = Fault::new(
            format!("only a file that is called \"{pattern}\" and nothing else fits"),
            format!("write \"*.{ending}\" for all of that kind"),
        );
        at.warn("block", fault);
    }
}

/// Stands for `BLOCK` in a list.
const DEFAULT: &str = "default";

/// Programs and what starts them, as Gmail, Outlook and others refuse them; disk images, because mail clients' marks of
/// origin get lost in them.
const BLOCK: &[&str] = &[
    "*.ade",
    "*.adp",
    "*.apk",
    "*.appx",
    "*.appxbundle",
    "*.bat",
    "*.chm",
    "*.cmd",
    "*.com",
    "*.cpl",
    "*.dll",
    "*.exe",
    "*.hta",
    "*.img",
    "*.ins",
    "*.iso",
    "*.isp",
    "*.jar",
    "*.jnlp",
    "*.js",
    "*.jse",
    "*.lnk",
    "*.mde",
    "*.msc",
    "*.msi",
    "*.msix",
    "*.msp",
    "*.mst",
    "*.pif",
    "*.ps1",
    "*.reg",
    "*.scf",
    "*.scr",
    "*.sct",
    "*.shb",
    "*.sys",
    "*.url",
    "*.vb",
    "*.vbe",
    "*.vbs",
    "*.vhd",
    "*.vhdx",
    "*.vxd",
    "*.wsc",
    "*.wsf",
    "*.wsh",
    "*.xll",
    "application/x-dosexec",
    "application/x-elf",
    "application/x-iso9660-image",
    "application/x-mach-binary",
    "application/x-ms-shortcut",
    "application/x-vhd",
    "application/x-vhdx",
];
