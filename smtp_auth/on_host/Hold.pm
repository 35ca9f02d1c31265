package SmtpAuth::Hold;

# A hold: as long as it is in force, the host is not changed. Root reads it in the directory of the record:
#
#   hold     the hold: one line of SmtpAuth::Lines, with the key `hold`. Its value is WHO, WHEN, WHY and UNTIL, with NUL between
#            them. The times are those of the host, in UTC; UNTIL is empty for a hold without an end
#   holds    the last holds and releases, the oldest first: a line each, with the key `hold` or `release`; a release has no WHY
#            and no UNTIL
#
# A hold that cannot be read is in force until it is released: whoever made it may need it.
#
#   hold_in RECORD     the hold that is in force by the host's clock: {who => …, when => …, why => …, until => …}; an empty hash if
#                      it cannot be read; undef if there is none
#   holds_in RECORD    the pairs of the file `holds` that are whole: [KEY, VALUE]
#   value_of HOLD      WHO, WHEN, WHY and UNTIL, with NUL between them; empty if it cannot be read
#   is_refused_by HOLD the sentence that refuses a change
#   utc_now            such as 2026-11-27T10:00:00Z

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of is_there read_file);
use SmtpAuth::Lines qw(pairs_in);

our @EXPORT_OK = qw(hold_in holds_in value_of is_refused_by utc_now);

# A reason has at most 500 characters, of at most four bytes each, which are escaped.
my $MOST_BYTES = 16_384;

my $TIME = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/x;

my @PARTS = qw(who when why until);

my $FIRST_YEAR = 1900;

sub hold_in {
    my ($record) = @_;
    my $path = "$record/hold";
    my ($text, $is_there) = (undef, 1);
    eval { $text = read_file($path); $is_there = defined $text || is_there($path); 1 } or 1;
    return if !$is_there;
    my @pairs = _whole($text // q{});
    return {} if @pairs != 1 || $pairs[0][0] ne 'hold';
    my %hold;
    @hold{@PARTS} = _parts($pairs[0]);
    return if length $hold{until} && $hold{until} le utc_now();
    return \%hold;
}

sub holds_in { my ($record) = @_; return _whole(content_of("$record/holds") // q{}) }

sub _whole {
    my ($text) = @_;
    return grep { _is_whole($_) } pairs_in($text);
}

sub _is_whole {
    my ($pair) = @_;
    return 0 if length $pair->[1] > $MOST_BYTES;
    my ($who, $when, $why, $until, @more) = _parts($pair);
    return 0 if @more || !defined $until || $when !~ /\A$TIME\z/x || $until !~ /\A(?:$TIME)?\z/x;
    return $pair->[0] eq 'release' ? $why eq q{} : $pair->[0] eq 'hold' && $why =~ /\A[^\n]+\z/x && $who =~ /\A[^\n]+\z/x;
}

sub _parts { my ($pair) = @_; return split /\0/x, $pair->[1], -1 }

sub value_of {
    my ($hold) = @_;
    return %{$hold} ? join "\0", @{$hold}{@PARTS} : q{};
}

sub is_refused_by {
    my ($hold) = @_;
    return "this host is held, but its hold cannot be read; nothing was changed: 'smtp-auth release' deletes the hold, if nobody "
        . 'needs it'
        if !%{$hold};
    my $until = length $hold->{until} ? $hold->{until} : 'somebody releases it';
    return "this host is held since $hold->{when} by $hold->{who}, until $until; nothing was changed: $hold->{why}";
}

sub utc_now {
    my ($year, $month, @rest) = reverse((gmtime)[0 .. 5]);
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $year + $FIRST_YEAR, $month + 1, @rest;
}

1;
