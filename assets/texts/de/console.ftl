# The console.
console-area = Datenschutz-Konsole
console-to-start = Zum Anfang
console-back = Zur Liste der Anfragen
console-yes = Ja
console-no = Nein
console-off = ausgeschaltet
console-stop = Das geht hier nicht
console-stop-role = Ihre Rolle darf das nicht. Wer es darf, steht unter „Mein Zugang“.
console-stop-nothing = Hier ist nichts, oder nicht mehr.
console-as-table = Als Tabelle (CSV)
console-percent = { $number } %
console-since = seit { $at }
console-until = bis { $at }
console-identified-by = { $kind } ({ $id })
console-identifier-email = E-Mail-Adresse
console-identifier-phone = Telefonnummer
console-identifier-user-id = Kundennummer
console-identifier-loyalty-card = Kundenkarte
console-identifier-device = Gerät
console-identifier-custom = Kennung
console-version = Fassung { $number }
console-days = { $number ->
     [one] ein Tag
    *[other] { $number } Tage
 }
console-years = { $number ->
     [one] ein Jahr
    *[other] { $number } Jahre
 }, ab Ende des Kalenderjahrs
console-events = { $number ->
     [one] ein Ereignis
    *[other] { $number } Ereignisse
 }
console-chunks = { $number ->
     [0] nichts
     [one] ein Stapel
    *[other] { $number } Stapel
 }
console-more = und { $number } weitere
console-tab-requests = Anfragen
console-tab-proof = Einwilligung nachweisen
console-tab-consents = Zustimmung
console-tab-policy = Regeln
console-tab-processing = Verarbeitungen
console-tab-destinations = Empfänger
console-tab-ledger = Logbuch
console-tab-audit = Protokoll
console-tab-officers = Zugänge
console-tab-account = Mein Zugang

# The way in.
console-sign-in = Anmelden
console-sign-in-button = Anmelden
console-sign-in-first = Es gibt noch keinen Zugang. Auf dem Rechner des Gateways gibt dieser Befehl einen Link aus, der den ersten einrichtet:
console-sign-in-refused = Name, Passwort oder Code stimmt nicht. Ein Code gilt nur einmal: Warten Sie gegebenenfalls auf den nächsten.
console-sign-in-wait = Zu viele Versuche. Bitte warten Sie { $number ->
     [one] eine Minute
    *[other] { $number } Minuten
 }.
console-name = Name
console-name-hint = Ein kurzer Name aus a–z, 0–9, Punkt, Binde- und Unterstrich. Er steht im Protokoll und wird nie zweimal vergeben.
console-password = Passwort
console-code = Code
console-code-hint = Sechs Ziffern aus Ihrer Authenticator-App, oder ein Wiederherstellungscode.
console-new-password = Neues Passwort
console-new-password-hint = Mindestens 12 Zeichen. Ein Satz, den niemand sonst sagt, ist besser als Sonderzeichen.
console-password-again = Dasselbe noch einmal
console-join = Zugang einrichten
console-join-lead = Für { $name }, Rolle: { $role }. Der Link gilt einmal.
console-join-renews = Für { $name }: Passwort und zweiter Faktor werden neu gesetzt. Alle Anmeldungen enden.
console-join-password = 1. Passwort
console-join-factor = 2. Zweiter Faktor
console-join-factor-text = Lesen Sie das Bild mit einer Authenticator-App ein und geben Sie den Code ein, den sie zeigt.
console-join-qr = QR-Code mit dem Schlüssel für die Authenticator-App
console-join-by-hand = Schlüssel von Hand eingeben
console-join-code = Code aus der App
console-join-button = Zugang einrichten
console-join-dead = Dieser Link gilt nicht mehr
console-join-dead-text = Er wurde benutzt, ist abgelaufen oder unvollständig. Bitten Sie um einen neuen.
console-join-error-differs = Die beiden Passwörter sind verschieden.
console-join-error-code = Der Code stimmt nicht. Prüfen Sie die Uhr Ihres Telefons.
console-join-error-short = Das Passwort ist zu kurz.
console-join-error-unfit = Das Passwort ist zu lang oder enthält Ihren Namen.
console-joined = Der Zugang ist eingerichtet
console-joined-lead = { $name } kann sich jetzt anmelden.
console-joined-codes = Wiederherstellungscodes für den Fall, dass Ihr Telefon verloren geht. Jeder gilt einmal. Sie stehen nur hier: Drucken Sie sie aus und bewahren Sie sie getrennt vom Telefon auf.
console-joined-button = Zur Anmeldung

# Roles.
console-role-dpo = Datenschutz
console-role-auditor = Prüfung (nur lesen)
console-role-support = Service
console-role-admin = Verwaltung
console-may-reader = Anfragen sehen, ohne Namen
console-may-desk = sehen, um wen es geht; Anfragen aufnehmen, Identität klären, zuweisen, notieren
console-may-dpo = entscheiden: genehmigen, ablehnen, verlängern, abbrechen; Pakete abrufen
console-may-inspector = Einwilligungen nachweisen, Zertifikate, Register und Protokoll lesen
console-may-admin = Zugänge verwalten, liegengebliebene Ereignisse erneut senden

# The list of requests.
console-file = Anfrage aufnehmen
console-register = Register (CSV)
console-filter = Auswahl
console-filter-button = Anzeigen
console-filter-state = Stand
console-filter-kind = Art
console-filter-whose = Zuständig
console-queue-all = { $number ->
     [0] Keine Anfrage
     [one] Eine Anfrage
    *[other] { $number } Anfragen
 }
console-queue-caption = Anfragen, die dringendste zuerst
console-queue-empty = Hier ist nichts zu tun.
console-pages = Seiten
console-page-before = Zurück
console-page-after = Weiter
console-waits-second = wartet auf zweite Person
console-recipient-failed = Empfänger nicht erreicht
console-whose-all = Alle
console-whose-mine = Ich
console-whose-nobody = Niemand
console-kind-all = Alle Arten
console-kind-access = Auskunft (Art. 15)
console-kind-erasure = Löschung (Art. 17)
console-kind-rectification = Berichtigung (Art. 16)
console-kind-restriction = Einschränkung (Art. 18)
console-kind-objection = Widerspruch (Art. 21)
console-kind-portability = Übertragung (Art. 20)
console-state-open = Alle offenen
console-state-late = Überfällig
console-state-over = Alle abgeschlossenen
console-state-identity-unclear = Identität unklar
console-state-in-review = Zu entscheiden
console-state-running = In Arbeit
console-state-done = Erledigt
console-state-refused = Abgelehnt
console-state-cancelled = Abgebrochen
console-light-late = Seit { $number ->
     [one] einem Tag
    *[other] { $number } Tagen
 } überfällig
console-light-urgent = { $number ->
     [0] Heute fällig
     [one] Noch ein Tag
    *[other] Noch { $number } Tage
 }
console-light-soon = { $number ->
     [0] Heute fällig
     [one] Noch ein Tag
    *[other] Noch { $number } Tage
 }
console-light-fine = { $number ->
     [0] Heute fällig
     [one] Noch ein Tag
    *[other] Noch { $number } Tage
 }
console-light-rests = Frist ruht
console-light-off = Keine Frist
console-col-due = Frist
console-col-request = Anfrage
console-col-state = Stand
console-col-received = Eingang
console-col-assigned = Zuständig
console-col-recipient = Empfänger
console-col-events = Ereignisse
console-col-hand = Löschung von Hand
console-col-at = Zeit
console-col-who = Wer
console-col-what = Was
console-col-why = Grund
console-col-mail = Mail
console-col-reason = Ursache
console-col-day = Tag
console-col-kind = Art
console-col-form = Adressen
console-col-erasure = Löschung
console-col-law = Gesetz
console-col-attempts = Versuche
console-col-first = Zuerst
console-col-last = Zuletzt
console-col-number = Nr.
console-col-until = Gültig bis

# One request.
console-asks = Worum es geht
console-asks-hidden = Um wen es geht, zeigt Ihre Rolle nicht.
console-asks-gone = Um wen es ging, ist vergessen.
console-asks-purpose = Zweck
console-asks-correct = Berichtigen: { $name }
console-asks-trait = Angabe: { $name }
console-asks-words = Worte der Person
console-asks-suppress = Nicht durch Importe zurückholen
console-asks-origin = Gesendet von
console-asks-language = Sprache
console-deadline = Frist
console-deadline-months = Eingang am { $received }, dazu { $months ->
     [one] ein Monat
    *[other] { $months } Monate
 }: { $end }.
console-deadline-extended = Die Frist wurde um zwei Monate verlängert (Art. 12 Abs. 3 DSGVO).
console-deadline-rested = { $number ->
     [one] Einen Tag
    *[other] { $number } Tage
 } ruhte sie, weil die Identität unklar war.
console-deadline-due = Letzter Tag, ein Werktag: { $day }.
console-deadline-rests = Die Frist ruht, solange unklar ist, wer anfragt.
console-identity = Identität
console-identity-waits-own = Die Person hat selbst angefragt; der Link in ihrer Mail ist noch nicht bestätigt.
console-identity-waits-desk = Es ist unklar, ob die Person anfragt, um deren Daten es geht.
console-identity-clear-own = Bestätigt durch einen Link, der an die genannte Adresse ging.
console-identity-clear-desk = Von einer Mitarbeiterin oder einem Mitarbeiter geklärt.
console-rested = Unklar vom { $from } bis zum { $until }.
console-rests = Unklar seit dem { $from }.
console-reach = Was betroffen ist
console-reach-people = { $number ->
     [0] Hier ist niemand bekannt
     [one] Eine Person oder ein Gerät
    *[other] { $number } Personen und Geräte
 }
console-reach-events = { $number ->
     [0] Keine Ereignisse
     [one] Ein Ereignis
    *[other] { $number } Ereignisse
 } im Profilspeicher
console-reach-decisions = { $number ->
     [0] Keine Entscheidungen
     [one] Eine Entscheidung
    *[other] { $number } Entscheidungen
 } über Einwilligungen
console-reach-shared = { $number ->
     [one] Ein Gerät bleibt
    *[other] { $number } Geräte bleiben
 } unberührt, weil auch andere es nutzen
console-reach-kept = { $number ->
     [one] Ein Datensatz bleibt
    *[other] { $number } Datensätze bleiben
 } wegen der Pflicht „{ $duty }“
console-reach-recipients = Wer schon etwas bekommen hat
console-recipients = Empfänger
console-look-again = Stand neu laden
console-confirm = Von Hand bestätigen
console-fate-confirmed = nachweislich erledigt
console-fate-pending = wird benachrichtigt
console-fate-delivered = benachrichtigt
console-fate-signed = mit Signatur bestätigt
console-fate-failed = nicht erreicht
console-fate-not-supported = bietet es nicht an
console-fate-open = von Hand zu erledigen
console-fate-confirmed-by-hand = von Hand bestätigt
console-fact-concerned = Betroffen
console-fact-shredded = Gelöscht
console-fact-shredded-value = { $number ->
     [one] ein Schlüssel
    *[other] { $number } Schlüssel
 } vernichtet, { $at }
console-fact-kept = Aufbewahrt
console-fact-kept-value = { $law }: { $number ->
     [one] ein Datensatz
    *[other] { $number } Datensätze
 } bis { $until }
console-fact-ground = Ablehnungsgrund
console-fact-corrected = Berichtigt
console-decide = Entscheiden
console-four-eyes = Zwei Personen müssen dies genehmigen.
console-approved-by = Genehmigt von: { $who }.
console-approved-by-you = Sie haben genehmigt. Jetzt muss jemand anderes zustimmen.
console-do-identify = Identität ist geklärt
console-do-send-link = Neuen Bestätigungslink senden
console-do-approve = Genehmigen
console-do-approve-sure = Ich habe die Angaben geprüft
console-do-refuse = Ablehnen …
console-do-refuse-button = Ablehnen
console-do-extend = Frist verlängern …
console-do-extend-button = Um zwei Monate verlängern
console-do-doubt = Um Identifizierung bitten …
console-do-doubt-button = Identität ist unklar
console-do-cancel = Zurückgenommen …
console-do-cancel-button = Die Person nimmt es zurück
console-do-lift = Einschränkung aufheben
console-ground = Grund, den das Gesetz kennt
console-ground-not-identified = Nicht identifiziert (Art. 11 Abs. 2, 12 Abs. 2)
console-ground-manifestly-unfounded = Offenkundig unbegründet (Art. 12 Abs. 5)
console-ground-excessive = Exzessiv, insbesondere wiederholt (Art. 12 Abs. 5)
console-ground-legal-obligation = Gesetzliche Pflicht zur Aufbewahrung (Art. 17 Abs. 3 lit. b)
console-ground-legal-claims = Für Rechtsansprüche benötigt (Art. 17 Abs. 3 lit. e)
console-reason = Grund
console-reason-told = Begründung
console-reason-extend = Begründung: Komplexität oder Zahl der Anträge
console-reason-lift = Warum sie endet
console-words-hint = Nennen Sie hier niemanden: Diese Worte bleiben, wie Sie sie schreiben.
console-package = Paket
console-package-until = Abrufbar bis { $until }. Die Person hat es { $number ->
     [0] noch nicht
     [one] einmal
    *[other] { $number }-mal
 } abgerufen.
console-package-progress = { $written } von { $events } Ereignissen sind geschrieben.
console-package-noted = Wer es abruft, steht im Protokoll.
console-certificate = Zertifikat
console-certificate-text = Die signierte Bestätigung der Löschung. Sie enthält nichts Persönliches.
console-certificate-button = Zertifikat herunterladen
console-do-assign-me = Ich übernehme
console-do-assign = Zuweisen …
console-do-assign-button = Zuweisen
console-assign-to = Name (leer: niemand)
console-do-note = Notiz
console-note-text = Text
console-do-note-button = Notieren
console-history = Verlauf
console-mails = Mails an die Person
console-done-identify = Die Identität ist geklärt; die Frist läuft.
console-done-doubt = Die Identität ist unklar; die Frist ruht.
console-done-send-link = Ein neuer Link ist unterwegs.
console-done-approve = Genehmigt.
console-done-refuse = Abgelehnt.
console-done-extend = Die Frist ist verlängert.
console-done-cancel = Zurückgenommen.
console-done-lift = Die Einschränkung wird aufgehoben.
console-done-assign = Zugewiesen.
console-done-note = Notiert.
console-done-confirm = Bestätigt.
console-done-filed = Die Anfrage ist aufgenommen.
console-wrong-sure = Bitte bestätigen Sie, dass Sie die Angaben geprüft haben.
console-wrong-ground = Bitte wählen Sie einen Grund.
console-wrong-recipient = Bei diesem Empfänger ist nichts offen.
console-wrong-long = Der Text ist zu lang.
console-wrong-assignee = Das ist kein Name eines Zugangs.
console-wrong-state = Die Anfrage ist inzwischen in einem anderen Stand.
console-wrong-too-late = Verlängern geht einmal, im ersten Monat.
console-wrong-no-reason = Bitte geben Sie einen Grund an.
console-wrong-underway = Gerade wird eine Löschung derselben Person ausgeführt. Sehen Sie gleich noch einmal nach.
console-wrong-same-person = Sie haben schon genehmigt; jemand anderes muss zustimmen.
console-wrong-full = Die Anfrage fasst keine weiteren Worte.
console-wrong-corrections = Was zu berichtigen ist, gehört nicht dieser Person, oder das Richtige gehört jemand anderem.
console-wrong-no-address = Es ist keine Mailadresse bekannt, an die ein Link gehen könnte.
console-wrong-identifier = Diese Angabe kann nicht gelesen werden.
console-wrong-nobody = Bitte sagen Sie, um wen es geht.
console-wrong-purposes = Diesen Zwecken kann nicht widersprochen werden.
console-wrong-nothing-corrected = Bitte sagen Sie, was zu berichtigen ist.
console-wrong-suppress = Nicht zurückholen geht nur mit einer Löschung und mit einer Notiz dessen, was gesagt wurde.
console-wrong-too-many = Gerade warten zu viele Anfragen.
console-wrong-kind = Bitte wählen Sie eine Art.
console-wrong-only-rectification = Was zu berichtigen ist, gehört zu einer Berichtigung.
console-wrong-correction-type = Bitte sagen Sie, welcher Art die Angabe ist.
console-wrong-correction-from = Bitte sagen Sie, was falsch ist.
console-wrong-correction-device = Geräte kann man nicht berichtigen.
console-wrong-correction-once = Nennen Sie jede Angabe nur einmal; falsch und richtig müssen verschieden sein.
console-wrong-trait-name = Bitte sagen Sie, wie das Merkmal heißt.
console-wrong-trait-value = Bitte sagen Sie, was richtig ist.
console-wrong-trait-number = Das ist keine Zahl.
console-wrong-trait-yes-no = Bei Ja und Nein bleibt das Feld daneben leer.
console-wrong-trait-twice = Dieses Merkmal steht schon da.
console-wrong-trait-unfit = Der Name eines Merkmals hat Buchstaben, Ziffern und „_“. Sein Wert hat höchstens 500 Zeichen und nichts, was auf eine Person zeigt: Adressen und Nummern sind Angaben.

# What was done, in histories and in the audit.
console-act-received = eingegangen
console-act-identified = Identität geklärt
console-act-identity-doubted = Identität bezweifelt
console-act-link-sent = Link gesendet
console-act-approved = genehmigt
console-act-approved-by-one = von einer Person genehmigt
console-act-refused = abgelehnt
console-act-extended = verlängert
console-act-cancelled = abgebrochen
console-act-lifted = aufgehoben
console-act-assigned = zugewiesen
console-act-note = Notiz
console-act-confirmed-by-hand = Empfänger von Hand bestätigt
console-act-address-confirmed = Adresse bestätigt
console-act-available = Paket bereit
console-act-conflict = Widerspruch mit anderem, zurück zur Prüfung
console-act-done = erledigt
console-act-erased = gelöscht
console-act-never-confirmed = nie bestätigt
console-act-package-fetched = Paket abgerufen
console-act-suppressed = vor Importen geschützt
console-act-callback-not-heard = Rückruf nicht gehört
console-act-shown = angesehen
console-act-searched = gesucht
console-act-package = Paket abgerufen
console-act-certificate = Zertifikat abgerufen
console-act-register = Register abgerufen
console-act-consent-proof = Einwilligung nachgesehen
console-act-signed-in = angemeldet
console-act-signed-in-by-recovery = mit Wiederherstellungscode angemeldet
console-act-signed-out = abgemeldet
console-act-sign-in-failed = Anmeldung gescheitert
console-act-password-changed = Passwort geändert
console-act-role-changed = Rolle geändert
console-act-officer-removed = Zugang entfernt
console-act-invited = eingeladen
console-act-renewal-offered = Erneuerung angeboten
console-act-enrolled = Zugang eingerichtet
console-act-renewed = Zugang erneuert
console-act-replayed = erneut gesendet
console-act-sessions-ended = Anmeldungen beendet
console-act-audit-exported = Protokoll abgerufen
console-who-gateway = das Gateway
console-who-operator = Betrieb (Kommandozeile)
console-who-person = die Person selbst
console-who-nobody = unbekannt
console-who-key = Schlüssel { $id }
console-mail-confirm = Bitte um Bestätigung
console-mail-received = Eingang
console-mail-more-needed = Bitte um mehr Angaben
console-mail-extended = Verlängerung
console-mail-refused = Ablehnung
console-mail-available = Paket bereit
console-mail-done = Erledigt
console-mail-restricted = Einschränkung gilt
console-mail-lifting = Einschränkung endet
console-mail-cancelled = Abgebrochen
console-mail-state-waiting = wartet
console-mail-state-sent = gesendet
console-mail-state-written = im Ordner abgelegt
console-mail-state-failed = gescheitert

# Filing a request.
console-file-lead = Für Anfragen, die am Telefon, im Laden oder per Brief kommen.
console-file-kind = Was wird verlangt?
console-file-type = Art der Angabe
console-file-value = Angabe, genau wie sie lautet
console-file-language = Sprache der Person
console-file-note = Notiz
console-file-identified = Es ist geklärt, dass die Person selbst anfragt
console-file-suppress = Die Person will nicht durch Importe zurückgeholt werden (nur Löschung; Notiz nötig)
console-file-wrong = Was zu berichtigen ist (nur bei einer Berichtigung)
console-file-wrong-hint = Wer mehr zu berichtigen hat, als hier Platz findet: eine zweite Anfrage aufnehmen.
console-file-wrong-row = { $number }. Angabe
console-file-wrong-type = Was für eine Angabe
console-file-from = Falsch ist
console-file-to = Richtig ist (leer: gehört nicht der Person)
console-file-trait-row = { $number }. Merkmal
console-file-trait-name = Name des Merkmals
console-file-trait-value = Richtig ist
console-file-trait-form = Als
console-file-form-text = Text
console-file-form-number = Zahl
console-file-form-yes = Ja
console-file-form-no = Nein
console-file-row = Zeile { $number }: { $wrong }
console-file-button = Aufnehmen

# Proof of consent.
console-proof-lead = Was jemand entschieden hat, unter welchem Hinweis, und wo es im Logbuch steht (Art. 7 Abs. 1 DSGVO).
console-proof-reason = Warum sehen Sie nach?
console-proof-reason-hint = Steht im Protokoll. Nennen Sie hier niemanden.
console-proof-button = Nachsehen
console-proof-found = { $number ->
     [0] Keine Entscheidung gefunden
     [one] Eine Entscheidung
    *[other] { $number } Entscheidungen
 }
console-proof-ledger = im Logbuch: Eintrag { $index } von { $size }
console-proof-waits = noch nicht im Logbuch
console-proof-how = Wie
console-proof-source = Quelle
console-proof-notice = Hinweis
console-proof-no-notice = keiner hinterlegt
console-proof-words = Wortlaut
console-proof-today-same = Diese Worte gelten noch heute.
console-proof-today-other = Heute gilt ein anderer Wortlaut: Fassung { $number }.
console-proof-today-none = Diesen Hinweis gibt es heute nicht mehr.
console-proof-older = Der Wortlaut von damals ist nicht aufbewahrt: Diese Entscheidung ist älter als die Aufbewahrung.
console-proof-policy = Regelwerk
console-proof-receipt = Beleg
console-decided-granted = Zugestimmt
console-decided-denied = Abgelehnt
console-decided-withdrawn = Widerrufen
console-decided-pending = Noch nicht bestätigt
console-method-banner = Banner
console-method-portal = Portal
console-method-spoken = mündlich
console-method-paper = auf Papier
console-method-import = übernommen
console-method-event = Banner der Website
console-method-signal = Signal des Browsers
console-method-request = Widerspruch (Anfrage)

# Consent rates.
console-consents-lead = Wie viele von hundert Entscheidungen ein Ja waren. Nur Zahlen, von niemandem.
console-consents-period = Zeitraum
console-consents-days = { $number } Tage
console-consents-none = Noch keine Entscheidungen in diesem Zeitraum.
console-consents-sum = { $percent } von { $number ->
     [one] einer Entscheidung
    *[other] { $number } Entscheidungen
 }
console-consents-plot = Zustimmung zu „{ $purpose }“ von { $from } bis { $to }; die Tabelle daneben hat die Zahlen
console-consents-table = Als Tabelle

# Policy and processing.
console-policy-lead = Wonach gefragt wird, in welchen Worten, für welchen Zweck.
console-policy-version = Version des Regelwerks:
console-policy-notices = Hinweise
console-policy-purposes = Zwecke
console-policy-asks = fragt nach: { $purposes }
console-policy-sources = gezeigt von: { $sources }
console-policy-earlier = So war das Regelwerk früher; heute gilt ein anderes.
console-versions = Fassungen des Regelwerks
console-versions-lead = Welches Regelwerk wann galt. Jedes wird aufbewahrt, bevor es gilt, mit allem, was Menschen darunter gezeigt wurde.
console-versions-back = Zu den Fassungen des Regelwerks
console-versions-back-to-policy = Zum Regelwerk, das heute gilt
console-versions-old = Alt
console-versions-new = Neu
console-versions-since = Gilt seit
console-versions-until = Gilt bis
console-versions-now = heute
console-versions-version = Version
console-versions-compare = Vergleichen
console-versions-canonical = JSON ist das Regelwerk in der Form, über die die Version gebildet ist (RFC 8785): Die SHA-256-Prüfsumme der Datei ist die Version.
console-versions-comparison = Was sich geändert hat
console-versions-from-to = Galt von { $from } bis { $to }.
console-versions-from = Gilt seit { $from }.
console-versions-with-today = Mit dem vergleichen, was heute gilt
console-versions-nothing = Es hat sich nichts geändert.
console-versions-asks = Menschen werden erneut gefragt.
console-versions-asks-nobody = Niemand wird erneut gefragt.
console-versions-badge = fragt erneut
console-versions-changes = Änderungen
console-versions-words = Worte
console-versions-legend = So ist markiert, was sich geändert hat:
console-versions-gone = entfernt:
console-versions-added = neu:
console-versions-notice = Hinweis, Fassung { $version }:
console-versions-unreadable = Dieses Programm kennt nicht alles, was dieses Regelwerk sagt. Sein Wortlaut ist aufbewahrt und kann als JSON abgerufen werden.
console-basis-consent = Einwilligung (Art. 6 Abs. 1 lit. a)
console-basis-contract = Vertrag (Art. 6 Abs. 1 lit. b)
console-basis-legal-obligation = Rechtliche Pflicht (Art. 6 Abs. 1 lit. c)
console-basis-legitimate-interest = Berechtigtes Interesse (Art. 6 Abs. 1 lit. f)
console-processing-lead = Verzeichnis von Verarbeitungstätigkeiten (Art. 30 Abs. 1 DSGVO), aus dem Regelwerk, das gerade gilt.
console-processing-controller = Verantwortlicher
console-processing-contact = Datenschutz
console-processing-version = Regelwerk
console-processing-basis = Rechtsgrundlage
console-processing-data = Datenkategorien
console-processing-sources = Quellen
console-processing-kept = Aufbewahrt
console-processing-asked = Zustimmung gilt
console-processing-nobody = Kein Empfänger.
console-processing-duties = Gesetzliche Aufbewahrung
console-processing-rest = Was hier nicht steht
console-processing-rest-text = Übermittlungen in Drittländer (Art. 30 Abs. 1 lit. e) und was außerhalb dieses Gateways geschieht, weiß das Regelwerk nicht: Ergänzen Sie es. Zu den Schutzmaßnahmen (lit. g): Alles Persönliche ist je Person versiegelt, Empfänger bekommen nur Pseudonyme, jede Einsicht steht im Protokoll.
console-destination-profile = Profilspeicher
console-destination-file = Dateien
console-destination-webhook = Webhook
console-form-keyed = mit Schlüssel gehasht
console-form-none = keine
console-form-partner = Hash nach Partnervorgabe
console-erasure-itself = vergisst selbst
console-erasure-message = signierte Nachricht
console-erasure-opendsr = OpenDSR
console-erasure-segment = Segment
console-erasure-manual = von Hand
console-erasure-none = bietet nichts an

# Destinations.
console-destinations-lead = Wie weit jeder Empfänger ist. Zahlen seit dem Start des Gateways.
console-destination-state-off = ausgeschaltet
console-destination-state-dead = braucht Hilfe
console-destination-state-waits = wiederholt
console-destination-state-fine = läuft
console-destination-delivered = Zugestellt
console-destination-lag = Rückstand
console-destination-waiting = Warten auf neuen Versuch
console-destination-retried = Wiederholt
console-destination-dead = Liegengeblieben
console-destination-withheld = Beim Senden zurückgehalten
console-dead-caption = Liegengebliebenes
console-replay = Alles erneut senden
console-replayed = { $number ->
     [one] Ein Ereignis geht
    *[other] { $number } Ereignisse gehen
 } noch einmal durch die Prüfung; { $skipped } bleiben liegen.

# Ledger and audit.
console-ledger-lead = Jede Entscheidung und jeder Schritt einer Anfrage steht als gesalzener Hash in einem Logbuch, das jeder prüfen kann.
console-ledger-entries = Einträge
console-ledger-size = { $number }
console-ledger-root = Wurzel
console-ledger-key = Schlüssel
console-ledger-head = Zuletzt signierter Kopf
console-ledger-check = Selbst prüfen
console-ledger-check-text = Auf irgendeinem Rechner mit dem Programm:
console-audit-lead = Wer was getan und wer etwas angesehen hat. Einträge werden nie geändert; sie gehen nach vier Jahren.
console-audit-who = Wer (z. B. officer:ines)
console-audit-request = Anfrage (req_…)
console-audit-empty = Keine Einträge.
console-audit-older = Ältere

# Accounts.
console-officers-link = Link für { $name }. Er steht nur hier, gilt einmal und drei Tage lang. Geben Sie ihn persönlich weiter.
console-officers-removed = entfernt am { $at }
console-officers-created = Eingerichtet { $at }, eingeladen von { $by }
console-officers-signed-in = zuletzt angemeldet { $at }
console-officers-sessions = { $number ->
     [0] nirgends angemeldet
     [one] an einer Stelle angemeldet
    *[other] an { $number } Stellen angemeldet
 }
console-officers-me = Das sind Sie. Ihre eigene Rolle ändert jemand anderes.
console-officers-change = Ändern …
console-officers-role = Rolle
console-officers-role-button = Rolle ändern
console-officers-renew = Link zum Neueinrichten
console-officers-end = Anmeldungen beenden
console-officers-remove = Zugang entfernen
console-officers-remove-sure = Der Zugang soll enden; der Name bleibt vergeben
console-officers-invitations = Offene Einladungen
console-officers-renewal = Neueinrichtung
console-officers-invite = Einladen
console-officers-invite-button = Link erzeugen
console-officers-done-role = Die Rolle ist geändert; die Anmeldungen sind beendet.
console-officers-done-remove = Der Zugang ist entfernt.
console-officers-done-end = Die Anmeldungen sind beendet.
console-officers-wrong-name = So kann ein Zugang nicht heißen.
console-officers-wrong-taken = Diesen Namen gibt oder gab es schon.
console-officers-wrong-nobody = Diesen Zugang gibt es nicht.
console-officers-wrong-last-admin = Das ist die letzte Verwaltung: Laden Sie vorher jemanden ein.
console-officers-wrong-too-many = Es gibt zu viele Zugänge.
console-officers-wrong-conflict = Jemand hat gleichzeitig etwas geändert. Bitte noch einmal.
console-officers-wrong-role = Bitte wählen Sie eine Rolle.
console-officers-wrong-sure = Bitte bestätigen Sie das Entfernen.
console-officers-wrong-me = Das kann nur jemand anderes.
console-account = Angemeldet als { $name }
console-recovery-used = Sie haben einen Wiederherstellungscode benutzt. Ist das Telefon verloren, bitten Sie um einen Link zum Neueinrichten.
console-sessions = Anmeldungen
console-sessions-began = Begonnen
console-sessions-seen = Zuletzt benutzt
console-sessions-end = Beenden
console-sessions-this = diese hier
console-sessions-end-others = Alle anderen beenden
console-password-change = Passwort ändern
console-password-change-text = Danach melden Sie sich überall neu an.
console-password-now = Jetziges Passwort
console-password-button = Passwort ändern
console-password-differs = Die beiden neuen Passwörter sind verschieden.
console-password-present = Das jetzige Passwort stimmt nicht.
console-password-short = Das neue Passwort ist zu kurz.
console-password-unfit = Das neue Passwort ist zu lang oder enthält Ihren Namen.
console-password-wait = Bitte warten Sie einen Moment.
