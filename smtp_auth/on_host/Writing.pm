package SmtpAuth::Writing;

# Writes files, so that each is whole or not there. Functions die with a sentence that ends with a line end.
#
#   create PATH, CONTENT, MODE, [LIKE]   a new file, on the disk when this returns: nothing may stand at PATH, not even a
#                                        link. LIKE is a file that gives it owner, mode, ACL and times; MODE, if defined,
#                                        is set after that
#   replace PATH, CONTENT, MODE          a file that is there or not; whoever reads it sees the old or the new one
#   sync_directory PATH                  what was renamed in it is on the disk when this returns
#   make_directories PATH, MODE          with those above it; returns those that it has made, the lowest first

use strict;
use warnings;
use Exporter qw(import);
use Fcntl qw(O_CREAT O_EXCL O_NOFOLLOW O_WRONLY);
use SmtpAuth::Files qw(directory_of);
use SmtpAuth::Programs qw(run);

our @EXPORT_OK = qw(create replace sync_directory make_directories);

use constant PRIVATE => 0600;

sub create {
    my ($path, $content, $mode, $like) = @_;
    sysopen my $file, $path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE or die "cannot write $path: $!\n";
    binmode $file;
    (print {$file} $content and $file->flush and $file->sync and close $file) or die "cannot write $path: $!\n";
    if (defined $like) {
        my ($status, $said) = run('cp', '--attributes-only', '--preserve=all', '-T', '--', $like, $path);
        die "cannot give $path the attributes of $like: $said\n" if $status;
    }
    !defined $mode or chmod $mode, $path or die "cannot set the mode of $path: $!\n";
    return;
}

sub replace {
    my ($path, $content, $mode) = @_;
    my $new = "$path.new";
    unlink $new;
    create($new, $content, $mode);
    rename $new, $path or die "cannot replace $path: $!\n";
    return;
}

sub sync_directory {
    my ($path) = @_;
    open my $handle, '<', $path or return;
    $handle->sync;
    close $handle or return;
    return;
}

sub make_directories {
    my ($path, $mode) = @_;
    return if -d $path;
    my @made = make_directories(directory_of($path), $mode);
    mkdir $path, $mode or -d $path or die "cannot make $path: $!\n";
    return ($path, @made);
}

1;
