# each.sh SSH_CONFIG SCRIPT HOST=DOMAIN...: run a script on every host at once, over plain ssh.
# The script's arguments are the host's domain and the words of $ARGUMENTS. Exit status 1 if any host
# fails.
config=$1 script=$2
shift 2
# One file per host, not one pipe for all: ssh makes its output non-blocking, for all processes that share it.
said=$(mktemp -d) || exit
trap 'rm -r -- "$said"' EXIT
pids=
for pair; do
    host=${pair%%=*}
    # shellcheck disable=SC2029,SC2086
    ssh -F "$config" "$host" sh -s -- "${pair#*=}" ${ARGUMENTS:-} <"$script" >"$said/$host" 2>&1 &
    pids="$pids $!"
done
for pid in $pids; do wait "$pid" || failed=1; done
for pair; do
    host=${pair%%=*}
    sed "s/^/[$host] /" "$said/$host"
done
exit "${failed:-0}"
