package SmtpAuth::Baseline;

# Copies of files as they were before us. They are never deleted. Below the directory of the record:
#
#   baseline/NAME/PATH   a file as it was before change NAME, which was the first to write to this host, or the first after
#                        the file became its owner's again
#
# ledger.json of the last change (SmtpAuth::Record) says which of these copies is valid, and its digest.
#
#   keep_baseline RECORD, NAME, FOLDER, PATH…
#       makes the copies for change NAME; they are on the disk when this returns. Where FOLDER, which is in the same file
#       system, has a copy of a file already, it is given a second name. Dies if that fails

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(directory_of is_there);
use SmtpAuth::Programs qw(run);
use SmtpAuth::Writing qw(copy_below make_directories sync_directory sync_tree);

our @EXPORT_OK = qw(keep_baseline);

my $FOR_ITS_OWNER = oct '700';

sub keep_baseline {
    my ($record, $name, $folder, @paths) = @_;
    return if !@paths;
    my $place = "$record/baseline/$name";
    # The remains of an attempt that never began: no ledger names them.
    run('rm', '-rf', q{--}, $place) if is_there($place);
    for my $path (grep { is_there("$folder$_") } @paths) {
        make_directories(directory_of("$place$path"), $FOR_ITS_OWNER);
        link "$folder$path", "$place$path" or die "cannot keep a copy of $path: $!\n";
    }
    copy_below($place, {}, grep { !is_there("$place$_") } @paths);
    sync_tree($place);
    sync_directory($_) for directory_of($place), $record;
    return;
}

1;
