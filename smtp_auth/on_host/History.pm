package SmtpAuth::History;

# Prints the record of changes (SmtpAuth::Record describes it), for smtp_auth/facts/record.py. Changes nothing.
#
#   main PARTS, WORDS…    returns 0. PARTS are not used
#
# WORDS are key=value:
#   record=DIR      the directory of the record
#   files=FROM      also print the files, their digests and the ledgers of live changes. FROM is `last`, for the last one; or the
#                   ID of a run, for its changes and those after it
#   baseline=1      also print the copies of files as they were before us
#
# It prints lines of SmtpAuth::Lines. NUL separates the parts of a value.
#   unreadable …      the name of a change without a manifest
#   manifest …        name and manifest of each other change, the oldest first
#   gap               1 if a live change of run FROM is not in the record any more
#   before …, after …   name, path and content of a file of a change
#   digests …         name and `digests` of a change
#   ledger …          name and ledger.json of a change
#   baseline …        name of the change that made a copy, path and content of the file
#   hold              the hold that is in force by this host's clock, as SmtpAuth::Hold's value_of says it
#   hold_event …      the last holds and releases, the oldest first: the kind, and the parts of SmtpAuth::Hold
#   machine.…         which machine has the record: see SmtpAuth::Machine
#   complete          1: the lines above are complete

use strict;
use warnings;
use SmtpAuth::Files qw(files_below names_in read_file);
use SmtpAuth::Hold qw(hold_in holds_in value_of);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Machine qw(answer_machine);
use SmtpAuth::Manifest qw(is_live manifests_in run_of);

sub main {
    my (undef, @words) = @_;
    my %asked = map { split /=/x, $_, 2 } @words;
    my $from = $asked{files} // q{};
    my $changes = "$asked{record}/changes";
    my @found = manifests_in($asked{record});
    for my $change (grep { !defined $_->{text} } @found) {
        answer('unreadable', $change->{name});
    }
    my @readable = grep { defined $_->{text} } @found;
    for my $change (@readable) {
        answer('manifest', "$change->{name}\0$change->{text}");
    }
    if (length $from) {
        answer('gap', 1) if _is_pruned($asked{record}, $from);
        for my $name (map { $_->{name} } _from($from, @readable)) {
            _answer_files("$changes/$name/before", 'before', $name);
            _answer_files("$changes/$name/after", 'after', $name);
            for my $what (qw(digests ledger.json)) {
                my $text = read_file("$changes/$name/$what") // next;
                answer($what =~ s/[.].*//xr, "$name\0$text");
            }
        }
    }
    _answer_baseline("$asked{record}/baseline") if $asked{baseline};
    my $hold = hold_in($asked{record});
    answer('hold', value_of($hold)) if $hold;
    for my $event (holds_in($asked{record})) {
        answer('hold_event', join "\0", @{$event});
    }
    answer_machine();
    answer('complete', 1);
    return 0;
}

# The live changes from those of this run on.
sub _from {
    my ($from, @changes) = @_;
    my @live = grep { is_live($_) } @changes;
    return @live ? $live[-1] : () if $from eq 'last';
    my $seen = 0;
    return grep { $seen ||= run_of($_->{name}) eq $from } @live;
}

# Whether a live change of this run was deleted from the record. The file `pruned` has their numbers and names.
sub _is_pruned {
    my ($records, $from) = @_;
    my @names = map { (split q{ })[1] } split /\n/x, read_file("$records/pruned") // q{};
    return scalar grep { run_of($_) eq $from } @names;
}

sub _answer_baseline {
    my ($folder) = @_;
    for my $name (names_in($folder)) {
        _answer_files("$folder/$name", 'baseline', $name);
    }
    return;
}

# Prints each file below a folder. BEFORE are the parts of the value before path and content.
sub _answer_files {
    my ($folder, $key, @before) = @_;
    for my $path (files_below($folder)) {
        answer($key, join "\0", @before, $path, read_file("$folder$path") // q{});
    }
    return;
}

1;
