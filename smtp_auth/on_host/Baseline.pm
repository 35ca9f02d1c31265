package SmtpAuth::Baseline;

# Copies of files as they were before us. They are never deleted. Below the directory of the record:
#
#   baseline/ID/PATH   a file as it was before change ID, which was the first to write to this host, or the first after the
#                      file became its owner's again
#
# ledger.json of the last change (SmtpAuth::Record) says which of these copies is valid.
#
#   keep_baseline INSTRUCTIONS   makes the copies that the instructions name; they are on the disk when this returns. Dies if
#                                that fails

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Writing qw(copy_below sync_below);

our @EXPORT_OK = qw(keep_baseline);

sub keep_baseline {
    my ($instructions) = @_;
    my @paths = map { $instructions->path_of($_) } $instructions->all('baseline') or return;
    my $folder = $instructions->one('record') . '/baseline/' . $instructions->one('id');
    copy_below($folder, {}, @paths);
    sync_below($folder, @paths);
    return;
}

1;
