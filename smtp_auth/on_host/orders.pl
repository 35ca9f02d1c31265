# What a change of a host's configuration files is to do, and the small tools of its programs.
#
# change.py puts the program together: this file, rehearsal.pl, record.pl, transaction.pl, the parts of the
# services (postfix.pl, dovecot.pl, certbot_hook.pl) and main.pl, then `__END__` and the orders. An order is
# a line "key TAB value", with every byte outside printable ASCII and every "%" as %XX; a key may be repeated.
#
#   id                     of the change, the same on all hosts of a run
#   lock                   a directory of the host; one change at a time holds it
#   record                 the directory of the record
#   run                    an existing directory for what does not outlive a change
#   scratch                an existing directory, which a private namespace may cover
#   manifest               what the record shall say of the change: a JSON object
#   etc                    what etckeeper may keep, if it shall hear of the change
#   about                  the change in a few words
#   unrecorded             not empty if an earlier version, which kept no record, may have been there
#   first_seen             a Postfix parameter as the look found it: "NAME": "VALUE" in JSON
#   file                   the key of a managed file, in the order in which they go live
#   file.KEY.path          where it is, behind any links
#   file.KEY.service       whose file it is
#   file.KEY.seen          SHA-256 of what the plan saw there; empty: no file
#   file.KEY.seen_as       the same with mode and owner, in JSON
#   file.KEY.digest        SHA-256 of what it becomes, if it changes; empty: it goes
#   file.KEY.content       its new content; with file.KEY.mode, if that changes
#   service                a service that takes part, in the order in which they go live
#   reload                 a service that is reloaded
#   prove                  the text of prove.pl
#   postfix.… dovecot.… hook.…   see the part of the service
#   ssh_user               who has sent it: added on the host by start.pl
use strict;
use warnings;
use Fcntl qw(:flock);
use IO::Handle;
use IO::Socket::UNIX;
use POSIX ();

$ENV{LC_ALL} = "C";
$ENV{PATH} = join ":", grep { defined && length } $ENV{PATH}, "/usr/sbin", "/usr/bin", "/sbin", "/bin";
umask 022;

our (%order, %orders);

# The parts of the services, by name. Each is a hash of functions; one that finds something wrong dies with a
# sentence.
#   refused      what the service's own programs have against the new files
#   running      whether it runs
#   reload       makes the service read its files again, or starts it if it does not run
#   prove        proves that it serves with the new files
#   bring_back   as reload, after the old files are back
#   prove_old    proves that it serves as it did before
our %part;

sub read_orders {
    my ($from) = @_;
    while (my $line = <$from>) {
        chomp $line;
        my ($key, $value) = split /\t/, $line, 2;
        $value =~ s/%([0-9A-F]{2})/chr hex $1/ge;
        $order{$key} = $value;
        push @{ $orders{$key} }, $value;
    }
}

sub all { return @{ $orders{ $_[0] } || [] } }

sub files { return all("file") }
sub is_changed { return defined $order{"file.$_[0].digest"} }
sub changed_files { return grep { is_changed($_) } files() }
sub goes { return is_changed($_[0]) && !length $order{"file.$_[0].digest"} }
sub new_files { return grep { !goes($_) } changed_files() }
sub files_of { my ($service) = @_; return grep { $order{"file.$_.service"} eq $service } files() }
sub path_of { return $order{"file.$_[0].path"} }
sub directory_of { my ($path) = @_; $path =~ s{/[^/]*$}{}; return $path }
sub is_reloaded { my ($service) = @_; return scalar grep { $_ eq $service } all("reload") }

# run COMMAND…: its exit status and everything that it says.
sub run {
    my @command = @_;
    my $pid = open my $pipe, "-|";
    return (1, "cannot start $command[0]: $!") unless defined $pid;
    if (!$pid) {
        open STDIN, "<", "/dev/null";
        open STDERR, ">&", \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    local $/;
    my $said = <$pipe>;
    close $pipe;
    return ($?, defined $said ? $said : "");
}

sub content_of {
    my ($path) = @_;
    open my $file, "<:raw", $path or return;
    return if -d $file;
    local $/;
    my $content = <$file>;
    return defined $content ? $content : "";
}

# answer KEY, VALUE: a line of what this program answers, in the form of the orders.
sub answer { print as_line(@_) }

sub as_line {
    my ($key, $value) = @_;
    $value =~ s/([^ -\$&-~])/sprintf "%%%02X", ord $1/ge;
    return "$key\t$value\n";
}

# A word of a command that a reader is asked to copy.
sub quoted {
    my ($word) = @_;
    return $word if $word =~ m{^[\w@%+=:,./-]+$}a;
    return "'" . $word =~ s/'/'"'"'/gr . "'";
}

# A new file that is on the disk when this returns. Dies without "nothing was changed": the caller knows.
sub write_file {
    my ($path, $content, $mode) = @_;
    open my $file, ">:raw", $path or die "cannot write $path: $!\n";
    (print $file $content and $file->flush and $file->sync) or die "cannot write $path: $!\n";
    close $file or die "cannot write $path: $!\n";
    !defined $mode or chmod $mode, $path or die "cannot set the mode of $path: $!\n";
}

sub sync_directory {
    my ($directory) = @_;
    open my $handle, "<", $directory or return;
    $handle->sync;
}

# The SHA-256 of each file that exists, by path.
sub digests_of {
    my @there = grep { -f } @_;
    return () unless @there;
    my (undef, $said) = run("sha256sum", "--", @there);
    return map { /^\\?([0-9a-f]{64}) [ *](.*)$/ ? ($2, $1) : () } split /\n/, $said;
}

# wait_until SECONDS, FUNCTION: what the function gave at last.
sub wait_until {
    my ($seconds, $function) = @_;
    my $found = $function->();
    for (my $left = $seconds; !$found && $left > 0; $left -= 0.01) {
        select undef, undef, undef, 0.01;
        $found = $function->();
    }
    return $found;
}

# running NAME, PIDFILE: the process that the file names, if it is alive and still that program.
sub running {
    my ($name, $pid_file) = @_;
    my ($pid) = (content_of($pid_file) || "") =~ /(\d+)/ or return;
    return ((content_of("/proc/$pid/comm") || "") eq "$name\n") ? $pid : undef;
}

sub now {
    my (undef, $said) = run("date", "+%s.%N");
    chomp $said;
    return $said;
}

# The journal since a time in seconds since 1970.
sub journal_since {
    my ($when) = @_;
    return (run("journalctl", "--quiet", "--no-pager", "--output=short", "--since=\@$when"))[1];
}

# prove_by SINCE, ARGUMENT…: a real connection, see prove.pl.
sub prove_by {
    my ($status, $said) = run($^X, "-e", $order{prove}, "--", @_);
    die $said if $status;
}
