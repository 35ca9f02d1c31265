# Prints what the record of changes holds (record.pl says what that is), one "key TAB value" per line, with every byte
# outside printable ASCII and every "%" as %XX. Reads only. Its arguments are key=value words:
#   record=DIR    the directory of the record
#   files=ID      with the files of the live changes from this one on; `last`: of the last live one; `newest`: with
#                 the newest version of each file that live changes have written
#   baseline=1    with the files as they were first seen
# It prints
#   manifest      ID and manifest of each change, NUL between them, the oldest first
#   unreadable    the ID of a change without a manifest
#   before, after ID, path and content of a file of a change, NUL between them
#   baseline      path and content of a file, NUL between them, and `first_seen`, what files.json says of all
#   unrecorded    1 if an earlier version, which kept no record, had been there before
#   gap           1 if live changes from files=ID on are no longer kept
use strict;
use warnings;

my %one = map { split /=/, $_, 2 } @ARGV;
$ENV{LC_ALL} = "C";

sub say_value {
    my ($key, $value) = @_;
    $value =~ s/([^ -\$&-~])/sprintf "%%%02X", ord $1/ge;
    print "$key\t$value\n";
}

sub content {
    my ($path) = @_;
    open my $file, "<:raw", $path or return;
    return if -d $file;
    local $/;
    my $text = <$file>;
    return defined $text ? $text : "";
}

sub entries {
    my ($directory) = @_;
    opendir my $handle, $directory or return;
    return sort grep { !/^\.\.?$/ } readdir $handle;
}

# say_files KEY, FIRST…, DIRECTORY: the files below it, by their paths from there.
sub say_files {
    my ($key, @first) = @_;
    my $top = pop @first;
    my @directories = ("");
    while (defined(my $directory = shift @directories)) {
        for my $path (map { "$directory/$_" } entries("$top$directory")) {
            if (-d "$top$path") { push @directories, $path }
            else { say_value($key, join "\0", @first, $path, content("$top$path") // "") }
        }
    }
}

sub value { my ($manifest, $key) = @_; return $manifest =~ /^"$key": "([^"]*)"/m ? $1 : "" }

my $changes = "$one{record}/changes";
my %manifest = map { $_ => scalar content("$changes/$_/manifest.json") } entries($changes);
say_value("unreadable", $_) for grep { !defined $manifest{$_} } sort keys %manifest;
# By the host's own clock; an ID is by that of a controller.
my @ids = sort { value($manifest{$a}, "began") cmp value($manifest{$b}, "began") || $a cmp $b }
    grep { defined $manifest{$_} } keys %manifest;
say_value("manifest", "$_\0$manifest{$_}") for @ids;
my @live = grep { value($manifest{$_}, "outcome") eq "live" } @ids;
my @asked;
my $from = $one{files} // "";
if ($from eq "last") { @asked = @live ? $live[-1] : () }
elsif (length $from && $from ne "newest") {
    my $began = defined $manifest{$from} ? value($manifest{$from}, "began") : "";
    my $seen = 0;
    my %is_asked = map { $_ => 1 } grep { $began ? $seen ||= $_ eq $from : $_ gt $from } @ids;
    @asked = grep { $is_asked{$_} } @live;
    my ($pruned_began, $pruned) = split " ", content("$one{record}/pruned") // "";
    say_value("gap", 1) if defined $pruned && ($began ? $began le $pruned_began : $from le $pruned);
}
for my $id (@asked) {
    say_files($_, $id, "$changes/$id/$_") for qw(before after);
}
if ($from eq "newest") {
    # A change that was pruned has written nothing that is newer.
    my %known;
    for my $id (reverse @live) {
        my ($files) = $manifest{$id} =~ /^"files": (.*)$/m;
        my %its = map { $_ => 1 } ($files // "") =~ /"real_path": ("(?:[^"\\]|\\.)*")/g;
        my @new = grep { !$known{$_}++ } keys %its;
        say_files("after", $id, "$changes/$id/after") if @new;
    }
}
if ($one{baseline}) {
    my $files = content("$one{record}/baseline/files.json");
    say_value("first_seen", $files) if defined $files;
    say_files("baseline", "$one{record}/baseline/files");
    say_value("unrecorded", 1) if -e "$one{record}/baseline/unrecorded";
}
say_value("complete", 1);
