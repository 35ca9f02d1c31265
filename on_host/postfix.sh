# Postfix's part of a change; change.sh calls these functions. Variables set in front: config_directory,
# queue_directory, main_cf, master_cf, wanted (lines that `postconf` must print), parameters and services
# (words), mail_hostname, chain, by_name (lines: a further name and its chain), auth, prove_perl, ports
# (which of 25 and 465 were served before), wrapped (not empty if 465 spoke TLS from the first byte).
check() {
    # The times are kept, because Postfix waits until a file is two seconds old. The owners are not,
    # because Postfix would complain of them if the live files are links.
    cp --preserve=timestamps -- "$(coming "$main_cf")" "$stage_directory/main.cf" || return
    cp --preserve=timestamps -- "$(coming "$master_cf")" "$stage_directory/master.cf" || return
    # shellcheck disable=SC2086
    {
        postconf -c "$stage_directory" -x $parameters
        [ -z "$services" ] || postconf -c "$stage_directory" -P $services
    } >"$stage_directory/got" 2>/dev/null
    if misread=$(printf '%s\n' "$wanted" | grep -vxF -f "$stage_directory/got"); then
        printf 'Postfix reads it in another way than meant; these are missing:\n%s\n' "$misread"
        return 1
    fi
    said=$(postfix -c "$stage_directory" check 2>&1) || { printf '%s\n' "$said"; return 1; }
    [ -n "$said" ] || return 0
    # A complaint about the live configuration is not caused by this change.
    postfix check 2>&1 | complaints >"$stage_directory/complaints"
    complaint=$(printf '%s\n' "$said" | complaints | grep -vxF -f "$stage_directory/complaints") || return 0
    printf '%s\n' "$complaint"
    return 1
}

# Warnings, without the paths and line numbers in which a staged copy differs from the live files.
complaints() {
    grep -E 'warning|error|fatal' |
        sed -e "s|$stage_directory|$config_directory|g" -e 's/, line [0-9]*:/:/' | sort -u
}

queue_manager() {
    read -r master 2>/dev/null <"$queue_directory/pid/master.pid" || return 0
    children=
    read -r children 2>/dev/null <"/proc/$master/task/$master/children" || :
    for child in $children; do
        name=
        read -r name 2>/dev/null <"/proc/$child/comm"
        [ "$name" != qmgr ] || { printf '%s' "$child"; return; }
    done
}

queue_manager_is_new() {
    now=$(queue_manager)
    [ -n "$now" ] && [ "$now" != "$queue_manager_before" ]
}

# A reload starts the queue manager anew. The command's own status proves nothing on Debian 12,
# where postfix.service only passes the reload on.
reload_service() {
    verb=reload
    # Not "start": Debian 12's postfix.service counts as active after its daemon has died.
    running master "$queue_directory/pid/master.pid" || verb=restart
    by_systemd "$verb"
}

by_systemd() {
    queue_manager_before=$(queue_manager)
    systemctl "$1" postfix 9<&- || { echo "systemctl $1 postfix failed"; return 1; }
    wait_until over "$1"
    queue_manager_is_new || { echo "Postfix did not take the $1"; return 1; }
}

# The reload is also over if master has died of it.
over() {
    queue_manager_is_new || { [ "$1" = reload ] && ! running master "$queue_directory/pid/master.pid"; }
}

# When an smtpd dies at its start, master does not start that service again for a minute. A restart ends
# this wait, a reload does not.
bring_back() {
    if journal | grep -qF 'smtpd: bad command startup -- throttling'; then
        by_systemd restart
    else
        reload_service || by_systemd restart
    fi
}

prove() {
    for port in $ports; do
        [ "$port" = 465 ] || converse "$port" || return
    done
    converse 465 "$mail_hostname" "$chain" "$auth" || return
    [ -z "$by_name" ] || printf '%s\n' "$by_name" | while read -r name its_chain; do
        converse 465 "$name" "$its_chain" "$auth" || exit 1
    done
}

prove_old() { serves_as_before || { by_systemd restart && serves_as_before; }; }

serves_as_before() {
    # Log lines from before belong to the new version, which is gone.
    started=$(date +%s.%N)
    for port in $ports; do
        if [ "$port" = 465 ] && [ -n "$wrapped" ]; then
            converse 465 "$mail_hostname" "" "" || return
        else
            converse "$port" || return
        fi
    done
}

converse() { perl -e "$prove_perl" -- smtp "$started" "$@" </dev/null 9<&-; }
