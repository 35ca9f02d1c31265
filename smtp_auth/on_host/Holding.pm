package SmtpAuth::Holding;

# Holds a host, or releases it: see SmtpAuth::Hold. No change waits for it, and it waits for none.
#
#   main PARTS, WHAT    WHAT is `hold` or `release`. PARTS are not used. Returns 0; dies if the instructions are incomplete, and
#                       has then done nothing
#
# The instructions follow `__END__`: see SmtpAuth::Instructions. Of its keys, it reads `record`, `lock` and `controller`; for a
# hold, there are two more: `why`, and `until`, which is empty if the hold has no end.
#
# It prints lines of SmtpAuth::Lines:
#   refused         why nothing was held or released; then without the next three
#   before          the hold that was in force before, if there was one, as SmtpAuth::Hold's value_of says it
#   hold            the hold that is in force now
#   at_work         1 if a change is running that has seen nothing of the hold, and so is completed
#   complete        1: the lines above are complete

use strict;
use warnings;
use Fcntl qw(LOCK_EX);
use Symbol qw(qualify_to_ref);
use SmtpAuth::Account qw(account);
use SmtpAuth::Files qw(directory_of is_there);
use SmtpAuth::Hold qw(hold_in holds_in utc_now value_of);
use SmtpAuth::Instructions;
use SmtpAuth::Lines qw(answer as_line);
use SmtpAuth::Locks qw(holder_of);
use SmtpAuth::Programs qw(prepare);
use SmtpAuth::Writing qw(create make_directories sync_directory);

# How many holds and releases are kept.
my $KEPT = 20;

my $FOR_ITS_OWNER = oct '700';

my $NOT_ROOT = q{not root: set ssh_user to 'root', or _sudo to True, for this host};

sub main {
    my (undef, $what) = @_;
    # A lost connection must not stop it between two files.
    $SIG{HUP} = $SIG{PIPE} = 'IGNORE';
    prepare();
    my $instructions = SmtpAuth::Instructions->read_from(qualify_to_ref('DATA', 'main'));
    my @said = eval { $what eq 'hold' ? _hold($instructions) : _release($instructions) };
    if (my $why = $@) {
        chomp $why;
        @said = ([refused => $why =~ /Permission[ ]denied$/x ? $NOT_ROOT : $why]);
    }
    answer(@{$_}) for @said, [complete => 1];
    return 0;
}

sub _hold {
    my ($instructions) = @_;
    my ($record, $why, $until) = map { $instructions->one($_) } qw(record why until);
    my $now = utc_now();
    die "the hold would end at $until, and the clock of this host says $now: give a later --until\n" if length $until && $until le $now;
    make_directories($record, $FOR_ITS_OWNER);
    my $lock = _locked($record);
    my $before = hold_in($record);
    my $value = join "\0", _who($instructions), $now, $why, $until;
    _write($record, 'hold', as_line('hold', $value), sub { rename "$record/hold.new", "$record/hold" });
    sync_directory(directory_of($record));
    my @running = map { [at_work => 1] } grep { defined } holder_of($instructions->one('lock'));
    return _told('before', $before), [hold => $value], @running;
}

sub _release {
    my ($instructions) = @_;
    my $record = $instructions->one('record');
    return if !is_there($record);
    my $lock = _locked($record);
    my $before = hold_in($record) // return;
    my $value = join "\0", _who($instructions), utc_now(), q{}, q{};
    _write($record, 'release', as_line('release', $value), sub { unlink "$record/hold" });
    return _told('before', $before);
}

# A handle. One that holds or releases this host at the same time waits until it is closed.
sub _locked {
    my ($record) = @_;
    open my $handle, '<', $record or die "cannot open $record: $!\n";
    flock $handle, LOCK_EX or die "cannot lock $record: $!\n";
    return $handle;
}

# All that needs space on the disk is written before anything is in its place.
sub _write {
    my ($record, $what, $line, $put) = @_;
    my @before = map { as_line(@{$_}) } holds_in($record);
    my @log = (@before, $line);
    splice @log, 0, -$KEPT if @log > $KEPT;
    my %content = (holds => join(q{}, @log), $what eq 'hold' ? (hold => $line) : ());
    my @new = map { "$record/$_.new" } sort keys %content;
    unlink @new;
    my $is_written = eval {
        create("$record/$_.new", $content{$_}) for sort keys %content;
        rename "$record/holds.new", "$record/holds" or die "cannot write $record/holds: $!\n";
        if (!$put->()) {
            my $error = $!;
            # The log must not say what was not done.
            eval { create("$record/holds.new", join q{}, @before); rename "$record/holds.new", "$record/holds"; 1 } or 1;
            die "cannot $what this host: $record/hold: $error\n";
        }
        1;
    };
    my $why = $@;
    unlink @new;
    sync_directory($record);
    die $why if !$is_written;
    return;
}

sub _who { my ($instructions) = @_; return join q{ }, $instructions->one('controller'), 'as', account() }

sub _told { my ($key, $hold) = @_; return $hold ? [$key => value_of($hold)] : () }

1;
