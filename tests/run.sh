#!/usr/bin/env bash
# Everything that proves the product, on a fresh Debian: installs what the tests need, builds, and runs all parts.
#
#   tests/run.sh [--long] [--list] [PART...]
#
# Needs before: Rust 1.95, a C compiler, and root for the packages and for Postfix as a peer. Without root it lists the
# packages that are missing and exits 2. No service of the machine starts or changes; peers run from target/peers on
# free high ports and are stopped by their process id. A failing part does not stop the others; the exit status is 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly PARTS=(
    build cargo crashes browser robots demo mime_readers circle scan_circle digest_mail dsn_mail bulk clients operate
    postfix_hop postfix_client kill undo_kill faults probes powercut
    pebble
    rspamd
    clamd
    milters
    testssl
)
readonly LONG_PARTS=(kill_long benches_long)
export CARGO_TERM_COLOR=never
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
readonly PEERS="$CARGO_TARGET_DIR/peers"
readonly LOGS="$PEERS/logs"
readonly POLICY=/usr/sbin/policy-rc.d

long=no
chosen=()
for word in "$@"; do
    case "$word" in
        --long) long=yes ;;
        --list) printf '%s\n' "${PARTS[@]}" "${LONG_PARTS[@]}"; exit 0 ;;
        -*) sed -n '2,9p' "$0" >&2; exit 2 ;;
        *) chosen+=("$word") ;;
    esac
done
if [ ${#chosen[@]} -eq 0 ]; then
    chosen=("${PARTS[@]}")
    if [ "$long" = yes ]; then chosen+=("${LONG_PARTS[@]}"); fi
fi
mkdir -p "$LOGS"

# ---------------------------------------------------------------------------------------------------- packages

# One package a line for what is missing: what the peers are, and what an unpacked Postfix links against.
missing_packages() {
    local pair
    for pair in swaks:swaks curl:curl node:nodejs python3:python3 openssl:openssl ps:procps \
        mkfs.xfs:xfsprogs xfs_io:xfsprogs strace:strace mount:mount \
        pebble:pebble \
        rspamd:rspamd \
        opendkim:opendkim \
        clamd:clamav-daemon \
        testssl:testssl.sh \
        chromium:chromium chromedriver:chromium-driver; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%:*}" ] || echo "${pair##*:}"
    done
    # Those belong to Debian's Python, whichever one comes first on this machine.
    /usr/bin/python3 -c 'import Milter' 2>/dev/null || echo python3-milter
    /usr/bin/python3 -c 'import dkim' 2>/dev/null || echo python3-dkim
    perl -MNet::SSLeay -e 1 2>/dev/null || echo libnet-ssleay-perl
    [ -d /usr/share/nodejs/nodemailer ] || echo node-nodemailer
    local smtpd="$PEERS/root/usr/lib/postfix/sbin/smtpd"
    if [ ! -x "$smtpd" ] || LD_LIBRARY_PATH="$PEERS/root/usr/lib/postfix" ldd "$smtpd" | grep -q 'not found'; then
        echo postfix
    fi
}

policy_saved=
policy_placed=no
restore_policy() {
    [ "$policy_placed" = yes ] || return 0
    rm -f "$POLICY"
    if [ -n "$policy_saved" ]; then mv "$policy_saved" "$POLICY"; fi
    policy_placed=no
}
trap restore_policy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Packages may want to start their services: this answers "not now" for as long as we install.
place_policy() {
    if [ -e "$POLICY" ]; then
        policy_saved="$POLICY.before-postwerk"
        mv "$POLICY" "$policy_saved"
    fi
    policy_placed=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

install_packages() {
    local missing=() plain=() package
    mapfile -t missing < <(missing_packages | sort -u)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "tests/run.sh: these Debian packages are missing, and only root can install them:" >&2
        printf '  %s\n' "${missing[@]}" >&2
        exit 2
    fi
    for package in "${missing[@]}"; do
        if [ "$package" != postfix ]; then plain+=("$package"); fi
    done
    export DEBIAN_FRONTEND=noninteractive
    echo "installing: ${missing[*]}"
    place_policy
    timeout 300 apt-get -qq update
    if [ ${#missing[@]} -ne ${#plain[@]} ]; then
        # An installed Postfix would conflict with the machine's mail server, so it is only unpacked.
        mapfile -t -O ${#plain[@]} plain < <(apt-cache depends postfix | sed -n 's/^  Depends: \(lib[^ <]*\)$/\1/p')
        rm -rf "$PEERS/deb" "$PEERS/root"
        mkdir -p "$PEERS/deb" "$PEERS/root"
        (cd "$PEERS/deb" && timeout 300 apt-get -qq -o APT::Sandbox::User=root download postfix)
        dpkg -x "$PEERS"/deb/postfix_*.deb "$PEERS/root"
    fi
    # What is here stays as it is.
    timeout 600 apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 install --no-install-recommends --no-upgrade -y "${plain[@]}"
    restore_policy
    mapfile -t missing < <(missing_packages | sort -u)
    if [ ${#missing[@]} -gt 0 ]; then
        echo "tests/run.sh: still missing after the installation: ${missing[*]}" >&2
        exit 2
    fi
}

# ------------------------------------------------------------------------------------------------------- parts

peer_tests() { (cd tests/peers && timeout "$1" python3 -B -m unittest -v "$2"); }

part_build() { timeout 1500 cargo build --release --locked; }
part_cargo() { timeout 1500 cargo test --locked; }
# The same suite as in `cargo test`, ten times as many seeds.
part_crashes() { POSTWERK_CRASH_SEEDS=10000 timeout 900 cargo test --locked --lib -- store::redb::crash; }
# A real browser at the pages of links, and programs that open, follow and submit everything before a person does.
part_browser() { timeout 900 cargo test --locked --test it -- --ignored --test-threads 1 links::browser; }
part_robots() { timeout 900 cargo test --locked --test it -- --ignored --test-threads 1 links::robots; }
part_demo() { peer_tests 300 demo; }
part_mime_readers() { peer_tests 60 mime_readers; }
part_circle() { peer_tests 200 circle; }
part_scan_circle() { peer_tests 400 scan_circle; }
part_digest_mail() { peer_tests 200 digest_mail; }
# Programs that read bounces find recipient and status in ours.
part_dsn_mail() { peer_tests 60 dsn_mail; }
part_clients() { peer_tests 300 clients; }
part_rspamd() { peer_tests 300 rspamd; }
part_clamd() { peer_tests 600 clamd; }
part_milters() { peer_tests 500 milters; }
part_operate() { peer_tests 300 operate; }
part_faults() { peer_tests 500 faults; }
part_postfix_hop() { peer_tests 600 postfix_hop; }
part_postfix_client() { peer_tests 300 postfix_client; }
part_kill() { peer_tests 300 kill; }
part_undo_kill() { peer_tests 300 undo_kill; }
part_bulk() { peer_tests 300 bulk; }
part_probes() { peer_tests 900 probes; }
part_testssl() { peer_tests 600 testssl; }
part_powercut() { peer_tests 400 powercut; }
# Debian's ACME directory issues for a running server.
part_pebble() { peer_tests 400 pebble; }
part_kill_long() { POSTWERK_ROUNDS=50 peer_tests 3600 kill; }
part_benches_long() { timeout 7200 python3 -B benches/end_to_end.py --long; }

# What a part's log says about how many tests passed: cargo's and unittest's words.
count_tests() {
    awk '/^test result: /{n += $4} /^Ran [0-9]+ tests? in /{n += $2} END {print n + 0}' "$1"
}

install_packages
failed=()
total=0
started=$SECONDS
for part in "${chosen[@]}"; do
    if ! declare -F "part_$part" >/dev/null; then
        echo "tests/run.sh: no part '$part'; --list shows them" >&2
        exit 2
    fi
    before=$SECONDS
    log="$LOGS/$part.log"
    # In a subshell of its own, so that `set -e` holds inside the part and its failure is ours to judge.
    set +e
    (set -e; "part_$part") >"$log" 2>&1 </dev/null
    status=$?
    set -e
    ran=$(count_tests "$log")
    total=$((total + ran))
    if [ "$status" -eq 0 ]; then
        printf '%-16s ok      %4d s  %5d tests  %s\n' "$part" $((SECONDS - before)) "$ran" "$(grep -c '\.\.\. skipped' "$log" | sed 's/^0$//; s/..*/& skipped/')"
    else
        failed+=("$part")
        printf '%-16s FAILED  %4d s  (status %d), the end of %s:\n' "$part" $((SECONDS - before)) "$status" "$log"
        tail -n 60 "$log" | sed 's/^/    | /'
    fi
    # Nothing below makes sense without the program.
    if [ "$part" = build ] && [ "$status" -ne 0 ]; then break; fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "test result: FAILED. parts: ${failed[*]}; $total tests ran in $((SECONDS - started)) s"
    exit 1
fi
echo "test result: ok. $total passed; 0 failed; ${#chosen[@]} parts in $((SECONDS - started)) s"
