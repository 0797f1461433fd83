//! What both sides agree on before the first mail: version, changes, and which steps a filter wants to see.
//!
//! We offer version 6 and everything in it but what a recorded mail cannot do: refused recipients are not shown again,
//! and packets stay at 64 KiB. A filter may leave out and ask for less, never for more.

use super::macros::Stage;
use super::packet::{Line, Parts, command};
use crate::scan::Trouble;

/// What a filter may change (`SMFIF_*`).
pub(super) mod action {
    pub(in super::super) const ADD_FIELDS: u32 = 0x1;
    pub(in super::super) const NEW_BODY: u32 = 0x2;
    pub(in super::super) const ADD_RCPT: u32 = 0x4;
    pub(in super::super) const DEL_RCPT: u32 = 0x8;
    pub(in super::super) const CHANGE_FIELDS: u32 = 0x10;
    pub(in super::super) const QUARANTINE: u32 = 0x20;
    pub(in super::super) const NEW_FROM: u32 = 0x40;
    pub(in super::super) const ADD_RCPT_PAR: u32 = 0x80;
    pub(in super::super) const MACROS: u32 = 0x100;
}

/// What a filter does not want to see, or not to answer (`SMFIP_*`).
pub(super) mod step {
    pub(in super::super) const NO_CONNECT: u32 = 0x1;
    pub(in super::super) const NO_HELO: u32 = 0x2;
    pub(in super::super) const NO_MAIL: u32 = 0x4;
    pub(in super::super) const NO_RCPT: u32 = 0x8;
    pub(in super::super) const NO_BODY: u32 = 0x10;
    pub(in super::super) const NO_HEADERS: u32 = 0x20;
    pub(in super::super) const NO_EOH: u32 = 0x40;
    pub(in super::super) const NR_HEADERS: u32 = 0x80;
    pub(in super::super) const NO_UNKNOWN: u32 = 0x100;
    pub(in super::super) const NO_DATA: u32 = 0x200;
    pub(in super::super) const SKIP: u32 = 0x400;
    pub(in super::super) const NR_CONNECT: u32 = 0x1000;
    pub(in super::super) const NR_HELO: u32 = 0x2000;
    pub(in super::super) const NR_MAIL: u32 = 0x4000;
    pub(in super::super) const NR_RCPT: u32 = 0x8000;
    pub(in super::super) const NR_DATA: u32 = 0x1_0000;
    pub(in super::super) const NR_UNKNOWN: u32 = 0x2_0000;
    pub(in super::super) const NR_EOH: u32 = 0x4_0000;
    pub(in super::super) const NR_BODY: u32 = 0x8_0000;
    pub(in super::super) const LEADING_SPACE: u32 = 0x10_0000;
}

const VERSION: u32 = 6;
const ACTIONS: u32 = action::ADD_FIELDS
    | action::NEW_BODY
    | action::ADD_RCPT
    | action::DEL_RCPT
    | action::CHANGE_FIELDS
    | action::QUARANTINE
    | action::NEW_FROM
    | action::ADD_RCPT_PAR
    | action::MACROS;
const STEPS: u32 = step::NO_CONNECT
    | step::NO_HELO
    | step::NO_MAIL
    | step::NO_RCPT
    | step::NO_BODY
    | step::NO_HEADERS
    | step::NO_EOH
    | step::NR_HEADERS
    | step::NO_UNKNOWN
    | step::NO_DATA
    | step::SKIP
    | step::NR_CONNECT
    | step::NR_HELO
    | step::NR_MAIL
    | step::NR_RCPT
    | step::NR_DATA
    | step::NR_UNKNOWN
    | step::NR_EOH
    | step::NR_BODY
    | step::LEADING_SPACE;

/// What was agreed on.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub(super) version: u32,
    actions: u32,
    steps: u32,
    /// Names of macros that it asks for, by stage.
    macros: Vec<(Stage, Vec<String>)>,
}

impl Terms {
    /// Offers everything and reads what the filter takes of it.
    pub(super) async fn agree(line: &mut Line) -> Result<Self, Trouble> {
        let numbers = [VERSION, ACTIONS, STEPS].map(u32::to_be_bytes);
        line.put(command::NEGOTIATE, &[&numbers.concat()]).await?;
        let answer = line.next().await?;
        if answer.code != command::NEGOTIATE {
            return Err(line.unexpected(&answer));
        }
        Self::read(&answer.text).map_err(|words| line.garbage(&words))
    }

    fn read(text: &[u8]) -> Result<Self, String> {
        let mut parts = Parts(text);
        let mut number = || parts.number().ok_or("the packet is too short");
        let (version, actions, steps) = (number()?, number()?, number()?);
        if !(2..=VERSION).contains(&version) {
            return Err(format!(
                "version {version} of the protocol; 2 to 6 can be spoken"
            ));
        }
        if actions & !ACTIONS != 0 || steps & !STEPS != 0 {
            let (actions, steps) = (actions & !ACTIONS, steps & !STEPS);
            return Err(format!(
                "it asks for what was not offered ({actions:#x}, {steps:#x})"
            ));
        }
        let mut macros = Vec::new();
        while !parts.is_empty() {
            let (stage, names) = (parts.number(), parts.text());
            let (Some(stage), Some(names)) = (stage.and_then(Stage::of), names) else {
                return Err("a list of macros that cannot be read".to_owned());
            };
            let names = String::from_utf8_lossy(names);
            let names = names
                .split([' ', ',', '\t'])
                .filter(|name| !name.is_empty());
            macros.push((stage, names.map(str::to_owned).collect()));
        }
        Ok(Self {
            version,
            actions,
            steps,
            macros,
        })
    }

    /// Everything that is offered.
    #[cfg(test)]
    pub(super) fn of_all() -> Self {
        Self {
            version: VERSION,
            actions: ACTIONS,
            steps: 0,
            macros: Vec::new(),
        }
    }

    /// Whether it said that it would do so.
    pub(super) fn may(&self, action: u32) -> bool {
        self.actions & action != 0
    }

    /// Whether this bit was agreed on.
    pub(super) fn has(&self, step: u32) -> bool {
        self.steps & step != 0
    }

    /// What it asks for at a stage; none: what everybody gets.
    pub(super) fn macros(&self, stage: Stage) -> Option<&[String]> {
        let found = self.macros.iter().find(|(of, _)| *of == stage);
        found.map(|(_, names)| names.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: u32, actions: u32, steps: u32, rest: &[u8]) -> Vec<u8> {
        let mut text = [version, actions, steps].map(u32::to_be_bytes).concat();
        text.extend_from_slice(rest);
        text
    }

    #[test]
    fn a_filter_may_ask_for_less_and_never_for_more() {
        assert!(Terms::read(&answer(6, ACTIONS, STEPS, b"")).is_ok());
        assert!(Terms::read(&answer(2, 0, 0, b"")).is_ok());
        for (name, text) in [
            ("version 1", answer(1, 0, 0, b"")),
            ("version 7", answer(7, 0, 0, b"")),
            ("an action of the future", answer(6, 0x200, 0, b"")),
            ("refused recipients", answer(6, 0, 0x800, b"")),
            ("large packets", answer(6, 0, 0x1000_0000, b"")),
            ("half a number", vec![0; 11]),
            ("nothing", Vec::new()),
            ("a stage of the future", answer(6, 0, 0, b"\0\0\0\x09i\0")),
            ("names without an end", answer(6, 0, 0, b"\0\0\0\x02i")),
        ] {
            assert!(Terms::read(&text).is_err(), "case: {name}");
        }
    }

    #[test]
    fn macros_are_listed_by_stage() {
        let text = answer(6, 0x100, 0, b"\0\0\0\x02i, {auth_type}\0\0\0\0\x05\0");
        let terms = Terms::read(&text).unwrap();
        let asked = terms.macros(Stage::Mail).unwrap();
        assert_eq!(asked, ["i", "{auth_type}"]);
        assert_eq!(terms.macros(Stage::End), Some(&[][..]));
        assert_eq!(terms.macros(Stage::Rcpt), None);
    }
}
