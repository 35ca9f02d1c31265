package SmtpAuth::Locks;

# Which processes hold the lock files of other programs (dpkg, certbot). It takes no lock itself, not even for a moment: that
# would make such a program fail.
#
#   holder_of PATH…   the first process that holds a lock on one of these files: "NAME, process PID"; undef if there is none

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of entries is_same);

our @EXPORT_OK = qw(holder_of);

sub holder_of {
    my @paths = @_;
    my %path = map { (stat)[1] => $_ } grep { -e } @paths or return;
    # "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF" (proc(5)). Some file systems have another device there than in stat(2),
    # so the process's own files decide.
    for my $line (split /\n/x, content_of('/proc/locks') // q{}) {
        my (undef, undef, undef, undef, $pid, $file) = split q{ }, $line;
        my $path = $path{ $file =~ s/.*://xr } // next;
        next if !grep { is_same("/proc/$pid/fd/$_", $path) } entries("/proc/$pid/fd");
        my $name = content_of("/proc/$pid/comm") // next;
        chomp $name;
        return "$name, process $pid";
    }
    return;
}

1;
