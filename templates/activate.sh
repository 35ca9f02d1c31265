# A change of configuration files as a transaction, for any service: lock, stage, check, keep,
# swap, reload, prove; or put back. A service's own script, behind this one, defines `check`,
# `reload_service`, `prove` and `prove_old`, and calls `stage` and `activate`.
#
# Beside a file NAME there may be:
#   .NAME.smtp-auth-new~       the new version, until it is swapped in
#   .NAME.smtp-auth-old-SHA~   the version before, until the one with digest SHA is proved
#   .NAME.smtp-auth-none-SHA~  the same, where there was no file
#   NAME.previous~             the version before the last change that was proved
# The "~" at the end keeps certbot from running them and Dovecot from reading them.
set -u
umask 022
export LC_ALL=C PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"
newline='
'
stage_directory=/run/smtp-auth-stage
holder=/run/smtp-auth-holder
staged=
managed=

# A lost connection must not stop a change halfway.
trap '' HUP PIPE

say() { printf '%s\n' "$*" >&2 || :; }

fail() {
    discard
    say "$*"
    exit 1
}

discard() {
    each_staged remove_new
    rm -rf -- "$stage_directory"
    rm -f -- "$holder"
}

remove_new() { rm -f -- "$(beside "$1" new)"; }

# The lock is on a directory that is always there: nothing to clean up, and a crash releases it.
lock() {
    exec 9<"$1" || fail "cannot open $1"
    if ! flock -n 9; then
        say "another deploy is at work on this host: $(cat "$holder" 2>/dev/null)"
        say "nothing was changed; run again when it has ended"
        exit 1
    fi
    printf 'process %s, from %s, since %s\n' "$$" "${SSH_CONNECTION%% *}" "$(date)" >"$holder"
}

beside() { printf '%s/.%s.smtp-auth-%s~' "${1%/*}" "${1##*/}" "$2"; }

digest() {
    [ -e "$1" ] || return 0
    # shellcheck disable=SC2046
    set -- $(sha256sum <"$1")
    printf '%s' "$1"
}

each_staged() { each "$staged" "$1"; }

each() {
    rest=$1
    while [ -n "$rest" ]; do
        "$2" "${rest%%"$newline"*}"
        rest=${rest#*"$newline"}
    done
}

# manage PATH: PATH belongs to this service; what a run that died left beside it is sorted out.
manage() {
    managed="$managed$1$newline"
    rm -f -- "$(beside "$1" new)"
    current=$(digest "$1")
    for kept in "${1%/*}/.${1##*/}.smtp-auth-"old-*~ "${1%/*}/.${1##*/}.smtp-auth-"none-*~; do
        [ -e "$kept" ] || continue
        case $kept in
        *"-$current~") ;;
        *-none-*) rm -f -- "$kept" ;;
        *) if [ "$kept" -ef "$1" ]; then rm -f -- "$kept"; else mv -fT -- "$kept" "$1.previous~"; fi ;;
        esac
    done
}

# What is to be put back at PATH if the version there does not prove itself; empty where nothing is.
kept_for() {
    for kept in "${1%/*}/.${1##*/}.smtp-auth-"old-*~ "${1%/*}/.${1##*/}.smtp-auth-"none-*~; do
        [ ! -e "$kept" ] || printf '%s' "$kept"
    done
}

# stage PATH SEEN DIGEST MODE: standard input, in base64, becomes PATH's new version. SEEN is the
# digest of what the plan saw there (empty: no file), DIGEST that of the new version; MODE is empty
# where the file keeps its own.
stage() {
    [ "$(digest "$1")" = "$2" ] ||
        fail "$1 was changed since the plan: nothing was done to it; run again to take that into account"
    new=$(beside "$1" new)
    if [ -e "$1" ]; then
        cp -a -- "$1" "$new" || fail "cannot write beside $1: nothing was changed"
    fi
    base64 -d >"$new" || { rm -f -- "$new"; fail "cannot write beside $1: nothing was changed"; }
    [ -z "$4" ] || chmod "$4" "$new"
    [ "$(digest "$new")" = "$3" ] || { rm -f -- "$new"; fail "$1 arrived incomplete: nothing was changed"; }
    # Postfix's programs wait until main.cf is two seconds old before they trust it. This one is whole
    # from the start, since it is renamed into place.
    touch -d '3 seconds ago' -- "$new"
    sync -- "$new"
    staged="$staged$1$newline"
}

# The version of PATH that is about to be: staged, or as it is.
coming() {
    new=$(beside "$1" new)
    if [ -e "$new" ]; then printf '%s' "$new"; else printf '%s' "$1"; fi
}

keep() {
    new_digest=$(digest "$(beside "$1" new)")
    old=$(beside "$1" "old-$new_digest")
    kept=$(kept_for "$1")
    if [ -n "$kept" ]; then
        case $kept in *-none-*) old=$(beside "$1" "none-$new_digest") ;; esac
        mv -fT -- "$kept" "$old"
    elif [ -e "$1" ]; then
        ln -T -- "$1" "$old"
    else
        : >"$(beside "$1" "none-$new_digest")"
    fi || {
        each_staged unkeep
        fail "cannot keep the present version of $1 (is it immutable?): nothing was changed"
    }
}

unkeep() {
    kept=$(kept_for "$1")
    case $kept in
    '') ;;
    *-none-*) rm -f -- "$kept" ;;
    *) [ ! "$kept" -ef "$1" ] || rm -f -- "$kept" ;;
    esac
}

swap() {
    mv -fT -- "$(beside "$1" new)" "$1" && sync -- "${1%/*}" || swap_failed=$1
}

put_back() {
    kept=$(kept_for "$1")
    case $kept in
    '') ;;
    *-none-*) rm -f -- "$1" "$kept" ;;
    *) if [ "$kept" -ef "$1" ]; then rm -f -- "$kept"; else mv -fT -- "$kept" "$1"; fi ;;
    esac
}

settle() {
    kept=$(kept_for "$1")
    case $kept in
    '') ;;
    *-none-*) rm -f -- "$kept" ;;
    *) mv -fT -- "$kept" "$1.previous~" ;;
    esac
}

# activate: what is staged goes live, or what was before comes back.
activate() {
    started=$(date +%s)
    swap_failed=
    reason=$(check 2>&1) || fail "$service refuses the new configuration; nothing was changed:$newline$reason"
    each_staged keep
    each_staged swap
    if [ -z "$swap_failed" ] && reason=$(reload_service 2>&1 && prove 2>&1); then
        each "$managed" settle
        discard
        return
    fi
    [ -z "$swap_failed" ] || reason="cannot replace $swap_failed"
    log=$(log_lines "$started")
    restored=
    each "$managed" note_restored
    each "$managed" put_back
    if [ -z "$restored" ]; then
        fail "$service does not serve:$newline$reason${log:+$newline$log}"
    fi
    if again=$(reload_service 2>&1 && prove_old 2>&1); then
        fail "$service does not serve with the new configuration; the old one is back and serves:$newline$reason${log:+$newline$log}"
    fi
    fail "$service does not serve with the new configuration; the old one is back but does not serve either:$newline$reason$newline$again${log:+$newline$log}"
}

note_restored() { [ -z "$(kept_for "$1")" ] || restored=yes; }

# What the service's programs complained about since SECONDS.
log_lines() {
    journalctl --quiet --no-pager --output=short --since="@$1" 2>/dev/null |
        grep -E ' (postfix|dovecot)[^ ]*: ' | grep -E 'fatal|panic|error|warning|throttl' | tail -n 12
}

# wait_until COMMAND…: poll for at most twenty seconds.
wait_until() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || return 1
        sleep 0.1
    done
}

running() {
    [ -r "$1" ] || return 1
    read -r pid <"$1" || :
    # shellcheck disable=SC2086
    [ -n "$pid" ] && [ -e "/proc/"$pid ]
}
