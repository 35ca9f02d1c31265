package SmtpAuth::Postfix::Proof;

# Proves that Postfix serves a port; see SmtpAuth::Proof. Its arguments:
#
#   smtp SINCE PORT [NAME CHAIN AUTH LOGIN_ONLY]
#                            The server greets and accepts EHLO. With NAME, all of it is inside TLS: the certificate is the
#                            first one in CHAIN (unless that is empty), AUTH is offered (unless AUTH is empty), mail is not
#                            deferred, and no client can send without a login (unless LOGIN_ONLY is empty). SINCE is when
#                            the change began, in seconds since 1970: smtpd crashes from before are ignored
#   proxied SINCE PORT …     as smtp, with the header of a proxy first (smtpd_upstream_proxy_protocol)

use strict;
use warnings;
use parent qw(SmtpAuth::Proof);
use IO::Select;
use IO::Socket::INET;
use IPC::Open3 qw(open3);
use SmtpAuth::Files qw(content_of);
use SmtpAuth::Pem qw(first_certificate);
use SmtpAuth::Postfix::Master qw(smtpd_died_since);
use SmtpAuth::Processes qw(listening_addresses);
use SmtpAuth::Programs qw(wait_until);

# Seconds: for a program to listen, and for a connection to open.
my $UNTIL_IT_LISTENS = 5;
my $UNTIL_CONNECTED = 20;

my $LONGEST_READ = 65_536;
my $LONGEST_SHOWN = 200;

# Hexadecimal digits of an IPv4 address in /proc/net/tcp.
my $LENGTH_OF_IPV4 = 8;

sub new {
    my ($class, $protocol, $since, $port, @secure) = @_;
    my %self = (where => "port $port", since => $since, port => $port, processes => []);
    $self{is_proxied} = $protocol eq 'proxied';
    @self{qw(name chain auth login_only)} = @secure;
    return bless \%self, $class;
}

sub prove {
    my ($self) = @_;
    my $address = $self->_address;
    my $server = $self->{is_proxied} ? $self->_proxy($address) : "$address:$self->{port}";
    return defined $self->{name} ? $self->_prove_secure($server) : $self->_prove_plain($server);
}

sub end {
    my ($self) = @_;
    kill TERM => @{ $self->{processes} };
    return;
}

# If smtpd has died, a connection is neither served nor refused until master starts another one.
sub died {
    my ($self) = @_;
    return smtpd_died_since($self->{since}) ? 'smtpd dies when it starts' : undef;
}

sub failed {
    my ($self, $why) = @_;
    my @lines = $self->received =~ /([^\r\n]+)/gx;
    my $last = (grep { /^\d{3}[ -]/x } @lines)[-1] // $lines[-1] // q{};
    $why .= ' (last line: ' . substr($last, 0, $LONGEST_SHOWN) . ')' if length $last;
    return $self->SUPER::failed($why);
}

sub _prove_plain {
    my ($self, $server) = @_;
    my $socket = $self->_connected($server);
    # Wait for the last line of the greeting: postscreen delays it, and rejects clients that speak before it.
    $self->_answers($socket, qr/^220[ ].*\n/xm, 'no greeting');
    $self->_ask($socket, "EHLO localhost\r\n");
    $self->_answers($socket, qr/^250[ ]/xm, 'EHLO is refused');
    return;
}

sub _prove_secure {
    my ($self, $server) = @_;
    my ($client, $to, $from) = $self->_client($server);
    $self->_answers($from, qr/^220[ ].*\n/xm, 'no greeting through TLS');
    $self->_check_certificate if length $self->{chain};
    $self->_ask($to, "EHLO localhost\n");
    $self->_answers($from, qr/^250[ ].*\n/xm, 'EHLO is refused');
    $self->failed('AUTH is not offered') if length $self->{auth} && $self->received !~ /^250[ -]AUTH[ ]/xm;
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
    $self->_ask($to, "QUIT\n");
    close $to;
    waitpid $client, 0;
    @{ $self->{processes} } = grep { $_ != $client } @{ $self->{processes} };
    return;
}

# A TLS client that ends lines as SMTP does (-crlf): its process, its input and its output.
sub _client {
    my ($self, $server) = @_;
    my @command = ('openssl', 's_client', '-connect', $server, '-servername', $self->{name}, '-ign_eof', '-crlf');
    open my $nowhere, '>', '/dev/null' or $self->failed("cannot write /dev/null: $!");
    my $client = open3(my $to, my $from, '>&' . fileno $nowhere, @command);
    close $nowhere;
    push @{ $self->{processes} }, $client;
    return ($client, $to, $from);
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

# Starts a proxy on loopback for one connection, and returns its address: openssl cannot send a proxy's header. The proxy
# sends the header (version 1 of HAProxy's PROXY protocol, section 2.1 of its specification), then forwards both directions.
sub _proxy {
    my ($self, $address) = @_;
    my $listening = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or $self->failed("cannot start a proxy: $!");
    my $proxy = fork // $self->failed("cannot start a proxy: $!");
    if ($proxy) {
        push @{ $self->{processes} }, $proxy;
        return '127.0.0.1:' . $listening->sockport;
    }
    my $client = $listening->accept or exit 1;
    my $server = $self->_connected("$address:$self->{port}");
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

# The address on which the port is bound on this host: loopback if possible.
sub _address {
    my ($self) = @_;
    my @bound;
    wait_until($UNTIL_IT_LISTENS, sub { @bound = listening_addresses($self->{port}) });
    $self->failed('nothing listens') if !@bound;
    return '127.0.0.1' if grep { /^(?:00000000|0100007F)$/x } @bound;
    my ($ipv4) = grep { length == $LENGTH_OF_IPV4 } @bound;
    return join q{.}, reverse map { hex $_ } $ipv4 =~ /../gx if defined $ipv4;
    return '[::1]' if $bound[0] =~ /^0{24}0[01]0{6}$|^0{32}$/x;
    my $bytes = join q{}, map { join q{}, reverse $_ =~ /../gx } $bound[0] =~ /.{8}/gx;
    return '[' . join(q{:}, $bytes =~ /.{4}/gx) . ']';
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
