# Dovecot's part of a change; change.sh calls these functions. Variables set in front: dovecot_directory,
# dropin, socket, owner ("mode user group" that the socket must have), had_socket (not empty if the socket
# existed before), prove_perl.
check() {
    coming=$(coming "$dropin")
    # A file that includes the live configuration and then the new file, so that nothing is copied. Dovecot
    # 2.4 wants its version setting first.
    {
        grep -m 1 '^dovecot_config_version' "$dovecot_directory/dovecot.conf"
        printf '!include %s\n' "$dovecot_directory/dovecot.conf"
        [ ! -e "$coming" ] || printf '!include %s\n' "$coming"
    } >"$stage_directory/dovecot.conf"
    doveconf -c "$stage_directory/dovecot.conf" -n >/dev/null
}

reload_service() {
    verb=reload
    running dovecot /run/dovecot/master.pid || verb=restart
    systemctl "$verb" dovecot 9<&- || { echo "systemctl $verb dovecot failed"; return 1; }
}

bring_back() { reload_service || systemctl restart dovecot 9<&-; }

prove() {
    wait_until over
    socket_is_right || {
        echo "the socket $socket is not there with $owner: $(stat -c '%a %U %G' "$socket" 2>&1)"
        return 1
    }
    socket_answers
}

# Stop waiting if Dovecot has died.
over() { socket_is_right || ! running dovecot /run/dovecot/master.pid; }

socket_is_right() { [ "$(stat -c '%a %U %G' "$socket" 2>/dev/null)" = "$owner" ]; }

prove_old() {
    wait_until running dovecot /run/dovecot/master.pid || { echo "Dovecot does not run"; return 1; }
    [ -z "$had_socket" ] || socket_answers
}

socket_answers() { perl -e "$prove_perl" -- socket "$socket" </dev/null 9<&-; }
