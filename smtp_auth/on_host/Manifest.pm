package SmtpAuth::Manifest;

# The manifest of a change, changes/NAME/manifest.json: a JSON object with one line for each key. The controller writes it
# except the last lines. These are strings that only the host knows. One of them is `number`: the host numbers its changes,
# because the clocks of hosts and controllers may be wrong.
#
#   manifests_in RECORD         the changes in the record by their numbers, the oldest first: {name => …, text => …}; text is
#                               undef if the change has no manifest. Dies if the record cannot be read
#   run_of NAME                 the ID of the run of a change: its first attempt on this host is ID, the next one ID.2
#   value_in TEXT, KEY          a string of a manifest, with its JSON escapes; empty if the manifest does not contain it
#   outcome_of CHANGE           the outcome of a change from manifests_in, in the words of SmtpAuth::Record
#   is_live CHANGE              whether it was proved and stayed in place
#   number_of CHANGE            its number; 0 if it has none
#   completed TEXT, VALUES      a manifest with further strings at its end; VALUES is a hash of them

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(names_in read_file);
use SmtpAuth::Json qw(quoted);

our @EXPORT_OK = qw(manifests_in run_of value_in outcome_of is_live number_of completed);

sub manifests_in {
    my ($folder) = @_;
    my @found = map { +{name => $_, text => scalar read_file("$folder/changes/$_/manifest.json")} }
        grep { !/^[.]/x } names_in("$folder/changes");
    my %number = map { $_->{name} => number_of($_) } @found;
    my @sorted = sort { $number{ $a->{name} } <=> $number{ $b->{name} } || $a->{name} cmp $b->{name} } @found;
    return @sorted;
}

sub run_of { my ($name) = @_; return $name =~ s/[.]\d+\z//xr }

sub value_in {
    my ($text, $key) = @_;
    return q{} if !defined $text || $text !~ /^"\Q$key\E":[ ]"/gxm;
    my $begin = pos $text;
    # Not one expression: Perl gives up, with a warning, after 65,534 escapes.
    while ($text =~ /\G[^"\\]*+(?:(")|\\.)/gx) {
        return substr $text, $begin, pos($text) - $begin - 1 if defined $1;
    }
    return q{};
}

sub outcome_of { my ($change) = @_; return value_in($change->{text}, 'outcome') }

sub is_live { my ($change) = @_; return outcome_of($change) eq 'live' }

# More digits are no number to Perl that it could add to.
sub number_of { my ($change) = @_; return value_in($change->{text}, 'number') =~ /^(\d{1,15})$/x ? $1 : 0 }

sub completed {
    my ($text, $values) = @_;
    my $open = substr $text, 0, rindex $text, '}';
    chop $open while substr($open, -1) =~ /\s/x;
    return $open . join(q{}, map { ",\n" . quoted($_) . ': ' . quoted($values->{$_}) } sort keys %{$values}) . "\n}\n";
}

1;
