package SmtpAuth::Beside;

# The files that a change keeps beside a file NAME while it replaces it. If the change is killed, or the host loses its power,
# they remain, and the next change restores or deletes what they show.
#
#   .NAME.smtp-auth-new~       the new version, until it is swapped in
#   .NAME.smtp-auth-old-SHA~   the earlier version, until the one with digest SHA is proved
#   .NAME.smtp-auth-none-SHA~  the same if there was no file
#
# Because of the "~" at the end, certbot does not run them and Dovecot does not read them. Where others may write to the directory,
# they may plant such names, too: only regular files of root's, or of the owner of NAME, count.
#
#   staged PATH                 the path of the new version of a file
#   place_for PATH, DIGEST      the path of the earlier version, until the one with this digest is proved
#   place_for_none PATH, DIGEST the same if there was no file
#   kept PATH                   the path of the earlier version, if it exists; else undef. Dies if nobody can tell
#   was_none KEPT               whether KEPT says that there was no file
#   digest_in KEPT              the digest of the version that was to be proved
#   leftovers_in DIRECTORY      the paths of all such files in a directory. Dies if nobody can tell

use strict;
use warnings;
use Exporter qw(import);
use Fcntl qw(S_ISREG);
use SmtpAuth::Files qw(directory_of names_in name_of status_of);

our @EXPORT_OK = qw(staged place_for place_for_none kept was_none digest_in leftovers_in);

sub staged { my ($path) = @_; return _beside($path, 'new') }

sub place_for { my ($path, $digest) = @_; return _beside($path, "old-$digest") }

sub place_for_none { my ($path, $digest) = @_; return _beside($path, "none-$digest") }

sub _beside {
    my ($path, $what) = @_;
    return directory_of($path) . q{/.} . name_of($path) . ".smtp-auth-$what~";
}

sub kept {
    my ($path) = @_;
    my ($directory, $name) = (directory_of($path), name_of($path));
    my @found = grep { /^[.]\Q$name\E[.]smtp-auth-(?:old|none)-[0-9a-f]*~$/x } names_in($directory);
    my ($kept) = grep { _is_ours($_, $path) } map { "$directory/$_" } @found;
    return $kept;
}

sub _is_ours {
    my ($beside, $path) = @_;
    my ($mode, $owner) = (status_of($beside))[2, 4];
    return 0 if !defined $owner || !S_ISREG($mode);
    return 1 if $owner == $>;
    my $its = (status_of($path))[4];
    return defined $its && $owner == $its;
}

sub leftovers_in {
    my ($directory) = @_;
    my @found;
    for my $name (names_in($directory)) {
        my ($of) = $name =~ /^[.](.*)[.]smtp-auth-(?:new|(?:old|none)-[0-9a-f]*)~$/x or next;
        push @found, "$directory/$name" if _is_ours("$directory/$name", "$directory/$of");
    }
    return @found;
}

sub was_none { my ($kept) = @_; return $kept =~ /[.]smtp-auth-none-[0-9a-f]*~$/x }

sub digest_in { my ($kept) = @_; return $kept =~ /-([0-9a-f]*)~$/x ? $1 : q{} }

1;
