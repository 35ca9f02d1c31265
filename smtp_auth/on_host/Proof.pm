package SmtpAuth::Proof;

# Proves a service with a real connection. A program of its own: each service that can be proved has a package
# PACKAGE::Proof that inherits from this one and tells of its words.
#
#   main PARTS, WORD…     PARTS is that one package. Returns the exit status: 0 where the service serves, else 1, and says why
#                         on standard error, in one line
#
# What such a package overrides:
#   new WORD…             sets `where`: what does not serve, for people
#   prove                 has the conversation; dies by failed() where the service does not serve
#   end                   ends the processes that it has started
#   died                  why no answer is to be waited for any longer; it is asked every two seconds
#   failed WHY            dies with WHERE and WHY
#
# What it uses:
#   expect HANDLE, PATTERN, WHY   reads on until PATTERN is in what came, and fails with WHY where that ends before
#   received                      what came; `forget` makes it empty

use strict;
use warnings;
use IO::Select;

# Seconds. master starts an smtpd that died a minute later again.
my $PATIENCE = 90;
my $PAUSE = 2;

my $LONGEST_READ = 65_536;

sub main {
    my ($parts, @words) = @_;
    my $proof = $parts->[0]->new(@words);
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { $proof->failed('no answer in time') };
    alarm $PATIENCE;
    my $why = eval { $proof->prove; 1 } ? undef : $@;
    alarm 0;
    $proof->end;
    return 0 if !defined $why;
    print {*STDERR} $why or return 1;
    return 1;
}

sub received { my ($self) = @_; return $self->{received} // q{} }

sub forget { my ($self) = @_; $self->{received} = q{}; return }

sub expect {
    my ($self, $from, $pattern, $why) = @_;
    my $waiting = IO::Select->new($from);
    while ($self->received !~ $pattern) {
        while (!$waiting->can_read($PAUSE)) {
            my $death = $self->died;
            $self->failed($death) if defined $death;
        }
        sysread $from, $self->{received}, $LONGEST_READ, length $self->received or $self->failed($why);
    }
    return;
}

sub end { return }

sub died { return }

sub failed {
    my ($self, $why) = @_;
    die "$self->{where}: $why\n";
}

1;
