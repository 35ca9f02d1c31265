package SmtpAuth::History;

# Prints what the record of changes holds (SmtpAuth::Record says what that is), for smtp_auth/facts/record.py to read;
# changes nothing.
#
#   main PARTS, WORDS…    gives 0. PARTS are not used
#
# WORDS are key=value:
#   record=DIR      the directory of the record
#   files=FROM      with the files and ledgers of live changes. FROM is the ID of the first of these (where it is not on
#                   record: of one before the first); or `last`: of the last one
#   baseline=1      with the copies of files as they were before us
#
# It prints lines of SmtpAuth::Lines; where values have several parts, NUL stands between them.
#   unreadable …      the ID of a change without a manifest
#   manifest …        ID and manifest of each other change, the oldest first
#   gap               1 where live changes from FROM on are no longer kept
#   before …, after …   ID, path and content of a file of a change
#   ledger …          ID and ledger.json of a change
#   baseline …        ID of the change that made the copy, path and content of a file
#   complete          1: nothing is missing above

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

# The live changes from one on.
sub _from {
    my ($from, @changes) = @_;
    my @live = grep { is_live($_) } @changes;
    return @live ? $live[-1] : () if $from eq 'last';
    # Where there is no better clock, that of controllers: it is in the ID.
    return grep { $_->{id} gt $from } @live if !_began($from, @changes);
    my $seen = 0;
    return grep { ($seen ||= $_->{id} eq $from) && is_live($_) } @changes;
}

# Whether a live change from this one on is no longer kept; `pruned` has when the newest of those began, and its ID.
sub _is_pruned {
    my ($records, $from, @changes) = @_;
    my ($pruned_began, $pruned) = split q{ }, content_of("$records/pruned") // q{};
    return 0 if !defined $pruned;
    my $began = _began($from, @changes);
    return $began ? $began le $pruned_began : $from le $pruned;
}

# When a change began; empty where it is not on record.
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

# Each file below a folder: what stands before its path and content in the value is given.
sub _answer_files {
    my ($folder, $key, @before) = @_;
    for my $path (files_below($folder)) {
        answer($key, join "\0", @before, $path, content_of("$folder$path") // q{});
    }
    return;
}

1;
