package SmtpAuth::Manifest;

# The manifest of a change, changes/ID/manifest.json: a JSON object with one line for each key. The controller writes it
# except the last lines. These are strings that only the host knows.
#
#   manifests_in RECORD         the changes in the record, the oldest first by this host's clock (the time in an ID is from
#                               a controller's clock): {id => …, text => …}; text is undef if the manifest cannot be read
#   value_in TEXT, KEY          a string of a manifest, with its JSON escapes; empty if the manifest does not contain it
#   is_live CHANGE              whether a change, from manifests_in, was proved and stayed in place
#   completed TEXT, VALUES      a manifest with further strings at its end; VALUES is a hash of them

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
