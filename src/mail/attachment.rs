//! What a mail carries besides its text: name, declared type, and what the first octets say.
//!
//! Names come from strangers: they are cleaned and bounded before they get here, and escaped wherever they are shown.
//! Not here: finding them in a stream (`structure`).

/// One attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Attachment {
    /// Its file name, decoded, cleaned and bounded; none if it has none.
    #[n(0)]
    pub name: Option<String>,
    /// The declared media type in lower case: `application/pdf`.
    #[n(1)]
    pub declared: String,
    /// The media type that its first octets show, when they show one.
    #[n(2)]
    pub found: Option<String>,
    /// Octets as encoded in the mail.
    #[n(3)]
    pub size: u64,
}

/// A media type and the other names that it goes by.
pub fn same_types(media: &str) -> impl Iterator<Item = &str> {
    let others = ALIASES.iter().filter(move |names| names.contains(&media));
    let others = others.copied().flatten().copied();
    std::iter::once(media).chain(others.filter(move |name| *name != media))
}

/// Names of one type: mail programs declare the old ones, and people write rules by either.
const ALIASES: &[&[&str]] = &[
    &[
        "application/vnd.microsoft.portable-executable",
        "application/x-msdownload",
        "application/x-msdos-program",
        "application/x-dosexec",
        "application/x-exe",
    ],
    &[
        "application/x-elf",
        "application/x-executable",
        "application/x-sharedlib",
    ],
    &[
        "application/zip",
        "application/x-zip-compressed",
        "application/x-zip",
    ],
    &[
        "application/vnd.rar",
        "application/x-rar-compressed",
        "application/x-rar",
    ],
    &["application/gzip", "application/x-gzip"],
    &[
        "application/x-iso9660-image",
        "application/x-cd-image",
        "application/vnd.efi.iso",
    ],
    &["application/x-tar", "application/tar"],
    &["application/vnd.ms-tnef", "application/ms-tnef"],
    &["application/pdf", "application/x-pdf"],
    &["application/rtf", "text/rtf"],
    &["application/java-archive", "application/x-java-archive"],
    &["image/jpeg", "image/jpg", "image/pjpeg"],
    &["image/png", "image/x-png"],
    &["text/x-script", "text/x-shellscript", "application/x-sh"],
];
