package SmtpAuth::Baseline;

# What a host was before the first change of it; never thrown away. Below the directory of the record:
#
#   baseline/files.json        each managed file as it was before the first change of it: digest, mode, owner
#   baseline/files/PATH        and its content
#   baseline/parameters.json   each Postfix parameter as it was first seen
#
# A JSON file is {"version": 1, "first_seen": {…}} with a line for each name.
#
#   keep_baseline INSTRUCTIONS, PROVED   adds the files and parameters that it lacks. PROVED has the files whose present
#                                        version was never proved: path to the file with the version that was proved
#                                        last, or to undef where that was none. Dies where it cannot be written

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of group_name permissions user_name);
use SmtpAuth::Json qw(quoted);
use SmtpAuth::Programs qw(digests_of);
use SmtpAuth::Writing qw(copy_below make_directories replace);

our @EXPORT_OK = qw(keep_baseline);

my $NAME = qr/("(?:[^"\\]+|\\.)*+"):[ ]/x;

my $FOR_ITS_OWNER = oct '700';

sub keep_baseline {
    my ($instructions, $proved) = @_;
    my $baseline = $instructions->one('record') . '/baseline';
    my %is_known = map { $_ => 1 } _names(_lines_of("$baseline/files.json"));
    my @new = grep { !$is_known{ quoted($instructions->path_of($_)) } } $instructions->files;
    make_directories($baseline, $FOR_ITS_OWNER);
    copy_below("$baseline/files", $proved, map { $instructions->path_of($_) } @new);
    my @as_proved =
        map { quoted($instructions->path_of($_)) . ': ' . _as_proved($instructions, $proved, $_) } @new;
    _add("$baseline/files.json", @as_proved);
    _add("$baseline/parameters.json", $instructions->all('first_seen'));
    return;
}

# Adds `"NAME": VALUE` to a JSON file, unless it has the name.
sub _add {
    my ($path, @lines) = @_;
    my @present = _lines_of($path);
    my %is_known = map { $_ => 1 } _names(@present);
    my @added = grep { !$is_known{ (_names($_))[0] }++ } @lines;
    return if !@added;
    my $text = join ",\n", @present, @added;
    replace($path, qq({"version": 1, "first_seen": {\n$text\n}}\n));
    return;
}

sub _lines_of {
    my ($path) = @_;
    return map { /^(".*?),?$/x ? $1 : () } split /\n/x, content_of($path) // q{};
}

sub _names { my @lines = @_; return map { /^$NAME/x ? $1 : () } @lines }

# Digest, mode and owner of a file's version that was proved last, in JSON.
sub _as_proved {
    my ($instructions, $proved, $key) = @_;
    my $path = $instructions->path_of($key);
    return $instructions->of_file($key, 'seen_as') if !exists $proved->{$path};
    my $version = $proved->{$path} // return 'null';
    my %digest = digests_of($version);
    my (undef, undef, $mode, undef, $uid, $gid) = stat $version;
    my @parts = ([sha256 => $digest{$version}], [mode => permissions($mode)]);
    push @parts, [user => user_name($uid)], [group => group_name($gid)];
    return '{' . join(', ', map { quoted($_->[0]) . ': ' . quoted($_->[1]) } @parts) . '}';
}

1;
