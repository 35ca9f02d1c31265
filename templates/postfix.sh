# Postfix's part of a change: `activate.sh` calls these. Set in front: config_directory,
# queue_directory, main_cf, master_cf, wanted (lines as `postconf` prints them), parameters and
# services (words), mail_hostname, chain, by_name (lines: a further name and its chain), auth,
# prove_perl, ports.
check() {
    rm -rf -- "$stage_directory"
    mkdir -m 0700 "$stage_directory" || return
    cp -- "$(coming "$main_cf")" "$stage_directory/main.cf" || return
    cp -- "$(coming "$master_cf")" "$stage_directory/master.cf" || return
    # Postfix does not trust a file that is younger than two seconds: it waits.
    touch -d '1 minute ago' "$stage_directory"/*.cf
    # shellcheck disable=SC2086
    {
        postconf -c "$stage_directory" -x $parameters
        [ -z "$services" ] || postconf -c "$stage_directory" -P $services
    } >"$stage_directory/got" 2>"$stage_directory/warnings"
    if misread=$(printf '%s\n' "$wanted" | grep -vxF -f "$stage_directory/got"); then
        printf 'Postfix reads it in another way than meant; these are missing:\n%s\n' "$misread"
        return 1
    fi
    said=$(postfix -c "$stage_directory" check 2>&1) || { printf '%s\n' "$said"; return 1; }
    [ -n "$said" ] || return 0
    # What Postfix says of the live configuration already is not this change's doing.
    postfix check 2>&1 | complaints >"$stage_directory/complaints"
    complaint=$(printf '%s\n' "$said" | complaints | grep -vxF -f "$stage_directory/complaints") || return 0
    printf '%s\n' "$complaint"
    return 1
}

# Warnings without what differs between the live configuration and a staged copy of it.
complaints() {
    grep -E 'warning|error|fatal' |
        sed -e "s|$stage_directory|$config_directory|g" -e 's/, line [0-9]*:/:/' | sort -u
}

queue_manager() {
    read -r master <"$queue_directory/pid/master.pid" || return 0
    # shellcheck disable=SC2086
    read -r children <"/proc/"$master"/task/"$master"/children" || :
    for child in ${children:-}; do
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
    queue_manager_before=$(queue_manager)
    if running "$queue_directory/pid/master.pid"; then
        systemctl reload postfix 9<&- || { echo "systemctl reload postfix failed"; return 1; }
    else
        systemctl start postfix 9<&- || { echo "systemctl start postfix failed"; return 1; }
    fi
    wait_until queue_manager_is_new || { echo "Postfix did not take the reload"; return 1; }
}

prove() {
    for port in $ports; do
        [ "$port" = 465 ] || converse "$port" || return 1
    done
    converse 465 "$mail_hostname" "$chain" "$auth" || return 1
    [ -z "$by_name" ] || printf '%s\n' "$by_name" | while read -r name its_chain; do
        converse 465 "$name" "$its_chain" "$auth" || exit 1
    done
}

prove_old() {
    for port in $ports; do
        converse "$port" && continue
        # master holds a service back for a minute after smtpd died: only a restart ends that.
        systemctl restart postfix 9<&-
        converse "$port" || return 1
    done
}

converse() { perl -e "$prove_perl" -- smtp "$@" </dev/null 9<&-; }
