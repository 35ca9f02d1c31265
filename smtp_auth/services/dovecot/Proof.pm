package SmtpAuth::Dovecot::Proof;

# Proves that Dovecot answers on its auth socket; see SmtpAuth::Proof. Its argument: the socket's path.

use strict;
use warnings;
use parent qw(SmtpAuth::Proof);
use IO::Socket::UNIX;

my $IT_ANSWERS = 'Dovecot: its socket for Postfix answers';

sub new { my ($class, $path) = @_; return bless {where => $path}, $class }

sub prove {
    my ($self) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $self->{where}) or $self->failed("cannot connect: $!");
    $self->expect($socket, qr/^VERSION\t/xm, 'Dovecot does not answer');
    return;
}

sub proved { return $IT_ANSWERS }

1;
