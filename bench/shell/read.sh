# The floor: reads what a deploy needs to know, with the commands that an administrator would type.
# $1 is the mail domain.
live=/etc/letsencrypt/live/$1
hook=/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh
socket=/var/spool/postfix/private/auth
postconf mail_version
postconf -n
postconf -M
postconf -P
cat /etc/postfix/main.cf /etc/postfix/master.cf
doveconf -n
cat "$live/fullchain.pem"
openssl pkey -pubout -in "$live/privkey.pem"
stat -L -c '%n %a %U %G %Z' /etc/postfix/main.cf /etc/postfix/master.cf "$live/fullchain.pem" "$live/privkey.pem"
[ ! -e "$hook" ] || { stat -c '%n %a %U %G' "$hook"; cat "$hook"; }
[ ! -e "$socket" ] || stat -c '%n %a %U %G' "$socket"
ps -o pid,lstart,comm -C master,qmgr,dovecot
ss -Hltn 'sport = :25 or sport = :465'
