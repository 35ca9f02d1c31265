package SmtpAuth::Dovecot::Configuration;

# Dovecot's configuration as text: which line of which file is a setting from? doveconf does not tell. Dovecot 2.3 and 2.4 are
# read alike; what only one of them has is read as it reads it.
#
#   read_from FILE     all settings of a file and of the files that it includes, in the order in which Dovecot reads them
#   read_text TEXT     those of a text, such as the output of doveconf
#
# A setting is a hash:
#   sections      the sections that it is in, from the outermost one, of many the first few: "TYPE NAME" for each
#   key, value    both empty if it is the line where the last of these sections begins
#   file          its file, with links resolved; this and the next are empty if it is from a text
#   place         FILE:LINE, as Dovecot names the file

use strict;
use warnings;
use Cwd ();
use Exporter qw(import);
use File::Glob qw(bsd_glob GLOB_BRACE GLOB_QUOTE);
use SmtpAuth::Files qw(content_of directory_of);

our @EXPORT_OK = qw(read_from read_text);

# How many of the sections that a setting is in are returned: there may be thousands, each with a setting.
my $MOST = 5;

my $QUOTED = qr/"(?:[^"\\]|\\.)*"/xs;
my $KEY = qr/$QUOTED|[^\s"=]+/x;
my $NAME = qr/$QUOTED|[^\s"\{]\S*/x;

# What is in quotation marks until they end or the line does, and what is not.
my $IN_DOUBLE = qr/"(?:[^"\\]|\\.)*+(?:"|$)/xs;
my $IN_SINGLE = qr/'(?:[^'\\]|\\.)*+(?:'|$)/xs;
my $NO_COMMENT = qr/(?:[^'"\#]|$IN_DOUBLE|$IN_SINGLE)*+/xs;

sub read_from { my ($file) = @_; return _read({sections => [], above => []}, $file, content_of($file)) }

sub read_text { my ($text) = @_; return _read({sections => [], above => []}, q{}, $text) }

# READING has the sections that are open, which an including file may have opened, and the including files.
sub _read {
    my ($reading, $file, $text) = @_;
    my $sections = $reading->{sections};
    my $real = length $file ? Cwd::abs_path($file) : q{};
    my $end;
    my @found;
    for my $line (_lines_of($text // q{})) {
        my $said = $line->{text};
        if (defined $end) {
            $end = undef if $line->{whole} eq $end;
            next;
        }
        if ($said eq '}') {
            pop @{$sections};
            next;
        }
        my %at = (file => $real, place => length $file ? "$file:$line->{number}" : q{});
        if ($said =~ /^!include(?:_try)?\s+(.*)/xs) {
            push @found, map { _read($_->@*) } _included($reading, $file, $1);
        }
        elsif (my ($key, $value) = $said =~ /^($KEY)\s*=\s*(.*)/xs) {
            # A text that goes on until a line of its own.
            ($end) = $value =~ /^<<\s*(\S.*)/xs;
            push @found, {%at, sections => _first_of($sections), key => _unquoted($key), value => _unquoted($value)};
        }
        elsif (my ($type, $name) = $said =~ /^($KEY)\s+(?:($NAME)\s+)?.*[{]$/xs) {
            push @{$sections}, _unquoted($type) . q{ } . _unquoted($name // q{});
            push @found, {%at, sections => _first_of($sections), key => q{}, value => q{}};
        }
    }
    return @found;
}

sub _first_of { my ($sections) = @_; return [@{$sections}[0 .. (@{$sections} < $MOST ? @{$sections} : $MOST) - 1]] }

# The lines that say something, each without comment and white space, joined with those that continue it.
sub _lines_of {
    my ($text) = @_;
    my ($number, $begun, @lines) = (0, q{});
    for my $line (split /\n/x, $text) {
        $number++;
        my $said = _trimmed($line =~ s/^($NO_COMMENT)\#.*/$1/xsr);
        if ($said =~ /\\$/x) {
            $begun .= _trimmed(substr $said, 0, -1) . q{ };
            next;
        }
        push @lines, {text => "$begun$said", whole => $line, number => $number};
        $begun = q{};
    }
    return @lines;
}

# Without white space at both ends. `\s+$` would be tried again from each blank on.
sub _trimmed { my ($text) = @_; return $text =~ /^\s*+(.*\S)/xs ? $1 : q{} }

# The arguments of `_read` for the files of a pattern, which is relative to the including file. Dovecot refuses a file that
# includes itself.
sub _included {
    my ($reading, $file, $pattern) = @_;
    my $path = $pattern =~ m{^/}x ? $pattern : directory_of($file) . "/$pattern";
    my @above = (@{ $reading->{above} }, $file);
    my %is_above = map { $_ => 1 } @above;
    my $below = {sections => $reading->{sections}, above => \@above};
    return map { [$below, $_, content_of($_)] } grep { !$is_above{$_} } bsd_glob($path, GLOB_BRACE | GLOB_QUOTE);
}

sub _unquoted {
    my ($word) = @_;
    my (undef, $inner) = $word =~ /^(["'])(.*)\1$/xs or return $word;
    return $inner =~ s/\\(.)/$1/gxsr;
}

1;
