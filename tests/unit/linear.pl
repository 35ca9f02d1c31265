# For test_linear.py, behind the packages of a look: the CPU seconds that each function which reads a host's files takes for
# each text. Its arguments: an empty directory, then files. It prints FUNCTION, TAB, FILE, TAB, SECONDS for each of both.

my $directory = shift @ARGV;
my %functions = (
    'settings of Dovecot'    => sub { SmtpAuth::Dovecot::Configuration::read_text($_[0]) },
    'listeners of Dovecot'   => sub { SmtpAuth::Dovecot::Listener->new($_[0], '/private/auth')->blocks },
    'mechanisms of Dovecot'  => sub { SmtpAuth::Dovecot::Look::_mechanisms($_[0]) },
    'version of Dovecot'     => sub { SmtpAuth::Dovecot::Look::_version_in($_[0]) },
    'options of certbot'     => sub { SmtpAuth::Certbot::Look::_has_no_hooks("$directory/renewal/a.conf") },
    'renewals of certbot'    => sub { SmtpAuth::Certbot::Look::_renewal_of({directory => $directory}, '/a') },
    'certificates'           => sub { SmtpAuth::Pem::first_certificate($_[0]) },
    'names in certificates'  => sub { SmtpAuth::Certbot::Look::_decoded($_[0]) },
    'tables of Postfix'      => sub { SmtpAuth::Postfix::Look::_files_in($_[0]) },
    'manifests'              => sub { SmtpAuth::Manifest::value_in($_[0], 'outcome') },
    'ends of manifests'      => sub { SmtpAuth::Manifest::completed("$_[0]}", {}) },
    'lines for a controller' => sub { SmtpAuth::Lines::pairs_in(SmtpAuth::Lines::as_line('key', $_[0])) },
    'lines'                  => sub { SmtpAuth::Lines::pairs_in($_[0]) },
);
for my $file (@ARGV) {
    my $text = SmtpAuth::Files::read_file($file);
    mkdir "$directory/renewal";
    link $file, "$directory/renewal/a.conf" or die $!;
    for my $function (sort keys %functions) {
        my $before = (times)[0];
        $functions{$function}->($text);
        printf "%s\t%s\t%.2f\n", $function, $file, (times)[0] - $before;
    }
    unlink "$directory/renewal/a.conf";
}
