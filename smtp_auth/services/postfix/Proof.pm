package SmtpAuth::Postfix::Proof;

# Proves that Postfix serves a port; see SmtpAuth::Proof. Its arguments are words KEY=VALUE:
#
#   port=PORT          the server greets there and accepts EHLO
#   queue=DIRECTORY    Postfix's queue directory: only what its master has opened counts
#   since=TIME         when the change began, in seconds since 1970: smtpd crashes from before are ignored
#   name=NAME          the name that mail programs connect to
#   proxied=yes        the server expects a proxy's header first (smtpd_upstream_proxy_protocol)
#   outside=yes        it must listen on an address that other hosts can reach
#   starttls=HOW       yes: if it offers STARTTLS, it must also accept EHLO inside TLS; required: it must offer it, too
#   wrapped=yes        all of it is inside TLS; then also:
#     version=VERSION …  a version of TLS that must be served: TLSv1.3 or TLSv1.2, the highest first
#     chain=FILE         the certificate is the first one in this file
#     auth=yes           AUTH is offered
#     login_only=yes     no client can send without a login
#   With wrapped, mail must not be deferred in any case.

use strict;
use warnings;
use parent qw(SmtpAuth::Proof);
use IO::Select;
use IO::Socket::INET;
use IPC::Open3 qw(open3);
use Socket qw(SOMAXCONN);
use SmtpAuth::Files qw(content_of);
use SmtpAuth::Pem qw(first_certificate);
use SmtpAuth::Postfix::Master qw(master_in smtpd_died_since);
use SmtpAuth::Processes qw(is_loopback is_of_this_account listening sockets_of);
use SmtpAuth::Programs qw(wait_until);

# Seconds: for a program to listen, and for a connection to open.
my $UNTIL_IT_LISTENS = 5;
my $UNTIL_CONNECTED = 20;

my $LONGEST_READ = 65_536;
my $LONGEST_SHOWN = 200;

my $ITS_OWNERS = 'a rule of its owner rejects the host itself';

# The option of openssl for a version of TLS.
my %ONLY = ('TLSv1.2' => '-tls1_2', 'TLSv1.3' => '-tls1_3');

# What Postfix answers if a rule of its owner rejects the client, and not because it does not work (RFC 3463, X.7.X).
my $BY_A_LIST = qr/^[45]\d\d[ ].*[ ]rejected:/xm;
my $REJECTED = qr/$BY_A_LIST|^[45]\d\d[ ][45][.]7[.]/xm;

# In addition to the words, an object holds:
#   where      what is proved, for people
#   server     the address and port of the service
#   hello      the names with which the proof introduces itself, one after another
#   seen       what was proved, in words
#   processes  those that it has started
sub new {
    my ($class, @words) = @_;
    my %self = (version => [], seen => [], processes => []);
    for my $word (@words) {
        my ($key, $value) = split /=/x, $word, 2;
        if (ref $self{$key}) { push @{ $self{$key} }, $value }
        else                 { $self{$key} = $value }
    }
    $self{where} = "port $self{port}";
    return bless \%self, $class;
}

sub prove {
    my ($self) = @_;
    my $address = $self->_address;
    $self->{server} = $address =~ /:/x ? "[$address]:$self->{port}" : "$address:$self->{port}";
    # An address literal: rules for the names that clients give rarely reject it (RFC 5321, section 4.1.3).
    $self->{hello} = [$address =~ /:/x ? "[IPv6:$address]" : "[$address]", $self->{name} // ()];
    return $self->_prove_plain if !$self->{wrapped};
    my ($highest, @others) = @{ $self->{version} };
    $self->_see(join(' and ', @{ $self->{version} }) || 'TLS');
    $self->_prove_secure(defined $highest ? $ONLY{$highest} : ());
    for my $version (@others) {
        $self->{where} = "port $self->{port} with $version";
        $self->_prove_version($ONLY{$version});
    }
    return;
}

# The certificate is named by the name that was asked for.
sub proved {
    my ($self) = @_;
    my @named = length($self->{chain} // q{}) ? $self->{name} // () : ();
    return ("$self->{port}: " . join(', ', @{ $self->{seen} }, map { 'certificate of' } @named), @named);
}

sub end {
    my ($self) = @_;
    kill TERM => @{ $self->{processes} };
    return;
}

# If smtpd has died, a connection is neither served nor refused until master starts another one.
sub died {
    my ($self) = @_;
    my ($since, $queue, $port) = @{$self}{qw(since queue port)};
    return smtpd_died_since($since, $queue // q{}, $port) ? 'smtpd dies when it starts' : undef;
}

sub failed {
    my ($self, $why) = @_;
    # Inside TLS, the other lines are those of openssl.
    my $last = (grep { /^\d{3}[ -]/x } $self->received =~ /([^\r\n]+)/gx)[-1] // q{};
    $why .= ' (last line: ' . substr($last, 0, $LONGEST_SHOWN) . ')' if length $last;
    return $self->SUPER::failed($why);
}

sub _prove_plain {
    my ($self) = @_;
    my $socket = $self->_connected($self->_server);
    # Wait for the last line of the greeting: postscreen delays it, and rejects clients that speak before it.
    $self->expect($socket, qr/^\d{3}[ ].*\n/xm, 'no greeting');
    # A rule that rejects this client at once is no error.
    return $self->_see($ITS_OWNERS) if $self->received =~ $REJECTED;
    $self->failed('no greeting') if $self->received !~ /^220[ ]/xm;
    my $hello = $self->_hello($socket, "\r\n");
    return $self->_see($ITS_OWNERS) if !defined $hello && $self->received =~ $REJECTED;
    $self->failed('EHLO is refused') if !defined $hello;
    $self->_see('greeting');
    my $offers_tls = $self->received =~ /^250[ -]STARTTLS\r?$/xm;
    $self->failed('STARTTLS is not offered') if !$offers_tls && ($self->{starttls} // q{}) eq 'required';
    return if !$self->{starttls} || !$offers_tls;
    # When smtpd has said good-bye, the next connection gets the same process, and master need not start another one.
    $self->_ask($socket, "QUIT\r\n");
    $self->expect($socket, qr/^\d{3}[ ].*\n/xm, 'QUIT is not answered');
    close $socket;
    $self->{where} .= ' behind STARTTLS';
    my ($client, $to, $from) = $self->_client('-starttls', 'smtp', '-name', $hello);
    $self->_ask($to, "EHLO $hello\n");
    $self->_answers($from, qr/^250[ ].*\n/xm, 'EHLO is not answered');
    $self->_see('STARTTLS');
    $self->_leave($client, $to);
    return;
}

sub _see { my ($self, $what) = @_; push @{ $self->{seen} }, $what; return }

sub _prove_secure {
    my ($self, @options) = @_;
    my ($client, $to, $from) = $self->_client(@options);
    $self->expect($from, qr/^\d{3}[ ].*\n/xm, 'no greeting through TLS');
    $self->_check_certificate if length $self->{chain};
    # If a list of its owner rejects clients of this host at once, the rest cannot be proved.
    if ($self->received =~ $BY_A_LIST) {
        $self->_see($ITS_OWNERS);
        return $self->_leave($client, $to);
    }
    $self->failed('no greeting through TLS') if $self->received !~ /^220[ ]/xm;
    $self->_hello($to, "\n", $from) // $self->failed('EHLO is refused');
    my ($logins) = $self->received =~ /^250[ -]AUTH[ ]([\w -]*)/xm;
    $self->failed('AUTH is not offered') if length $self->{auth} && !defined $logins;
    $self->_see('logins (' . join(', ', split q{ }, $logins) . ') offered') if defined $logins;
    $self->_ask($to, "MAIL FROM:<>\n");
    $self->_answers($from, qr/^\d{3}[ ].*\n/xm, 'MAIL FROM is not answered');
    $self->failed('mail is deferred') if $self->received =~ /^4\d\d[ ]/xm;
    # A rejection is right here: no client may send without a login. An error of the mail system itself (X.3.X in RFC 3463)
    # is not: for example, a restriction names a map or policy service that does not exist. The recipient is not
    # <postmaster>, whom every restriction permits.
    $self->_ask($to, "RCPT TO:<postmaster\@localhost>\n");
    $self->_answers($from, qr/^\d{3}[ ].*\n/xm, 'RCPT TO is not answered');
    $self->failed('mail is deferred') if $self->received =~ /^4\d\d[ ]4[.]3[.]|^421[ ]/xm;
    $self->failed('a client that has not logged in can send')
        if length $self->{login_only} && $self->received =~ /^2\d\d[ ]/xm;
    $self->_see('clients without a login rejected') if length $self->{login_only};
    $self->_leave($client, $to);
    return;
}

sub _prove_version {
    my ($self, @options) = @_;
    my ($client, $to, $from) = $self->_client(@options);
    $self->expect($from, qr/^\d{3}[ ].*\n/xm, 'no greeting through TLS');
    $self->failed('no greeting through TLS') if $self->received !~ /^220[ ]|$BY_A_LIST/xm;
    $self->_leave($client, $to);
    return;
}

# A TLS client that ends lines as SMTP does (-crlf): its process, its input and its output.
sub _client {
    my ($self, @options) = @_;
    my @name = map { ('-servername', $_) } $self->{name} // ();
    my @command = ('openssl', 's_client', '-connect', $self->_server, @name, '-ign_eof', '-crlf', @options);
    open my $nowhere, '>', '/dev/null' or $self->failed("cannot write /dev/null: $!");
    my $client = open3(my $to, my $from, '>&' . fileno $nowhere, @command);
    close $nowhere;
    push @{ $self->{processes} }, $client;
    return ($client, $to, $from);
}

sub _leave {
    my ($self, $client, $to) = @_;
    $self->_ask($to, "QUIT\n");
    close $to;
    waitpid $client, 0;
    @{ $self->{processes} } = grep { $_ != $client } @{ $self->{processes} };
    return;
}

# Says EHLO with each name until one is accepted, and returns that; undef if a rule rejects all of them, or if EHLO fails.
sub _hello {
    my ($self, $to, $end, $from) = @_;
    for my $name (@{ $self->{hello} }) {
        $self->_ask($to, "EHLO $name$end");
        $self->expect($from // $to, qr/^\d{3}[ ].*\n/xm, 'EHLO is not answered');
        return $name if $self->received =~ /^250[ ]/xm;
        last if $self->received !~ $REJECTED;
    }
    return;
}

sub _ask {
    my ($self, $to, $text) = @_;
    $self->forget;
    syswrite $to, $text;
    return;
}

# Waits for an answer, and fails if it does not match PATTERN.
sub _answers {
    my ($self, $from, $pattern, $why) = @_;
    $self->expect($from, qr/$pattern|^[45]\d\d[ ].*\n/xm, $why);
    $self->failed($why) if $self->received !~ $pattern;
    return;
}

# Fails if the certificate that openssl shows is not the first one of the chain on the disk.
sub _check_certificate {
    my ($self) = @_;
    my $path = $self->{chain};
    my $chain = content_of($path) // $self->failed("cannot read $path: $!");
    my ($wanted, $shown) = map { first_certificate($_) } $chain, $self->received;
    $self->failed("the certificate that is served is not the one in $path") if $wanted ne $shown;
    return;
}

# The address and port to connect to: those of the service, or of a proxy that serves one connection.
sub _server {
    my ($self) = @_;
    return $self->{proxied} ? $self->_proxy() : $self->{server};
}

# Starts a proxy on loopback for one connection, and returns its address: openssl cannot send a proxy's header. The proxy
# sends the header (version 1 of HAProxy's PROXY protocol, section 2.1 of its specification), then forwards both directions.
sub _proxy {
    my ($self) = @_;
    my $listening = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => SOMAXCONN)
        or $self->failed("cannot start a proxy: $!");
    my $proxy = fork // $self->failed("cannot start a proxy: $!");
    if ($proxy) {
        push @{ $self->{processes} }, $proxy;
        return '127.0.0.1:' . $listening->sockport;
    }
    # Any account of this host may connect, too.
    my $client;
    do { $client = $listening->accept or exit 1 } until is_of_this_account($client->peerport, $listening->sockport);
    my $server = $self->_connected($self->{server});
    syswrite $server, "PROXY TCP4 127.0.0.1 127.0.0.1 40000 $self->{port}\r\n";
    my $both = IO::Select->new($client, $server);
    while (my @ready = $both->can_read) {
        for my $from (@ready) {
            sysread $from, my $said, $LONGEST_READ or exit 0;
            syswrite $from == $client ? $server : $client, $said;
        }
    }
    exit 0;
}

# The addresses on which Postfix has opened the port; another program may have it on further ones.
sub _bound {
    my ($self) = @_;
    my $master = length($self->{queue} // q{}) ? master_in($self->{queue}) : undef;
    my %is_held = map { $_ => 1 } defined $master ? sockets_of($master) : ();
    my @on_port = grep { $_->{port} == $self->{port} } listening();
    return map { $_->{address} } grep { !%is_held || $is_held{ $_->{socket} } } @on_port;
}

# The address on which the port is bound on this host: loopback if possible.
sub _address {
    my ($self) = @_;
    my @bound;
    wait_until($UNTIL_IT_LISTENS, sub { @bound = $self->_bound });
    $self->failed('nothing listens') if !@bound;
    if ($self->{outside} && !grep { !is_loopback($_) } @bound) {
        my $addresses = join ', ', @bound;
        $self->failed("it is open only on loopback ($addresses), so other hosts cannot reach it: correct inet_interfaces, or "
                . 'the address of the service in master.cf, then restart Postfix (systemctl restart postfix)');
    }
    return '127.0.0.1' if grep { $_ eq '0.0.0.0' || $_ eq '127.0.0.1' } @bound;
    my ($ipv4) = grep { !/:/x } @bound;
    return $ipv4 // ($bound[0] eq q{::} ? '::1' : $bound[0]);
}

sub _connected {
    my ($self, $server) = @_;
    my ($address, $port) = $server =~ /^(.*):(\d+)$/x;
    my $class = 'IO::Socket::INET';
    if ($address =~ s/^\[(.*)\]$/$1/x) {
        require IO::Socket::IP;
        $class = 'IO::Socket::IP';
    }
    return $class->new(PeerAddr => $address, PeerPort => $port, Timeout => $UNTIL_CONNECTED)
        // $self->failed("cannot connect: $!");
}

1;
