# The deploy hook's part of a change; change.sh calls these functions. Variables set in front: hook, shell
# (words; empty if the hook is no shell script). No daemon has to be reloaded; the proof is that the shell
# can read the hook.

# certbot makes the directory only when it first runs.
mkdir -p -- "${hook%/*}"

check() {
    # shellcheck disable=SC2086
    [ -z "$shell" ] || $shell -n "$(coming "$hook")"
}

reload_service() { :; }
bring_back() { :; }
# On a host without certbot there is no hook; only what an earlier change left is cleaned up.
prove() { [ -x "$hook" ] || { [ -z "$staged" ] && [ ! -e "$hook" ]; }; }
prove_old() { :; }
