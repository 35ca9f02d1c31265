package SmtpAuth::Proof;

# Proves a service with a real connection. This is a program of its own: each service that can be proved has a package
# PACKAGE::Proof, which inherits from this one and documents its arguments.
#
#   main PARTS, WORD…     PARTS is that one package. Several conversations are separated by the word `--`; the first that fails
#                         is the last. Returns the exit status: 0 if the service works, and what was proved is printed, a line
#                         for each PROVED; else 1, and the reason is printed on standard error, in one line
#
# What such a package overrides:
#   new WORD…             sets `where`: what is proved, for people
#   prove                 has the conversation; calls failed() if the service does not work
#   proved                afterwards: (PROVED, NAME…), what was proved, in a few words for people. PROVED is the same on hosts
#                         that are the same. If several conversations have the same PROVED, their NAMEs follow it, in one line
#   end                   stops the processes that it has started
#   died                  the reason to stop waiting for an answer, if there is one; called every two seconds
#   failed WHY            dies with WHERE and WHY
#
# What it uses:
#   expect HANDLE, PATTERN, WHY   reads until the received text matches PATTERN; fails with WHY at the end of the input, and if
#                                 there is too much of it
#   received                      the received text; `forget` empties it

use strict;
use warnings;
use IO::Select;

# Seconds. master starts an smtpd again one minute after it died.
my $PATIENCE = 90;
my $PAUSE = 2;

my $LONGEST_READ = 65_536;

# More than any answer: the most is what openssl says of certificates.
my $MOST_RECEIVED = 1 << 20;

sub main {
    my ($parts, @words) = @_;
    my @conversations = ([]);
    for my $word (@words) {
        if ($word eq q{--}) { push @conversations, [] }
        else                { push @{ $conversations[-1] }, $word }
    }
    local $SIG{PIPE} = 'IGNORE';
    my (@proved, %names);
    for my $proof (map { $parts->[0]->new(@{$_}) } @conversations) {
        my $why = _why_not($proof);
        if (defined $why) {
            print {*STDERR} $why or return 1;
            return 1;
        }
        my ($proved, @names) = $proof->proved;
        push @proved, $proved if !$names{$proved};
        push @{ $names{$proved} }, @names;
    }
    print map { join(q{ }, $_, _listed(@{ $names{$_} })) . "\n" } @proved or return 1;
    return 0;
}

sub _listed {
    my (@others) = @_;
    my $last = pop @others;
    return @others ? join(', ', @others) . " and $last" : $last // ();
}

# Why the service does not work; undef if it does.
sub _why_not {
    my ($proof) = @_;
    local $SIG{ALRM} = sub { $proof->failed("no answer within $PATIENCE seconds") };
    alarm $PATIENCE;
    my $why = eval { $proof->prove; 1 } ? undef : $@;
    alarm 0;
    $proof->end;
    return $why;
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
        $self->_failed_by_size($why) if length $self->received > $MOST_RECEIVED;
    }
    return;
}

sub _failed_by_size {
    my ($self, $why) = @_;
    # A failure quotes the last line.
    $self->forget;
    return $self->failed("$why: the server sends more than $MOST_RECEIVED bytes");
}

sub end { return }

sub died { return }

sub failed {
    my ($self, $why) = @_;
    die "$self->{where}: $why\n";
}

1;
