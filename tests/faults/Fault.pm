# Loaded in front of the program of a change (`perl -MFault`), counts what it does to the system: each file that
# it makes, renames, links, removes or changes, and each program that it starts. At one of these it is killed, held
# up, made to fail, or something else is done first. In the folder FAULT_FOLDER:
#
#   at       "NUMBER ACTION KIND": what happens at which of them. ACTION is kill, fail, pause, run (the shell
#            script `action`) or nothing; KIND is the name of Perl's function, such as rename, or any
#   count    grows by one byte at each of this kind
#   paused   the process id, once it is held up, until there is a file `go`
package Fault;
use strict;
use warnings;
use Fcntl qw(O_CREAT);

my $folder = $ENV{FAULT_FOLDER};
my ($number, $action, $kind) = (0, "nothing", "any");

if (CORE::open(my $at, "<", "$folder/at")) { ($number, $action, $kind) = split " ", <$at> }

my $count = 0;

# Whether the effect that follows may happen.
sub effect {
    my ($its) = @_;
    return 1 unless $kind eq "any" || $kind eq $its;
    write_to("count", ".");
    return 1 unless ++$count == $number;
    kill KILL => $$ if $action eq "kill";
    system "sh", "$folder/action" if $action eq "run";
    # ENOSPC
    if ($action eq "fail") { $! = 28; return 0 }
    if ($action eq "pause") {
        write_to("paused", "$$\n");
        select undef, undef, undef, 0.02 until -e "$folder/go" || !-e $folder;
    }
    return 1;
}

sub write_to {
    my ($name, $text) = @_;
    CORE::open(my $file, ">>", "$folder/$name") or die "$folder/$name: $!";
    print $file $text;
    close $file;
}

sub open_counted (*;$@) {
    my $mode = $_[1];
    return if $mode =~ /^-\|/ && !effect("open");
    # STDIN and its like arrive as their names.
    no strict "refs";
    my $is_name = defined $_[0] && !ref $_[0] && ref \$_[0] ne "GLOB";
    return CORE::open(*{"main::$_[0]"}, $mode, @_[2 .. $#_]) if $is_name;
    return @_ > 2 ? CORE::open($_[0], $mode, @_[2 .. $#_]) : CORE::open($_[0], $mode);
}

sub sysopen_counted (*$$;$) {
    return if $_[2] & O_CREAT && !effect("sysopen");
    return CORE::sysopen($_[0], $_[1], $_[2], @_ > 3 ? $_[3] : 0666);
}

BEGIN {
    # Neither the rehearsal, which touches nothing, nor what puts back after a kill.
    if (@ARGV && $ARGV[0] eq "change") {
        no warnings "once";
        *CORE::GLOBAL::rename = sub ($$) { effect("rename") && CORE::rename($_[0], $_[1]) };
        *CORE::GLOBAL::link = sub ($$) { effect("link") && CORE::link($_[0], $_[1]) };
        *CORE::GLOBAL::unlink = sub (@) { effect("unlink") && CORE::unlink(@_ ? @_ : $_) };
        *CORE::GLOBAL::mkdir = sub (_;$) { effect("mkdir") && CORE::mkdir($_[0], @_ > 1 ? $_[1] : 0777) };
        *CORE::GLOBAL::rmdir = sub (_) { effect("rmdir") && CORE::rmdir($_[0]) };
        *CORE::GLOBAL::chmod = sub (@) { effect("chmod") && CORE::chmod(shift, @_) };
        *CORE::GLOBAL::utime = sub (@) { effect("utime") && CORE::utime(shift, shift, @_) };
        *CORE::GLOBAL::flock = sub (*$) { effect("flock") && CORE::flock($_[0], $_[1]) };
        *CORE::GLOBAL::open = \&open_counted;
        *CORE::GLOBAL::sysopen = \&sysopen_counted;
    }
}

1;
