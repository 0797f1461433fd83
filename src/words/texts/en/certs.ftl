# Certificates: their page, and what `postwerk cert` prints.
certs-title = Certificates
certs-look = Look at the certificates
certs-back = Back to the certificates
certs-alert = The certificate for { $name }: { $left }.
certs-renew = Renew now
certs-names = Names
certs-valid = Valid
certs-next = Renewal
certs-issuer = Signed by
certs-chain = Chain
certs-key = Key
certs-serial = Serial number
certs-days = { $count ->
    [one] 1 day left
   *[other] { $count } days left
}
certs-hours = { $count ->
    [0] less than an hour left
    [one] 1 hour left
   *[other] { $count } hours left
}
certs-ended = { $count ->
    [0] ended less than a day ago
    [one] ended 1 day ago
   *[other] ended { $count } days ago
}
certs-never = without end
certs-source-acme = Ordered by this server (ACME).
certs-source-stand-in = A self-signed certificate stands in until the first order is done; programs that verify refuse it.
certs-source-files = Read from files that somebody else makes.
certs-source-self-signed = Made and signed by this server; programs that verify refuse it.
certs-renewal-files = Whoever made the files renews them; new files come into force by themselves.
certs-renewal-self-signed = It is never renewed, so that who pinned it stays content.
certs-renewal-unplanned = The next order is being planned.
certs-renewal-again = The next try is at { $at }.
certs-renewal-first = The first order is due at { $at }.
certs-renewal-at = By itself; the next look is at { $at }.
certs-failures = { $count ->
    [one] The last order failed
   *[other] { $count } orders in a row failed
}
certs-tlsa = DANE records (TLSA)
certs-tlsa-text = For zones that are signed (DNSSEC), and for names that MX records point to: who sends mail by DANE then accepts this key and no other.
certs-tlsa-self-signed = They stay right as long as this certificate does; another hostname, or a removed file, makes a new key.
certs-tlsa-files = They stay right over renewals as long as the key stays. Before files with another key come into force, publish its record beside this one, at least two TTLs ahead; remove the old one afterwards.
certs-tlsa-next = The next certificate gets another key, and the second record of each pair is for it. Publish both at least two TTLs before { $at }; remove the first when the new certificate is in force.
certs-tlsa-unmade = The next certificate gets another key ([acme] new_key); its record stands here as soon as the key is made.
certs-tlsa-stays = They stay right over renewals: the key is kept. They must change only when the key does ([acme] new_key = true, or a removed file).
certs-check = Check
certs-check-text = What is wrong, whether ACME can validate the names, and what can be reached from here. It takes some seconds.
certs-check-general = This server
certs-check-good = good
certs-check-note = note
certs-check-bad = to do
certs-check-unordered = Nothing was ordered yet; a running server orders it by itself, and a self-signed one stands in.
certs-check-unmade = It is not made yet; the server makes it when it starts.
certs-check-unreadable = { $why }
certs-check-pair = { $path } can be read, and the key belongs to it.
certs-check-names = It is for { $names }.
certs-check-name = It is not for { $name }, so programs that verify refuse it there; get one with this name, or take the name out of [[certificate]].
certs-check-until = { $count ->
    [one] 1 day left: it ends at { $until }.
   *[other] { $count } days left: it ends at { $until }.
}
certs-check-soon = It ends at { $until }; let whoever made its files renew it.
certs-check-soon-acme = It ends at { $until } and should be renewed by now; run “postwerk cert renew”, and read the last error.
certs-check-ended = It ended at { $until }, so programs that verify refuse it; renew it now.
certs-check-early = It is valid only from { $from }; is the clock of this machine right?
certs-check-own = It is self-signed: good enough for mail servers, refused by programs and browsers that verify; [tls] mode = "acme" gets a trusted one.
certs-check-self-signed = It is self-signed, so programs and browsers that verify refuse it unless they know it.
certs-check-order = In its file { $subject } is not followed by { $issuer }, which signed it; write the server's own first, then each that signed the one before.
certs-check-chain = { $count ->
    [one] The chain is complete and in order: 1 certificate, trusted by this machine.
   *[other] The chain is complete and in order: { $count } certificates, trusted by this machine.
}
certs-check-root = The chain is in order, but no root of this machine signed its end ({ $issuer }). A private CA is like that; from a public one the intermediate certificates are missing: write them behind the server's own.
certs-check-not-loaded = The running server does not know it yet; reload it (SIGHUP).
certs-check-stand-in = The running server shows a self-signed one until the first order is done; it is due at { $at }.
certs-check-other = The running server shows another one than its file; reload it (SIGHUP), and look into its log if that changes nothing.
certs-check-failing = { $count ->
    [one] The last order failed: { $why }. Next try: { $at }.
   *[other] { $count } orders in a row failed, the last one because: { $why }. Next try: { $at }.
}
certs-check-host = A certificate is for { $name }, the name that we greet with.
certs-check-no-host = No certificate is for { $name } ([server] hostname); add the name to a certificate.
certs-check-no-url = No certificate is for { $name } ([admin] public_url), so browsers warn before every link; add the name to a certificate.
certs-check-no-server = No server answers on the control socket, so only files and configuration were looked at.
certs-acme-off = Nothing is ordered here. ACME could validate by http-01 if port 80 led to [admin] http_bind (now: { $http }), by tls-alpn-01 if port 443 led to [admin] bind (now: { $https }), or by DNS-01 on any port.
certs-acme-http = ACME validates by http-01 on port 80, and { $doors } answers there.
certs-acme-not-http = ACME cannot validate on { $doors }: http-01 comes to port 80 of each name and to no other. Let port 80 lead there, write [admin] http_bind = "0.0.0.0:80", or use challenge = "dns-01".
certs-acme-alpn = ACME validates by tls-alpn-01 on port 443, and { $doors } answers there.
certs-acme-not-alpn = ACME cannot validate on { $doors }: tls-alpn-01 comes to port 443 of each name and to no other. Let port 443 lead there, listen on 443, open port 80 and use challenge = "http-01", or use challenge = "dns-01".
certs-acme-dns = ACME validates by DNS-01, whatever the ports: { $hook } writes the TXT records.
certs-reach-door = { $door } listens on this machine.
certs-reach-no-door = Nobody listens on { $door } of this machine now; start the server.
certs-reach-open = { $name } port { $port } answers ({ $ip }).
certs-reach-ours = { $name } port { $port } answers with our certificate ({ $ip }).
certs-reach-other = { $name } port { $port } answers with another certificate than ours ({ $ip }): something else stands there. Let the port lead here, or use challenge = "dns-01".
certs-reach-no-tls = { $name } port { $port } takes a connection but no TLS ({ $ip }): something else stands there. Let the port lead here, or use challenge = "dns-01".
certs-reach-closed = { $name } port { $port } cannot be reached from here ({ $ip }: { $why }). Open it in the firewall, or let it lead here; if it is only unreachable from inside, ask from outside.
certs-reach-no-address = { $name } has no address that we can find ({ $why }); publish an A or AAAA record. Port { $port } was not tried.
certs-reach-late = { $name } port { $port } did not answer in time; look at firewall and name servers.
