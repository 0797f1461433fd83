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
