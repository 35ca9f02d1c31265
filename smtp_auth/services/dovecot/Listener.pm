package SmtpAuth::Dovecot::Listener;

# The auth listener in Dovecot's configuration, and the lines that define it.
#
#   new SAID, PATH        SAID is the output of `doveconf -n`, PATH that of the listener's socket
#   blocks                the listeners in SAID that are this socket, as hashes:
#     name                  the path as somebody has written it: Dovecot takes a relative one relative to its base_dir. If two
#                           names mean one socket, Dovecot has two listeners for it
#     mode                  in octal without a leading 0
#     user, group           empty if it is not set
#   overruling DROPIN, MAIN   the places (FILE:LINE) of the settings that Dovecot reads after the file DROPIN and that are
#                         different from those in it. MAIN is the path of dovecot.conf
#   is_read_from FILE, MAIN   whether Dovecot reads a definition of the listener in this file
#   beginnings MAIN       the places where a definition of the listener begins

use strict;
use warnings;
use Cwd ();
use SmtpAuth::Dovecot::Configuration qw(read_from read_text);

# Dovecot's default for base_dir.
my $BASE = '/run/dovecot';

sub new {
    my ($class, $said, $path) = @_;
    my ($base) = $said =~ /^base_dir[ ]=[ ](\S+)$/xm;
    my $self = bless {said => $said, base => $base // $BASE}, $class;
    $self->{socket} = $self->_real($path);
    return $self;
}

sub blocks {
    my ($self) = @_;
    my (@names, %block);
    for my $setting ($self->_of_socket(read_text($self->{said}))) {
        my $name = $setting->{name};
        push @names, $name if !$block{$name};
        # doveconf does not print settings that have their default.
        $block{$name} //= {name => $name, mode => '600', user => q{}, group => q{}};
        $block{$name}{ $setting->{key} } = $setting->{value} if length $setting->{key};
    }
    return map { $block{$_} } @names;
}

sub overruling {
    my ($self, $dropin, $main) = @_;
    my $ours = Cwd::abs_path($dropin) // $dropin;
    my (%wanted, %last, @found);
    my $number = 0;
    for my $setting ($self->_of_socket(read_from($main))) {
        my $key = $setting->{key};
        $wanted{$key} = $setting->{value} if $setting->{file} eq $ours;
        $last{$key} = {%{$setting}, number => $number++};
    }
    for my $key (grep { $last{$_}{value} ne $wanted{$_} } keys %wanted) {
        $found[$last{$key}{number}] = $last{$key}{place};
    }
    return grep { defined } @found;
}

sub is_read_from {
    my ($self, $file, $main) = @_;
    my $real = Cwd::abs_path($file) // $file;
    return scalar grep { $_->{file} eq $real } $self->_of_socket(read_from($main));
}

sub beginnings {
    my ($self, $main) = @_;
    return map { $_->{place} } grep { !length $_->{key} } $self->_of_socket(read_from($main));
}

# Those settings that are of a listener which is this socket, with its name.
sub _of_socket {
    my ($self, @settings) = @_;
    my @all = map { _of_listener($_) } @settings;
    # Dovecot 2.4 has a setting for the path, too; the name is its default.
    my %path = ((map { $_->{name} => $_->{name} } @all), map { $_->{key} eq 'path' ? ($_->{name} => $_->{value}) : () } @all);
    my %is_it = map { $_ => $self->_real($path{$_}) eq $self->{socket} } keys %path;
    return grep { $is_it{ $_->{name} } && $_->{key} ne 'path' } @all;
}

# A setting of a listener of `service auth`, or the line where its section begins; nothing if it is another setting.
sub _of_listener {
    my ($setting) = @_;
    my ($service, $listener, @further) = @{ $setting->{sections} };
    return if @further || ($service // q{}) ne 'service auth' || ($listener // q{}) !~ /^unix_listener[ ]/x;
    # Dovecot 2.4 accepts both names.
    my $key = $setting->{key} =~ s/^unix_listener_//xr;
    my $value = $key eq 'mode' ? _mode($setting->{value}) : $setting->{value};
    return if $key !~ /^(?:mode|user|group|path|)$/x;
    return {%{$setting}, name => $listener =~ s/^\S+[ ]//xr, key => $key, value => $value};
}

# A mode without a leading 0 is a decimal number to Dovecot.
sub _mode {
    my ($text) = @_;
    return $text if $text !~ /^\d+$/x;
    return $text =~ /^0/x ? $text =~ s/^0+//xr : sprintf '%o', $text;
}

# A path with links resolved, except one in place of the socket.
sub _real {
    my ($self, $path) = @_;
    my $absolute = $path =~ m{^/}x ? $path : "$self->{base}/$path";
    my ($directory, $name) = $absolute =~ m{^(.*)/([^/]*)$}xs;
    return (Cwd::abs_path("$directory/") // $directory) . "/$name";
}

1;
