package SmtpAuth::Machine;

# What tells a machine from others, for smtp_auth/facts/machine.py. Changes nothing, and starts no process.
#
#   answer_machine       prints lines of SmtpAuth::Lines:
#     machine.id           the content of /etc/machine-id
#     machine.key …        the type and the text of each public key by which sshd identifies the host: those with sshd's own
#                          names, and those that HostKey lines of its configuration name
#     machine.unknown_key …  the file of such a line without a public key beside it

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(entries);
use SmtpAuth::Lines qw(answer);

our @EXPORT_OK = qw(answer_machine);

my $ETC = '/etc';

# No more than this is read of a file. The longest key in use has 3 KiB.
my $BYTES = 65_536;

sub answer_machine {
    my $id = _beginning_of("$ETC/machine-id") // return;
    answer('machine.id', $id =~ /^(.*\S)/xs ? $1 : q{});
    for my $path (_default_keys()) {
        my $key = _public_key($path);
        answer('machine.key', $key) if defined $key;
    }
    for my $path (_configured_keys()) {
        my $key = _public_key($path =~ /[.]pub$/x ? $path : "$path.pub");
        answer(defined $key ? ('machine.key', $key) : ('machine.unknown_key', $path));
    }
    return;
}

sub _default_keys { return map { "$ETC/ssh/$_" } grep { /^ssh_host_\w+_key[.]pub$/x } entries("$ETC/ssh") }

# sshd_config(5): words are separated by white space or one "=", and may be quoted.
sub _configured_keys {
    my @names = grep { /[.]conf$/x } entries("$ETC/ssh/sshd_config.d");
    my @texts = map { _beginning_of($_) // () } "$ETC/ssh/sshd_config", map { "$ETC/ssh/sshd_config.d/$_" } @names;
    return map { /^[ \t]*HostKey(?:[ \t]*=[ \t]*|[ \t]+)"?([^\s"]+)/gimx } @texts;
}

sub _public_key {
    my ($path) = @_;
    return (_beginning_of($path) // q{}) =~ /^([\w@.-]+[ ][\w+\/=]+)/x ? $1 : undef;
}

# Of regular files alone: others may block whoever reads them.
sub _beginning_of {
    my ($path) = @_;
    return if !-f $path;
    open my $file, '<:raw', $path or return;
    my $text;
    my $read = read $file, $text, $BYTES;
    close $file or return;
    return defined $read ? $text : undef;
}

1;
