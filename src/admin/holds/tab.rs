//! The tabs of the list: the three queues together and alone, the trash, and what is done with.
//!
//! A tab and a search become one query and the shelf that it is looked for on. A search that names a queue means that
//! one, and the list says so by its tab. Not here: the list (`list`).

use crate::mail::hold::HoldQueue;
use crate::queue::hold::Shelf;
use crate::queue::query::{Query, QueryError, Wrong};

/// One tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    /// Whatever is held.
    All,
    /// One queue.
    Queue(HoldQueue),
    /// Deleted, and still to be brought back.
    Trash,
    /// Ended in any other way.
    Done,
}

/// What a tab and a search mean together.
pub(super) struct Wanted {
    /// Where it is looked for: the search may have named another queue.
    pub(super) tab: Tab,
    pub(super) query: Query,
    pub(super) shelf: Shelf,
}

impl Tab {
    /// In the order of the page.
    pub(super) const ORDER: [Self; 6] = [
        Self::All,
        Self::Queue(HoldQueue::Bad),
        Self::Queue(HoldQueue::Quarantine),
        Self::Queue(HoldQueue::Defect),
        Self::Trash,
        Self::Done,
    ];

    /// As the address of the list spells it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Queue(queue) => queue.word(),
            Self::Trash => "trash",
            Self::Done => "done",
        }
    }

    /// What is no tab is all.
    pub(super) fn parse(word: &str) -> Self {
        let found = Self::ORDER.into_iter().find(|tab| tab.word() == word);
        found.unwrap_or(Self::All)
    }

    /// Its name in the texts.
    pub(super) fn key(self) -> String {
        match self {
            Self::All => "holds-all".to_owned(),
            Self::Queue(queue) => format!("queue-{queue}"),
            Self::Trash => "holds-trash".to_owned(),
            Self::Done => "holds-done".to_owned(),
        }
    }

    /// What it says of itself when there is nothing in it, and `-text`.
    pub(super) fn empty_key(self) -> String {
        match self {
            Self::All => "holds-empty".to_owned(),
            Self::Queue(queue) => format!("holds-empty-{queue}"),
            Self::Trash => "holds-empty-trash".to_owned(),
            Self::Done => "holds-empty-done".to_owned(),
        }
    }

    /// Whether what stands in it is still held.
    pub(super) fn is_open(self) -> bool {
        match self {
            Self::All | Self::Queue(_) => true,
            Self::Trash | Self::Done => false,
        }
    }

    /// What this tab and a search mean.
    pub(super) fn wanted(self, search: &str) -> Result<Wanted, QueryError> {
        let query = Query::search(search)?;
        let shelf = match self {
            Self::All | Self::Queue(_) => {
                let wanted = self.open(query);
                // What acts on all of it is sent as a text, which the tab has made longer.
                Query::parse(&wanted.query.to_string()).map_err(|error| QueryError {
                    column: search.chars().count().max(1),
                    wrong: error.wrong,
                })?;
                return Ok(wanted);
            }
            Self::Trash => Shelf::Trash,
            Self::Done => Shelf::Done,
        };
        if query.names_status() {
            let before = search.split("status:").next().unwrap_or_default();
            return Err(QueryError {
                column: before.chars().count() + 1,
                wrong: Wrong::Status,
            });
        }
        Ok(Wanted {
            tab: self,
            query,
            shelf,
        })
    }

    fn open(self, query: Query) -> Wanted {
        let own = match self {
            Self::Queue(queue) => Some(queue),
            Self::All | Self::Trash | Self::Done => None,
        };
        let tab = if query.names_queue() {
            query.hold().map_or(Self::All, Self::Queue)
        } else {
            self
        };
        let query = query.of_held(own);
        Wanted {
            tab,
            shelf: query.shelf(),
            query,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limit::QUERY_WORDS_MAX;

    #[test]
    fn a_search_that_names_a_queue_moves_to_its_tab() {
        for (tab, search, wanted, query) in [
            ("", "", "", "status:held"),
            ("quarantine", "", "quarantine", "queue:quarantine"),
            (
                "quarantine",
                "invoice",
                "quarantine",
                "text:invoice queue:quarantine",
            ),
            ("quarantine", "queue:bad", "bad", "queue:bad"),
            (
                "quarantine",
                "queue:bad,defect x",
                "",
                "queue:bad,defect text:x",
            ),
            (
                "quarantine",
                "-queue:bad",
                "quarantine",
                "-queue:bad queue:quarantine",
            ),
            ("trash", "queue:bad", "trash", "queue:bad"),
            ("done", "", "done", ""),
            ("nonsense", "", "", "status:held"),
        ] {
            let found = Tab::parse(tab).wanted(search).unwrap();
            let seen = (found.tab.word(), found.query.to_string());
            assert_eq!(seen, (wanted, query.to_owned()), "case: {tab} {search}");
        }
        let fifty = vec!["x"; QUERY_WORDS_MAX].join(" ");
        let error = Tab::All.wanted(&fifty).map(drop).unwrap_err();
        assert_eq!(error.wrong, Wrong::Many, "no button that is refused later");
        let error = Tab::Trash.wanted("ä status:held").map(drop).unwrap_err();
        assert_eq!((error.column, error.wrong), (3, Wrong::Status));
    }
}
