# Dovecot's part of a change: `activate.sh` calls these. Set in front: dovecot_directory, dropin,
# socket, owner ("mode user group" of the socket, as meant), prove_perl.
check() {
    rm -rf -- "$stage_directory"
    mkdir -m 0700 "$stage_directory" || return
    # The live configuration with the new file behind it; nothing of it is copied. Dovecot 2.4 wants
    # its version setting first.
    {
        grep -m 1 '^dovecot_config_version' "$dovecot_directory/dovecot.conf"
        printf '!include %s\n' "$dovecot_directory/dovecot.conf"
        new=$(coming "$dropin")
        [ ! -e "$new" ] || printf '!include %s\n' "$new"
    } >"$stage_directory/dovecot.conf"
    doveconf -c "$stage_directory/dovecot.conf" -n >/dev/null
}

socket_is_right() { [ "$(stat -c '%a %U %G' "$socket" 2>/dev/null)" = "$owner" ]; }

socket_answers() { [ ! -e "$socket" ] || perl -e "$prove_perl" -- socket "$socket" </dev/null 9<&-; }

reload_service() {
    if running /run/dovecot/master.pid; then
        systemctl reload dovecot 9<&- || { echo "systemctl reload dovecot failed"; return 1; }
    else
        systemctl start dovecot 9<&- || { echo "systemctl start dovecot failed"; return 1; }
    fi
}

prove() {
    wait_until socket_is_right || {
        echo "the socket $socket is not there with $owner: $(stat -c '%a %U %G' "$socket" 2>&1)"
        return 1
    }
    perl -e "$prove_perl" -- socket "$socket" </dev/null 9<&-
}

prove_old() { wait_until running /run/dovecot/master.pid && socket_answers; }
