package SmtpAuth::History;

# Prints the record of changes (SmtpAuth::Record describes it), for smtp_auth/facts/record.py. Changes nothing.
#
#   main PARTS, WORDS…    returns 0. PARTS are not used
#
# WORDS are key=value:
#   record=DIR      the directory of the record
#   files=FROM      also print the files and ledgers of live changes. FROM is `last`, for the last one; or an ID, for this
#                   change and those after it. If that change is not in the record, IDs are compared
#   baseline=1      also print the copies of files as they were before us
#
# It prints lines of SmtpAuth::Lines. NUL separates the parts of a value.
#   unreadable …      the ID of a change without a manifest
#   manifest …        ID and manifest of each other change, the oldest first
#   gap               1 if live changes from FROM on are not in the record any more
#   before …, after …   ID, path and content of a file of a change
#   ledger …          ID and ledger.json of a change
#   baseline …        ID of the change that made a copy, path and content of the file
#   complete          1: the lines above are complete

use strict;
use warnings;
use SmtpAuth::Files qw(content_of entries files_below);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Manifest qw(is_live manifests_in value_in);

sub main {
    my (undef, @words) = @_;
    my %asked = map { split /=/x, $_, 2 } @words;
    my $from = $asked{files} // q{};
    my $changes = "$asked{record}/changes";
    my @found = manifests_in($asked{record});
    for my $change (grep { !defined $_->{text} } @found) {
        answer('unreadable', $change->{id});
    }
    my @readable = grep { defined $_->{text} } @found;
    for my $change (@readable) {
        answer('manifest', "$change->{id}\0$change->{text}");
    }
    if (length $from) {
        answer('gap', 1) if $from ne 'last' && _is_pruned($asked{record}, $from, @readable);
        for my $id (map { $_->{id} } _from($from, @readable)) {
            _answer_files("$changes/$id/before", 'before', $id);
            _answer_files("$changes/$id/after", 'after', $id);
            my $ledger = content_of("$changes/$id/ledger.json");
            answer('ledger', "$id\0$ledger") if defined $ledger;
        }
    }
    _answer_baseline("$asked{record}/baseline") if $asked{baseline};
    answer('complete', 1);
    return 0;
}

# The live changes from this one on.
sub _from {
    my ($from, @changes) = @_;
    my @live = grep { is_live($_) } @changes;
    return @live ? $live[-1] : () if $from eq 'last';
    # When that change began is unknown, so this uses the time in the ID, from the controller's clock.
    return grep { $_->{id} gt $from } @live if !_began($from, @changes);
    my $seen = 0;
    return grep { ($seen ||= $_->{id} eq $from) && is_live($_) } @changes;
}

# Whether a live change from this one on was deleted from the record. The file `pruned` has the begin and ID of the newest.
sub _is_pruned {
    my ($records, $from, @changes) = @_;
    my ($pruned_began, $pruned) = split q{ }, content_of("$records/pruned") // q{};
    return 0 if !defined $pruned;
    my $began = _began($from, @changes);
    return $began ? $began le $pruned_began : $from le $pruned;
}

# When a change began; empty if it is not in the record.
sub _began {
    my ($id, @changes) = @_;
    my ($change) = grep { $_->{id} eq $id } @changes;
    return $change ? value_in($change->{text}, 'began') : q{};
}

sub _answer_baseline {
    my ($folder) = @_;
    for my $id (grep { !/^[.]/x } entries($folder)) {
        _answer_files("$folder/$id", 'baseline', $id);
    }
    return;
}

# Prints each file below a folder. BEFORE are the parts of the value before path and content.
sub _answer_files {
    my ($folder, $key, @before) = @_;
    for my $path (files_below($folder)) {
        answer($key, join "\0", @before, $path, content_of("$folder$path") // q{});
    }
    return;
}

1;
