# Starts a change as a unit of systemd's: it goes on if the connection is lost, and if it is killed, systemd runs it
# once more to put back what was not proved. Or tells how a change ended.
#
#   start ID RECORD    behind `__END__` comes the program of the change with its orders
#   follow ID RECORD   waits until the change has ended
# RECORD is the directory of the record.
#
# At last it prints "said TAB TEXT" and "outcome TAB OUTCOME", as the change does.
use strict;
use warnings;

my ($what, $id, $record) = @ARGV;
my $unit = "smtp-auth-change";
my $folder = "/run/smtp-auth-$id";
$ENV{LC_ALL} = "C";
$SIG{HUP} = $SIG{PIPE} = "IGNORE";

$what eq "follow" ? follow() : start();

sub start {
    local $/;
    my $program = <DATA>;
    # Without its last line it has not arrived whole.
    $program =~ /\ncomplete\t1\n*\z/ or refuse("the change arrived incomplete");
    remove_remains();
    mkdir $folder, 0700 or refuse("cannot make $folder: $!");
    my $user = $ENV{SUDO_USER} || getpwuid $<;
    my ($from) = split / /, $ENV{SSH_CONNECTION} || "";
    write_file("$folder/change.pl", "${program}ssh_user\t$user\n");
    write_file("$folder/who", $user . ($from ? " from $from" : "") . " since " . gmtime() . " UTC");
    my $program_file = "$folder/change.pl";
    # The change takes its folder away at its end; what is left of it was cut short.
    my $put_back = "test ! -e $program_file || exec $^X $program_file put-back; rm -rf $folder";
    my @command = ("systemd-run", "--quiet", "--collect", "--unit=$unit");
    push @command, "--description=Change of the mail configuration ($id)";
    # systemd-run waits over D-Bus; a host need not have it.
    my $waits = -S "/run/dbus/system_bus_socket";
    push @command, "--wait", "--pipe" if $waits;
    push @command, "-p", "ExecStopPost=/bin/sh -c '$put_back'", "-p", "TimeoutStopSec=600";
    push @command, "-p", "RuntimeMaxSec=1800", $^X, $program_file, "change";
    open STDIN, "<", "/dev/null";
    my $status = system { $command[0] } @command;
    follow() if !$waits && $status == 0;
    exit 0 if $status == 0;
    # If its folder is still there, the change has not begun.
    exit 1 unless -e $program_file && !-e "$folder/began";
    remove($folder);
    refuse(at_work() || "systemd-run cannot run the change on this host");
}

# Who else is at work.
sub at_work {
    my ($who) = grep { defined } map { content_of($_) } glob "/run/smtp-auth-*/who";
    return unless defined $who;
    return "another deploy is at work on this host ($who); nothing was changed, run again when it has ended";
}

# What a start that died has left. No change takes an hour.
sub remove_remains { remove($_) for grep { -M > 1 / 24 } glob "/run/smtp-auth-2*" }

# Waits for the change's outcome, for at most ten minutes.
sub follow {
    for (1 .. 6000) {
        my $last = content_of("$record/last");
        if (defined $last && $last =~ s/\Aid\t\Q$id\E\n//) {
            print $last;
            exit($last =~ /^outcome\tlive$/m ? 0 : 1);
        }
        -e $folder || $what eq "start"
            or answer("unknown", "no trace of the change is there: it did not begin, or others came since; run again");
        select undef, undef, undef, 0.1;
    }
    answer("unknown", "the change has not ended yet: run again to see its outcome");
}

sub refuse {
    my ($why) = @_;
    answer("refused", $why =~ /nothing was changed/ ? $why : "$why; nothing was changed");
}

sub answer {
    my ($outcome, $said) = @_;
    $said =~ s/([^ -\$&-~])/sprintf "%%%02X", ord $1/ge;
    print "said\t$said\noutcome\t$outcome\n";
    exit 1;
}

sub write_file {
    my ($path, $content) = @_;
    if (open my $file, ">:raw", $path) {
        return if print $file $content and close $file;
    }
    my $why = $!;
    remove($folder);
    refuse("cannot write $path: $why");
}

sub remove { my ($directory) = @_; unlink glob "$directory/*"; rmdir $directory }

sub content_of {
    my ($path) = @_;
    open my $file, "<", $path or return;
    local $/;
    return scalar <$file>;
}
