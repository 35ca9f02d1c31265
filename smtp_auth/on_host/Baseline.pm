package SmtpAuth::Baseline;

# What files were before us; never deleted. Below the directory of the record:
#
#   baseline/ID/PATH   a file as it was when change ID first wrote to this host, or to this file of its owner's
#
# Which of these copies counts, ledger.json of the last change says (SmtpAuth::Record).
#
#   keep_baseline INSTRUCTIONS   makes the copies that are wanted, on the disk when this returns. Dies where it cannot

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
