package Fault;

# Loaded in front of the program of a change (`perl -MFault`), counts what it does to the system: each file that
# it makes, renames, links, removes or changes, and each program that it starts. At one of these it is killed, held
# up, made to fail, or something else is done first. In the folder FAULT_FOLDER:
#
#   at       "NUMBER ACTION KIND": what happens at which of them. ACTION is kill, fail, pause, run (the shell
#            script `action`), nothing, or walk: it is paused at each of them, and at each sync. KIND is the
#            name of Perl's function, such as rename, or any
#   count    grows by one byte at each of this kind
#   paused   the process id and the kind, once it is held up, until there is a file `go`; it deletes both
#
# Neither what a rehearsal does is counted, which touches nothing, nor a proof, nor what puts back after a kill.

use strict;
use warnings;
use Errno qw(ENOSPC);
use Fcntl qw(O_CREAT);
use IO::Handle;
use Symbol qw(qualify_to_ref);

my $FOR_EVERYBODY = oct '777';
my $PAUSE = 0.02;

my $folder = $ENV{FAULT_FOLDER};
my ($number, $action, $kind) = at();

my $count = 0;

sub at {
    my @nothing = (0, 'nothing', 'any');
    CORE::open(my $file, '<', "$folder/at") or return @nothing;
    my $line = <$file>;
    close $file or return @nothing;
    return split q{ }, $line;
}

# Whether the effect that follows may happen.
sub effect {
    my ($its) = @_;
    return 1 if $kind ne 'any' && $kind ne $its;
    write_to('count', q{.});
    hold_up($its) if $action eq 'walk';
    return 1 if ++$count != $number;
    kill KILL => $$ if $action eq 'kill';
    system 'sh', "$folder/action" if $action eq 'run';
    hold_up($its) if $action eq 'pause';
    return 1 if $action ne 'fail';
    $! = ENOSPC; ## no critic (RequireLocalizedPunctuationVars): whoever called reads it
    return 0;
}

sub hold_up {
    my ($its) = @_;
    write_to('paused', "$$ $its\n");
    while (!-e "$folder/go" && -e $folder) { select undef, undef, undef, $PAUSE }
    CORE::unlink("$folder/paused", "$folder/go");
    return;
}

sub write_to {
    my ($name, $text) = @_;
    CORE::open(my $file, '>>', "$folder/$name") or die "$folder/$name: $!\n";
    print {$file} $text or die "$folder/$name: $!\n";
    close $file or die "$folder/$name: $!\n";
    return;
}

# Perl takes a function in place of its own only with the same prototype, and a handle is made in the caller's own variable.
## no critic (ProhibitSubroutinePrototypes, RequireArgUnpacking)

sub open_counted (*;$@) {
    my (undef, $mode, @more) = @_;
    return if $mode =~ /^-[|]/x && !effect('open');
    # STDIN and its like arrive as their names.
    my $is_name = defined $_[0] && !ref $_[0] && ref \$_[0] ne 'GLOB';
    return CORE::open(*{ qualify_to_ref($_[0], 'main') }, $mode, @more) if $is_name;
    return @more ? CORE::open($_[0], $mode, @more) : CORE::open($_[0], $mode);
}

sub sysopen_counted (*$$;$) {
    my (undef, $path, $flags, $mode) = @_;
    return if $flags & O_CREAT && !effect('sysopen');
    return CORE::sysopen($_[0], $path, $flags, $mode // oct '666');
}

my %COUNTED = (
    rename => sub ($$) { effect('rename') && CORE::rename($_[0], $_[1]) },
    symlink => sub ($$) { effect('symlink') && CORE::symlink($_[0], $_[1]) },
    link => sub ($$) { effect('link') && CORE::link($_[0], $_[1]) },
    unlink => sub (@) { effect('unlink') && CORE::unlink(@_ ? @_ : $_) },
    mkdir => sub (_;$) { effect('mkdir') && CORE::mkdir($_[0], $_[1] // $FOR_EVERYBODY) },
    rmdir => sub (_) { effect('rmdir') && CORE::rmdir($_[0]) },
    chmod => sub (@) { effect('chmod') && CORE::chmod(shift, @_) },
    utime => sub (@) { effect('utime') && CORE::utime(shift, shift, @_) },
    flock => sub (*$) { effect('flock') && CORE::flock($_[0], $_[1]) },
    open => \&open_counted,
    sysopen => \&sysopen_counted,
);

if (@ARGV && $ARGV[0] eq 'change') {
    *{ qualify_to_ref($_, 'CORE::GLOBAL') } = $COUNTED{$_} for keys %COUNTED;
    if ($action eq 'walk') {
        my $sync = \&IO::Handle::sync;
        no warnings 'redefine'; ## no critic (ProhibitNoWarnings): it takes the place of that function
        *IO::Handle::sync = sub { effect('sync') && $sync->(@_) };
    }
}

1;
