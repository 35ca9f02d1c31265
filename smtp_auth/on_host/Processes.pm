package SmtpAuth::Processes;

# Reads from the kernel (/proc) when processes started and where they listen; SmtpAuth::Programs finds out which ones run.
#
#   started PID             when a process started, in seconds since 1970; undef if it has exited
#   unit_of PID             the systemd unit in which it runs, such as dovecot.service; empty if that is unknown
#   listening_sockets       a hash of all listening TCP sockets: `socket:[INODE]` to its port
#   listening_addresses PORT   the addresses on which a TCP port is open, as the kernel writes them
#   sockets_of PID          the sockets that a process holds: `socket:[INODE]` for each; none if they cannot be read

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of entries);

our @EXPORT_OK = qw(started unit_of listening_sockets listening_addresses sockets_of);

# The kernel's USER_HZ.
my $TICKS_A_SECOND = 100;

# The state LISTEN in /proc/net/tcp.
my $LISTEN = '0A';

sub started {
    my ($pid) = @_;
    my $stat = content_of("/proc/$pid/stat") // return;
    # The kernel counts a process's start from boot, in ticks. To convert it, this needs one moment in both clocks: the start
    # of date(1), which prints the time. The start of this program would be wrong, because Perl waits until all of the program
    # has arrived. The kernel keeps the data of an exited process until its parent reads its status: here, in close.
    my $date = open my $said, q{-|}, 'date', '+%s.%N' or return;
    my $now = <$said>;
    my $its_stat = content_of("/proc/$date/stat");
    close $said or return;
    return $now - (_ticks_in($its_stat) - _ticks_in($stat)) / $TICKS_A_SECOND;
}

# Field 22 of /proc/PID/stat: the start in ticks since boot. Field 2, the name, may hold anything.
sub _ticks_in {
    my ($stat) = @_;
    return (split /[ ]/x, $stat =~ s/.*[)][ ]//xsr)[19];
}

# The last part of a control group, of version 1 or 2.
sub unit_of {
    my ($pid) = @_;
    my $groups = content_of("/proc/$pid/cgroup") // q{};
    return $groups =~ m{^\d+:(?:name=systemd)?:.*/([^/\n]+)$}xm ? $1 : q{};
}

sub listening_sockets { return map { $_->{socket} => $_->{port} } _listening() }

sub listening_addresses {
    my ($port) = @_;
    return map { $_->{address} } grep { $_->{port} == $port } _listening();
}

sub _listening {
    my @found;
    for my $line (map { split /\n/x, content_of($_) // q{} } '/proc/net/tcp', '/proc/net/tcp6') {
        my (undef, $local, undef, $state, @more) = split q{ }, $line;
        next if @more < 6 || $state ne $LISTEN;
        my ($address, $port) = split /:/x, $local;
        push @found, {socket => "socket:[$more[5]]", address => $address, port => hex $port};
    }
    return @found;
}

sub sockets_of {
    my ($pid) = @_;
    return grep { /^socket:/x } map { readlink "/proc/$pid/fd/$_" or () } entries("/proc/$pid/fd");
}

1;
