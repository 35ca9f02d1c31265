package SmtpAuth::Beside;

# What stands beside a file NAME while a change replaces it. A change that was killed, or whose host lost its power, leaves
# it there, and the next one judges by it.
#
#   .NAME.smtp-auth-new~       the new version, until it is swapped in
#   .NAME.smtp-auth-old-SHA~   the version before, until the one with digest SHA is proved
#   .NAME.smtp-auth-none-SHA~  the same, where there was no file
#
# The "~" at the end keeps certbot from running them and Dovecot from reading them.
#
#   staged PATH                 where the new version of a file stands
#   place_for PATH, DIGEST      where the version before stands, until the one with this digest is proved
#   place_for_none PATH, DIGEST the same, where there was no file
#   kept PATH                   the version before, if it stands there; else undef
#   was_none KEPT               whether that says that there was no file
#   digest_in KEPT              the digest of the version that was to be proved
#   leftovers_in DIRECTORY       the paths of all that stands so in a directory
#   is_same_file ONE, OTHER     whether two names are those of one file: the version before was not replaced

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(directory_of entries name_of);

our @EXPORT_OK = qw(staged place_for place_for_none kept was_none digest_in leftovers_in is_same_file);

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
    my ($kept) = grep { /^[.]\Q$name\E[.]smtp-auth-(?:old|none)-[0-9a-f]*~$/x } entries($directory);
    return defined $kept ? "$directory/$kept" : undef;
}

sub leftovers_in {
    my ($directory) = @_;
    return map { "$directory/$_" } grep { /^[.].*[.]smtp-auth-(?:new|(?:old|none)-[0-9a-f]*)~$/x } entries($directory);
}

sub was_none { my ($kept) = @_; return $kept =~ /[.]smtp-auth-none-[0-9a-f]*~$/x }

sub digest_in { my ($kept) = @_; return $kept =~ /-([0-9a-f]*)~$/x ? $1 : q{} }

sub is_same_file {
    my @files = @_;
    my ($one, $other) = map { join q{ }, (stat)[0, 1] } @files;
    return length $one && $one eq $other;
}

1;
