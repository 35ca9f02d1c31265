package SmtpAuth::Units;

# What keeps systemctl from reloading a unit. Files tell, so that no process is started for a unit that is active.
#
#   has_systemd      whether systemd is process 1 (sd_booted(3)); systemctl may be installed without it
#   mask_of UNIT     the path that masks a unit, such as postfix.service (systemctl mask); undef if it is not masked
#   is_active UNIT   whether a unit is active

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Programs qw(run);

our @EXPORT_OK = qw(has_systemd mask_of is_active);

my $SYSTEMD = '/run/systemd';

# In their order of precedence (systemd.unit(5)).
my @CONFIGURATION = ('/etc/systemd/system', '/run/systemd/system');

sub has_systemd { return -d "$SYSTEMD/system" }

# An empty file masks a unit, too.
sub mask_of {
    my ($unit) = @_;
    my ($file) = grep { -e } map { "$_/$unit" } @CONFIGURATION or return;
    return -s $file ? undef : $file;
}

# systemd has this link as long as a unit is active. That is not documented, so a missing link proves nothing.
sub is_active {
    my ($unit) = @_;
    return 1 if -l "$SYSTEMD/units/invocation:$unit";
    my ($status) = run('systemctl', 'is-active', '--quiet', $unit);
    return $status == 0;
}

1;
