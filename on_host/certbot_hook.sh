# The deploy hook's part of a change: `activate.sh` calls these. Set in front: hook, shell (words; empty
# where the hook is no shell script). There is no daemon to reload; what can be proved is that its
# shell can read it.

# certbot makes the directory when it first runs, which need not have been yet.
mkdir -p -- "${hook%/*}"

check() {
    # shellcheck disable=SC2086
    [ -z "$shell" ] || $shell -n "$(coming "$hook")"
}

reload_service() { :; }
bring_back() { :; }
prove() { [ -x "$hook" ]; }
prove_old() { :; }
