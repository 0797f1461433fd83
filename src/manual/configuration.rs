//! # The configuration, and why it is read as it is
//!
//! **No serde for the file.** serde stops at the first mistake, and `deny_unknown_fields` too. Who repairs a file at
//! night wants all of them. The TOML parser gives a table with spans; `config::file` asks it for each key, notes what
//! is wrong with its place, and calls unknown what nobody asked for. The list of keys is the reading code itself, so
//! it cannot disagree with it; "did you mean", "move it to \[queue\]" and the known keys come from it. Price: about 300
//! lines that a derive would have written.
//!
//! **Loading is checking.** Secrets and PEM files are read, and the key is proven to belong to its certificate, while
//! the file is loaded. So `check`, `serve` and a reload find the same, and no listener starts with what it cannot use.
//! This is why `config::pem` lives on floor 2 and `certs` calls down to it.
//!
//! **Which mistakes are errors.** What can only be a slip, or would do harm that nobody sees: an unknown key, trust in
//! the whole world, a password that would go to a host that MX records choose, mail in a circle. What works but is
//! probably not meant is a warning: a public network in `trust`, a plain password in the file, a route that is never
//! reached, a certificate that ends soon.
//!
//! **A mistake shows no secret.** The line under a mistake shows only the value that it is about, and that only behind a
//! key that is asked for and holds none, nor one above it: beside a forgotten comma, bracket or quote nobody knows whose
//! the other values are. A text of several lines is not repeated, for the same reason. A list of words that look like a password missed `kennwort`,
//! `eab_hmac`, the inside of a text of several lines and a secret that was written in a key's place. So what stands behind
//! a key that nobody knows is `***`, and so is the key itself unless it looks like a slip: small letters, or near to one
//! of ours. Price: `trusst = ["***"]`.
//!
//! **The hook gets a clean environment.** Secrets are often in the server's environment (`env:NAME`), and a program that
//! writes TXT records has no business with them: it finds what every program needs, and `[acme] hook_env`.
//!
//! **`/metrics` wants a token on loopback too.** Every user of a machine, every container with its network and every page
//! in a browser there can connect to loopback. The control socket has a mode, and tells it freely.
//!
//! **Logins are remembered.** One argon2 costs 20 ms, and programs that log in for each mail exist. Right logins are
//! kept for minutes as a MAC over name, password *and verifier* under a key of the process: a changed account gives
//! another MAC, so there is nothing to invalidate. Wrong passwords always cost a whole argon2; so does an unknown name,
//! and so does a wrong password of an account with a plain one.
//!
//! **The self-signed certificate never expires.** Nobody verifies it by a root. A date would break only those who
//! pinned it, at a time nobody watches. It changes with the host name.
