# Proves a service with a real connection; says why on standard error where it does not serve.
#   socket PATH                         Dovecot's auth socket answers with VERSION
#   smtp SINCE PORT [NAME CHAIN AUTH LOGIN_ONLY]
#                                       a greeting and EHLO; with NAME through TLS at once, where the
#                                       certificate is the first of CHAIN (unless empty), AUTH is
#                                       offered (unless AUTH is empty), mail would not be deferred, and
#                                       nobody sends without a login (unless LOGIN_ONLY is empty).
#                                       SINCE is when the change began, in seconds since 1970.
#   proxied SINCE PORT ...              as smtp, as a proxy's client (smtpd_upstream_proxy_protocol)
use strict;
use warnings;
use IO::Socket::UNIX;
use IO::Socket::INET;
use IO::Select;
use IPC::Open2;
use POSIX ();

shift @ARGV if @ARGV && $ARGV[0] eq "--";
my ($what, @rest) = @ARGV;
my $received = "";
my $client;
$SIG{PIPE} = "IGNORE";
$SIG{ALRM} = sub { failed("no answer in time") };
# master starts an smtpd that died a minute later again.
alarm 90;

if ($what eq "socket") { prove_socket(@rest) } else { prove_smtp(@rest) }
exit 0;

sub failed {
    my ($why) = @_;
    my @lines = $received =~ /([^\r\n]+)/g;
    my ($last) = ((grep { /^\d{3}[ -]/ } @lines)[-1] // $lines[-1] // "") =~ /^(.{0,200})/;
    my $where = $what eq "socket" ? $rest[0] : "port $rest[1]";
    kill "TERM", $client if $client;
    print STDERR "$where: $why", length $last && $what ne "socket" ? " (last line: $last)" : "", "\n";
    exit 1;
}

# Reads on until PATTERN is in what came.
sub expect {
    my ($from, $pattern, $why) = @_;
    my $waiting = IO::Select->new($from);
    until ($received =~ $pattern) {
        until ($waiting->can_read(2)) {
            failed("smtpd dies at its start") if smtpd_died();
        }
        my $count = sysread $from, $received, 65536, length $received;
        failed($why) unless $count;
    }
}

# A connection to a service whose smtpd died is neither served nor refused until master tries again.
sub smtpd_died {
    return $what ne "socket" && `journalctl --quiet --since=\@$rest[0] 2>&1` =~ /smtpd: bad command startup -- throttling/;
}

sub prove_socket {
    my ($path) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $path) or failed("cannot connect: $!");
    expect($socket, qr/^VERSION\t/m, "Dovecot does not answer");
}

sub prove_smtp {
    my ($since, $port, $name, $chain, $auth, $login_only) = @_;
    my $address = address($port);
    my $connect_to = $what eq "proxied" ? proxy($address, $port) : "$address:$port";
    if (!defined $name) {
        my $socket = connected($connect_to);
        # The last line of the greeting: postscreen holds it back, and refuses who speaks before it has come.
        command($socket, $socket, "", qr/^220 .*\n/m, "no greeting");
        command($socket, $socket, "EHLO localhost", qr/^250 /m, "EHLO is refused");
        return;
    }
    open STDERR_KEPT, ">&", \*STDERR;
    open STDERR, ">", "/dev/null";
    my @command = ("openssl", "s_client", "-connect", $connect_to, "-servername", $name, "-ign_eof", "-crlf");
    $client = open2(my $from, my $to, @command);
    open STDERR, ">&", \*STDERR_KEPT;
    command($from, $to, "", qr/^220 .*\n/m, "no greeting through TLS");
    served($chain) if length $chain;
    $received = "";
    command($from, $to, "EHLO localhost", qr/^250 .*\n/m, "EHLO is refused");
    failed("AUTH is not offered") if length $auth && $received !~ /^250[ -]AUTH /m;
    command($from, $to, "MAIL FROM:<>", qr/^\d{3} .*\n/m, "MAIL FROM is not answered");
    failed("mail is deferred") if $received =~ /^4\d\d /m;
    # Nobody may send here without a login; what must not come is a failure of the mail system itself
    # (X.3.X in RFC 3463), such as a map or policy service that a restriction names and that is not there.
    # Not <postmaster>, whom every restriction lets through.
    command($from, $to, "RCPT TO:<postmaster\@localhost>", qr/^\d{3} .*\n/m, "RCPT TO is not answered");
    failed("mail is deferred") if $received =~ /^4\d\d 4\.3\.|^421 /m;
    failed("a client that has not logged in can send") if length $login_only && $received =~ /^2\d\d /m;
    syswrite $to, "QUIT\n";
    close $to;
    waitpid $client, 0;
}

# Sends TEXT, unless it is empty, and waits for an answer, which is to be PATTERN.
sub command {
    my ($from, $to, $text, $pattern, $why) = @_;
    if (length $text) {
        $received = "";
        syswrite $to, $text . ($from == $to ? "\r\n" : "\n");
    }
    expect($from, qr/$pattern|^[45]\d\d .*\n/m, $why);
    failed($why) if $received !~ $pattern;
}

# The certificate that openssl shows is the leaf of the chain on the disk.
sub served {
    my ($path) = @_;
    open my $file, "<", $path or failed("cannot read $path: $!");
    local $/;
    my ($wanted, $shown) = map { certificate($_) } scalar <$file>, $received;
    failed("another certificate is served than the one in $path") if $wanted ne $shown;
}

sub certificate {
    my ($base64) = $_[0] =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
    $base64 = "" unless defined $base64;
    $base64 =~ s/\s//g;
    return $base64;
}

# A proxy on loopback for one connection, which openssl cannot be by itself; where it listens. It says who its client is
# (version 1 of HAProxy's PROXY protocol, section 2.1 of its specification), and then hands on what either side says.
my $proxy;

sub proxy {
    my ($address, $port) = @_;
    my $listening = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1) or failed("no proxy: $!");
    $proxy = fork;
    failed("no proxy: $!") unless defined $proxy;
    return "127.0.0.1:" . $listening->sockport if $proxy;
    my $asking = $listening->accept or POSIX::_exit(1);
    my $serving = connected("$address:$port");
    syswrite $serving, "PROXY TCP4 127.0.0.1 127.0.0.1 40000 $port\r\n";
    my $both = IO::Select->new($asking, $serving);
    while (my @ready = $both->can_read) {
        for my $from (@ready) {
            sysread $from, my $said, 65536 or POSIX::_exit(0);
            syswrite $from == $asking ? $serving : $asking, $said;
        }
    }
    POSIX::_exit(0);
}

END { kill "TERM", $proxy if $proxy }

# Where the port is bound on this host: loopback if it can be had.
sub address {
    my ($port) = @_;
    my @bound;
    for my $attempt (1 .. 50) {
        @bound = (listeners("/proc/net/tcp", $port), listeners("/proc/net/tcp6", $port));
        last if @bound;
        select undef, undef, undef, 0.1;
    }
    failed("nothing listens") unless @bound;
    for my $hex (@bound) {
        return "127.0.0.1" if $hex =~ /^(00000000|0100007F)$/;
    }
    for my $hex (@bound) {
        return join ".", reverse map { hex } $hex =~ /../g if length $hex == 8;
    }
    return "[::1]" if $bound[0] =~ /^0{24}0[01]0{6}$/ || $bound[0] =~ /^0{32}$/;
    my $bytes = join "", map { join "", reverse /../g } $bound[0] =~ /.{8}/g;
    return "[" . join(":", $bytes =~ /.{4}/g) . "]";
}

sub listeners {
    my ($table, $port) = @_;
    my $wanted = sprintf "%04X", $port;
    open my $file, "<", $table or return;
    return map { /^\s*\d+: ([0-9A-F]+):$wanted \S+ 0A / ? $1 : () } <$file>;
}

sub connected {
    my ($address, $port) = $_[0] =~ /^(.*):(\d+)$/;
    my $class = "IO::Socket::INET";
    if ($address =~ s/^\[(.*)\]$/$1/) {
        require IO::Socket::IP;
        $class = "IO::Socket::IP";
    }
    my $socket = $class->new(PeerAddr => $address, PeerPort => $port, Timeout => 20) or failed("cannot connect: $!");
    return $socket;
}
