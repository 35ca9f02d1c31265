package SmtpAuth::Processes;

# Reads from the kernel (/proc) when processes started and where they listen; SmtpAuth::Programs finds out which ones run.
#
#   started PID             when a process started, in seconds since 1970; undef if it has exited
#   ticks PID               the same in ticks of the kernel since the host was booted
#   unit_of PID             the systemd unit in which it runs, such as dovecot.service; empty if that is unknown
#   listening               all listening TCP sockets, a hash each: `socket` is `socket:[INODE]`, `port` a number, `address`
#                           0.0.0.0, ::1 and the like
#   is_loopback ADDRESS     whether only this host can connect to an address
#   is_of_this_account PORT, TO   whether a process of this account holds an open IPv4 connection from this port to that one
#   sockets_of PID          the sockets that a process holds: `socket:[INODE]` for each; none if they cannot be read

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of entries);

our @EXPORT_OK = qw(is_loopback is_of_this_account listening sockets_of started ticks unit_of);

# The kernel's USER_HZ.
my $TICKS_A_SECOND = 100;

# The states LISTEN and ESTABLISHED in /proc/net/tcp.
my ($LISTEN, $ESTABLISHED) = qw(0A 01);

# Hexadecimal digits of an IPv4 address there.
my $LENGTH_OF_IPV4 = 8;

sub started {
    my ($pid) = @_;
    my $ticks = ticks($pid) // return;
    # The kernel counts a process's start from boot, in ticks. To convert it, this needs one moment in both clocks: the start
    # of date(1), which prints the time. The start of this program would be wrong, because Perl waits until all of the program
    # has arrived. The kernel keeps the data of an exited process until its parent reads its status: here, in close.
    my $date = open my $said, q{-|}, 'date', '+%s.%N' or return;
    my $now = <$said>;
    my $its_ticks = ticks($date);
    close $said or return;
    return $now - ($its_ticks - $ticks) / $TICKS_A_SECOND;
}

# Field 22 of /proc/PID/stat. Field 2, the name, may hold anything.
sub ticks {
    my ($pid) = @_;
    my $stat = content_of("/proc/$pid/stat") // return;
    return (split /[ ]/x, $stat =~ s/.*[)][ ]//xsr)[19];
}

# The last part of a control group, of version 1 or 2.
sub unit_of {
    my ($pid) = @_;
    my $groups = content_of("/proc/$pid/cgroup") // q{};
    return $groups =~ m{^\d+:(?:name=systemd)?:.*/([^/\n]+)$}xm ? $1 : q{};
}

sub listening {
    my @found;
    for my $line (map { split /\n/x, content_of($_) // q{} } '/proc/net/tcp', '/proc/net/tcp6') {
        my (undef, $local, undef, $state, @more) = split q{ }, $line;
        next if @more < 6 || $state ne $LISTEN;
        my ($address, $port) = split /:/x, $local;
        push @found, {socket => "socket:[$more[5]]", address => _address($address), port => hex $port};
    }
    return @found;
}

sub is_of_this_account {
    my ($port, $to) = @_;
    for my $line (split /\n/x, content_of('/proc/net/tcp') // q{}) {
        my (undef, $local, $remote, $state, undef, undef, undef, $uid, undef, $inode) = split q{ }, $line;
        next if ($state // q{}) ne $ESTABLISHED || join(q{ }, map { hex s/.*://xr } $local, $remote) ne "$port $to";
        # Without an inode, nobody holds it any more, and the account is root's.
        return 1 if $uid == $> && $inode != 0;
    }
    return 0;
}

sub is_loopback { my ($address) = @_; return scalar $address =~ /^(?:::ffff:)?127[.]|^::1$/x }

# The kernel prints an address as 32-bit numbers in the byte order of the machine, which is little-endian.
sub _address {
    my ($kernels) = @_;
    my @bytes = map { reverse $_ =~ /../gx } $kernels =~ /.{8}/gx;
    my $ipv4 = join q{.}, map { hex } @bytes[-4 .. -1];
    return $ipv4 if length $kernels == $LENGTH_OF_IPV4;
    my $address = lc join q{:}, (join q{}, @bytes) =~ /.{4}/gx;
    return "::ffff:$ipv4" if $address =~ /^(?:0000:){5}ffff:/x;
    # No other addresses are compared by their text.
    return $address =~ s/^(?:0000:){7}000([01])$/$1 ? '::1' : '::'/xer;
}

sub sockets_of {
    my ($pid) = @_;
    return grep { /^socket:/x } map { readlink "/proc/$pid/fd/$_" or () } entries("/proc/$pid/fd");
}

1;
