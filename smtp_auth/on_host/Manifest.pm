package SmtpAuth::Manifest;

# What the record says of a change: changes/ID/manifest.json, a JSON object with a line for each key. The controller has
# made all but the last lines of it; what only the host knows are strings behind them.
#
#   manifests_in RECORD         the changes on record, the oldest first by this host's clock (an ID is by a controller's):
#                               {id => …, text => …}; text is undef where the manifest cannot be read
#   value_in TEXT, KEY          a string of a manifest, with its escapes as JSON has them; empty where it has none
#   is_live CHANGE              whether what one of manifests_in's wrote was proved and stayed
#   completed TEXT, VALUES      a manifest with further strings, a hash of them, behind what it has

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of entries);
use SmtpAuth::Json qw(quoted);

our @EXPORT_OK = qw(manifests_in value_in is_live completed);

my $STRING = qr/"((?:[^"\\]+|\\.)*+)"/x;

sub manifests_in {
    my ($folder) = @_;
    my @found = map { +{id => $_, text => scalar content_of("$folder/changes/$_/manifest.json")} }
        grep { !/^[.]/x } entries("$folder/changes");
    my %began = map { $_->{id} => value_in($_->{text}, 'began') } @found;
    my @sorted = sort { $began{ $a->{id} } cmp $began{ $b->{id} } || $a->{id} cmp $b->{id} } @found;
    return @sorted;
}

sub value_in {
    my ($text, $key) = @_;
    return ($text // q{}) =~ /^"\Q$key\E":[ ]$STRING/xm ? $1 : q{};
}

sub is_live { my ($change) = @_; return value_in($change->{text}, 'outcome') eq 'live' }

sub completed {
    my ($text, $values) = @_;
    my $open = $text =~ s/\s*[}]\s*\z//xr;
    return $open . join(q{}, map { ",\n" . quoted($_) . ': ' . quoted($values->{$_}) } sort keys %{$values}) . "\n}\n";
}

1;
