package SmtpAuth::Locks;

# The lock of a change, and the lock files of other programs (dpkg, certbot). Of these, it takes none, not even for a moment:
# that would make such a program fail.
#
#   opened_lock PATH  a handle of the file that a change locks. It is created if it is missing. Dies unless only its owner, this
#                     account, can open it: whoever can open a file can lock it, and would hold up every change
#   holder_of PATH…   the first process of root's that holds a lock on one of these files: "NAME, process PID"; undef if there
#                     is none

use strict;
use warnings;
use Exporter qw(import);
use Fcntl qw(O_CREAT O_NOFOLLOW O_RDWR S_ISREG);
use SmtpAuth::Files qw(content_of entries identity_of);

our @EXPORT_OK = qw(holder_of opened_lock);

my $FOR_ITS_OWNER = oct '600';
my ($FOR_OTHERS, $FOR_EVERYBODY) = map { oct } qw(77 7);

sub opened_lock {
    my ($path) = @_;
    sysopen my $file, $path, O_RDWR | O_CREAT | O_NOFOLLOW, $FOR_ITS_OWNER or die "cannot open $path: $!\n";
    my (undef, undef, $mode, undef, $owner) = stat $file;
    die "$path is no file of root's that nobody else can open, so others could hold up every change: delete it\n"
        if !S_ISREG($mode) || $owner != $> || $mode & $FOR_OTHERS;
    return $file;
}

sub holder_of {
    my @paths = @_;
    my %path = map { _is_only_for_root($_) ? ((lstat _)[1] => $_) : () } @paths or return;
    # "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF" (proc(5)). Some file systems have another device there than in stat(2),
    # so the process's own files decide.
    for my $line (split /\n/x, content_of('/proc/locks') // q{}) {
        my (undef, undef, undef, undef, $pid, $file) = split q{ }, $line;
        my $path = $path{ $file =~ s/.*://xr } // next;
        next if !_is_of_root($pid);
        my $identity = identity_of($path) // next;
        next if !grep { (identity_of("/proc/$pid/fd/$_") // q{}) eq $identity } entries("/proc/$pid/fd");
        my $name = content_of("/proc/$pid/comm") // next;
        chomp $name;
        return "$name, process $pid";
    }
    return;
}

# A file that others can open proves nothing: where certbot's directory belongs to an account without rights, that account could
# hold up every change, also by a program that runs as root and inherits the file, such as sudo.
sub _is_only_for_root {
    my ($path) = @_;
    my (undef, undef, $mode, undef, $owner, $group) = lstat $path or return 0;
    return S_ISREG($mode) && $owner == 0 && !($mode & ($group == 0 ? $FOR_EVERYBODY : $FOR_OTHERS));
}

# All four: real, effective, saved and that for files (proc(5)).
sub _is_of_root { my ($pid) = @_; return (content_of("/proc/$pid/status") // q{}) =~ /^Uid:\t0\t0\t0\t0$/xm }

1;
