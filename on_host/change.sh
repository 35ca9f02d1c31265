# A change of configuration files as a transaction, for any service: lock, stage, check, keep,
# swap, reload, prove; or put back. A service's own script follows this one and defines
#
#   check            whether the service accepts the files that `coming` names; says why not
#   reload_service   makes the service read its files again, or starts it if it does not run
#   prove            whether it serves with the new files; says why not
#   bring_back       as reload_service, after the old files are back
#   prove_old        whether it serves as it did before
#
# and calls `lock`, `manage`, `stage` and `activate`, in this order. It may be killed at any command: the
# next run sees from the files alone how far this one came. These may stand beside a file NAME:
#
#   .NAME.smtp-auth-new~       the new version, until it is swapped in
#   .NAME.smtp-auth-old-SHA~   the version before, until the one with digest SHA is proved
#   .NAME.smtp-auth-none-SHA~  the same, where there was no file
#   NAME.previous~             the version before the last change that was proved
#
# The "~" at the end keeps certbot from running them and Dovecot from reading them.
set -u
umask 022
export LC_ALL=C PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"
newline='
'
stage_directory=${stage_directory:-/run/smtp-auth-stage}
holder=$stage_directory/holder
managed=
staged=

# A lost connection must not stop a change halfway.
trap '' HUP PIPE

say() { printf '%s\n' "$*" >&2 || :; }

die() {
    say "$*"
    exit 1
}

# fail REASON: ends a change that has touched nothing, or has put everything back.
fail() {
    rm -rf -- "$stage_directory"
    # After the stage: while one of these exists, the next run knows that it must clean up.
    each_staged remove_new
    die "$*"
}

# lock DIRECTORY: an existing directory, so that nothing has to be cleaned up. A crash releases the lock,
# because no process that outlives this script inherits descriptor 9.
lock() {
    exec 9<"$1"
    flock -n 9 || die "another deploy is at work on this host$(held_by); nothing was changed, run again when it has ended"
    rm -rf -- "$stage_directory"
    mkdir -m 0700 -- "$stage_directory" || die "cannot make $stage_directory; nothing was changed"
    origin=${SSH_CONNECTION:-} who=${SUDO_USER:-root}
    printf 'process %s of %s from %s since %s' "$$" "$who" "${origin%% *}" "$(date)" >"$holder"
}

held_by() { [ ! -s "$holder" ] || printf ' (%s)' "$(cat "$holder")"; }

beside() { printf '%s/.%s.smtp-auth-%s~' "${1%/*}" "${1##*/}" "$2"; }

# The SHA-256 of a file; empty where there is none.
digest() {
    [ -e "$1" ] || return 0
    # shellcheck disable=SC2046
    set -- $(sha256sum <"$1")
    printf '%s' "${1:-unreadable}"
}

# each_managed COMMAND…: runs COMMAND… PATH for every file of the service.
each_managed() {
    rest=$managed
    while [ -n "$rest" ]; do
        path=${rest%%"$newline"*}
        rest=${rest#*"$newline"}
        "$@" "$path"
    done
}

# each_staged COMMAND: runs COMMAND PATH SEEN for every file that gets a new version.
each_staged() {
    rest=$staged
    while [ -n "$rest" ]; do
        line=${rest%%"$newline"*}
        rest=${rest#*"$newline"}
        "$1" "${line#* }" "${line%% *}"
    done
}

remove_new() { rm -f -- "$(beside "$1" new)"; }

# What was kept of PATH; empty where nothing was.
kept_for() {
    for kept in "${1%/*}/.${1##*/}.smtp-auth-"old-*~ "${1%/*}/.${1##*/}.smtp-auth-"none-*~; do
        [ ! -e "$kept" ] || printf '%s' "$kept"
    done
}

# manage PATH: PATH belongs to this service; cleans up what a run that died left beside it.
manage() {
    managed="$managed$1$newline"
    remove_new "$1"
    is_unproved "$1" || sort_out "$1"
}

# Whether PATH is the version that was swapped in, and not proved yet.
is_unproved() {
    case $(kept_for "$1") in
    *"-$(digest "$1")~") ;;
    *) return 1 ;;
    esac
}

# Stops keeping the old version of PATH. PATH itself stays: it was never swapped, is proved, or was edited.
sort_out() {
    kept=$(kept_for "$1")
    case $kept in
    '') ;;
    *.smtp-auth-none-*) rm -f -- "$kept" ;;
    *) if [ "$kept" -ef "$1" ]; then rm -f -- "$kept"; else mv -fT -- "$kept" "$1.previous~"; fi ;;
    esac
}

# stage PATH SEEN DIGEST MODE: standard input, in base64, becomes PATH's new version. SEEN is the
# digest of what the plan saw there (empty: no file), DIGEST that of the new version; MODE is empty
# where the file keeps its own.
stage() {
    unchanged "$1" "$2" || fail "$(changed "$1")"
    staged="$staged$2 $1$newline"
    new=$(beside "$1" new)
    if [ -e "$1" ]; then
        cp -a -- "$1" "$new" || fail "cannot write beside $1; nothing was changed"
    fi
    base64 -d >"$new" || fail "cannot write beside $1; nothing was changed"
    if [ -n "$4" ]; then
        chmod -- "$4" "$new" || fail "cannot write beside $1; nothing was changed"
    fi
    # Postfix waits until a file is two seconds old, in case it is still being written. This one is whole.
    touch -d '3 seconds ago' -- "$new"
    sync -- "$new" || fail "cannot write beside $1; nothing was changed"
    [ "$(digest "$new")" = "$3" ] || fail "$1 arrived incomplete; nothing was changed"
}

unchanged() { [ ! -L "$1" ] && [ "$(digest "$1")" = "$2" ]; }

changed() { printf '%s was changed since the plan; nothing was done, run again to take that into account' "$1"; }

# The file with PATH's coming version: the staged one, or PATH itself.
coming() {
    new=$(beside "$1" new)
    if [ -e "$new" ]; then printf '%s' "$new"; else printf '%s' "$1"; fi
}

# activate: what is staged goes live, or what was before comes back.
activate() {
    started=$(date +%s.%N)
    reason=$(check 2>&1) || fail "$service refuses the new configuration; nothing was changed:$newline$reason"
    each_staged keep
    not_swapped=
    each_staged swap
    [ -z "$not_swapped" ] || undo "$not_swapped"
    if reason=$(reload_service 2>&1 && prove 2>&1); then
        # This comes last: while an old version is kept, the next run goes on from here.
        rm -rf -- "$stage_directory"
        each_managed sort_out
        return
    fi
    log=$(log_lines)
    undo "$service does not serve with this configuration:$newline$reason${log:+$newline$log}"
}

# keep PATH: gives the present version a second name. What a run that died has kept stays instead.
keep() {
    new_digest=$(digest "$(beside "$1" new)")
    kept=$(kept_for "$1")
    case $kept in
    *.smtp-auth-none-*) name=none-$new_digest ;;
    '') if [ -e "$1" ]; then name=old-$new_digest; else name=none-$new_digest; fi ;;
    *) name=old-$new_digest ;;
    esac
    name=$(beside "$1" "$name")
    if [ "$kept" = "$name" ]; then
        return
    elif [ -n "$kept" ]; then
        mv -fT -- "$kept" "$name"
    elif [ -e "$1" ]; then
        ln -T -- "$1" "$name"
    else
        # Not ":", whose failure would end this shell.
        printf '' >"$name"
    fi || {
        each_managed leave
        fail "cannot keep the present version of $1 (is it immutable, or the disk full?); nothing was changed"
    }
}

leave() { is_unproved "$1" || sort_out "$1"; }

# After the first file that cannot be swapped, the files behind it stay as they are.
swap() {
    [ -z "$not_swapped" ] || return
    if ! unchanged "$1" "$2"; then
        not_swapped=$(changed "$1")
    elif ! mv -fT -- "$(beside "$1" new)" "$1"; then
        not_swapped="cannot replace $1; nothing was changed"
    else
        sync -- "${1%/*}"
    fi
}

# undo REASON: puts back what this run or one that died has swapped, and proves the old version.
undo() {
    restored=
    each_managed put_back
    if [ -z "$restored" ]; then
        fail "$1"
    elif again=$(bring_back 2>&1 && prove_old 2>&1); then
        fail "$1${newline}The old configuration is back and serves."
    fi
    fail "$1${newline}The old configuration is back but does not serve either:$newline$again"
}

put_back() {
    if ! is_unproved "$1"; then
        # It was not swapped, or was edited meanwhile. An edit is never overwritten.
        sort_out "$1"
        return
    fi
    kept=$(kept_for "$1")
    case $kept in
    *.smtp-auth-none-*) rm -f -- "$1" "$kept" ;;
    *) mv -fT -- "$kept" "$1" ;;
    esac
    restored=yes
}

# What Postfix and Dovecot have complained about since the change began.
log_lines() {
    journal | grep -E ' (postfix|dovecot)[^ ]*: ' | grep -Ei 'fatal|panic|error|warning|throttl' |
        tail -n 12 | cut -c 1-300
}

journal() { journalctl --quiet --no-pager --output=short --since="@$started" 2>/dev/null; }

# wait_until COMMAND…: poll for at most twenty seconds.
wait_until() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || return 1
        sleep 0.1
    done
}

# running NAME PIDFILE: whether the process that the file names is alive and still that program.
running() {
    pid='' name=''
    read -r pid 2>/dev/null <"$2"
    read -r name 2>/dev/null <"/proc/${pid:-0}/comm"
    [ "$name" = "$1" ]
}
