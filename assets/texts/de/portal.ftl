# Das Portal für Kundinnen und Kunden.

portal-area = Ihre Daten
portal-tab-home = Erlaubnisse
portal-tab-preferences = Vorlieben
portal-tab-data = Meine Daten
portal-tab-requests = Meine Rechte
portal-tab-history = Verlauf

portal-refused-title-gone = Hier ist nichts
portal-refused-text-gone = Diese Seite gibt es nicht, oder nicht mehr, oder sie gehört jemand anderem.
portal-refused-title-form = Das hat nicht geklappt
portal-refused-text-form = Das Formular gehört zu einer früheren Anmeldung oder kommt nicht von dieser Seite. Es wurde nichts geändert. Bitte laden Sie die Seite neu und versuchen Sie es noch einmal.
portal-refused-title-busy = Einen Moment bitte
portal-refused-text-busy = Das waren gerade sehr viele Anfragen. Bitte versuchen Sie es gleich noch einmal.
portal-refused-title-input = Das konnten wir nicht lesen
portal-refused-text-input = Etwas in Ihrer Eingabe passt nicht. Es wurde nichts geändert.
portal-refused-title-failed = Das hat nicht geklappt
portal-refused-text-failed = Das können wir gerade nicht ausführen. Es wurde nichts geändert. Bitte versuchen Sie es später noch einmal.
portal-refused-next = Zur Startseite

sign-in-title = Ihre Daten, Ihre Entscheidung
sign-in-intro = Sehen Sie, was wir über Sie wissen und wofür wir es verwenden. Ändern Sie, was Ihnen nicht gefällt.
sign-in-email = Ihre E-Mail-Adresse
sign-in-hint = Wir schicken Ihnen einen Link, mit dem Sie sich anmelden.
sign-in-send = Link schicken
sign-in-no-password = Sie brauchen kein Passwort und kein Konto.
sign-in-no-address = Das ist keine vollständige E-Mail-Adresse. Sie sieht etwa so aus: name@anbieter.de
sign-in-sent-title = Bitte sehen Sie in Ihr Postfach
sign-in-sent-text = Wir haben eine Mail an die Adresse geschickt. Öffnen Sie den Link darin auf diesem Gerät. Er gilt 15 Minuten und einmal.
sign-in-sent-nothing = Ist nach ein paar Minuten nichts da? Sehen Sie im Spam-Ordner nach, oder prüfen Sie die Adresse. Eine Adresse bekommt höchstens fünf Mails in der Stunde.
sign-in-again = Neuen Link anfordern
sign-in-dead-title-unknown = Diesen Link gibt es nicht
sign-in-dead-text-unknown = Bitte öffnen Sie den ganzen Link aus unserer Mail.
sign-in-dead-title-used = Dieser Link wurde schon verwendet
sign-in-dead-text-used = Jeder Link meldet einmal an. Fordern Sie bitte einen neuen an.
sign-in-dead-title-expired = Dieser Link gilt nicht mehr
sign-in-dead-text-expired = Links gelten 15 Minuten. Fordern Sie bitte einen neuen an.
sign-in-dead-title-statement = Die Anmeldung hat nicht geklappt
sign-in-dead-text-statement = Bitte versuchen Sie es auf der Website noch einmal, oder melden Sie sich mit Ihrer E-Mail-Adresse an.
sign-in-mail-subject = Ihr Link zu Ihren Daten bei { $company }
sign-in-mail-greeting = Guten Tag,
sign-in-mail-text = mit diesem Link sehen und ändern Sie, was { $company } mit Ihren Daten macht. Er gilt 15 Minuten und einmal:
sign-in-mail-not-you = Wenn Sie das nicht angefordert haben, brauchen Sie nichts zu tun: Ohne den Link kann sich niemand anmelden.

enter-title = Anmelden
enter-text = Sie sind fast da: Ein Klick, und Sie sehen, was { $company } mit Ihren Daten macht.
enter-button = Jetzt anmelden
enter-why = Warum noch ein Klick? Programme, die Mails prüfen, öffnen jeden Link. Der Knopf sorgt dafür, dass nur Sie ihn verbrauchen.

home-title = Wofür dürfen wir Ihre Daten verwenden?
home-intro = Sie entscheiden für jeden Zweck. Was Sie ändern, gilt sofort.
home-as = Angemeldet als
home-summary = { $on ->
    [0] Im Moment erlauben Sie nichts davon.
    [one] Im Moment erlauben Sie einen von { $all } Zwecken.
   *[other] Im Moment erlauben Sie { $on } von { $all } Zwecken.
 }
home-unknown = Zu dieser Adresse ist bei uns nichts gespeichert. Sie können trotzdem etwas erlauben oder ablehnen; das merken wir uns.
home-part = Zu Ihrem Profil gehört noch etwas anderes, zum Beispiel eine Kundennummer, die Sie hier nicht nachgewiesen haben. Zu Ihrem Schutz sehen Sie nur, was mit Ihrer Adresse entschieden wurde. Ein Nein von hier gilt für alles. Alles andere bekommen Sie über eine Auskunft.
home-restricted = Die Verarbeitung Ihrer Daten ist eingeschränkt: Sie sind gespeichert, und sonst geschieht nichts mit ihnen, was auch immer hier steht.
home-saved-granted = Gespeichert: „{ $purpose }“ ist jetzt erlaubt.
home-saved-pending = Gespeichert: „{ $purpose }“ gilt, sobald Sie den Link in unserer Mail öffnen und dort bestätigen.
home-saved-denied = Gespeichert: „{ $purpose }“ ist nicht erlaubt.
home-saved-withdrawn = Gespeichert: „{ $purpose }“ ist widerrufen. Ab jetzt wird dafür nichts mehr weitergegeben.
home-saved-signal = Ihr Browser lehnt „{ $purpose }“ für Sie ab (Global Privacy Control). Das gilt, und dafür wird nichts weitergegeben.
home-signal = Ihr Browser sendet ein Signal, das manches für Sie ablehnt (Global Privacy Control). Was es mit einem Zweck macht, steht bei ihm.
home-leave = Nein, nicht mehr
home-take-back = Doch nicht
home-widen = Auch dafür erlauben
home-left-out = Seit Sie es erlaubt haben, ist dazugekommen: { $names }. Dorthin geht nichts, solange Sie es nicht auch dafür erlauben.
home-more = Wer bekommt es, wie lange, warum
home-to = Es bekommen:
home-to-nobody = Im Moment bekommt es niemand.
home-kept = { $days ->
    [one] Aufbewahrt wird es einen Tag.
   *[other] Aufbewahrt wird es { $days } Tage.
 }
home-rest = Was ohne Erlaubnis geschieht
home-withdraw = Eine Einwilligung können Sie jederzeit widerrufen, so einfach wie hier. Was bis dahin geschah, bleibt rechtmäßig (Art. 7 Abs. 3 DSGVO).
switch-on = an
switch-off = aus

held-unasked = Dafür fragen wir nicht.
held-unobjected = Erlaubt, solange Sie nicht widersprechen.
held-undecided = Nicht erlaubt: Sie haben noch nicht entschieden.
held-granted = Erlaubt seit { $since }.
held-granted-until = Erlaubt seit { $since }, höchstens bis { $until }.
held-outdated = Nicht erlaubt: Seit Ihrem Ja vom { $since } haben sich die Bedingungen geändert. Es wird nichts weitergegeben. Sie können es neu erlauben oder es so lassen.
held-outweighed = Nicht erlaubt: Auf einem Ihrer Geräte oder unter einer Ihrer Nummern haben Sie Nein gesagt, und ein Nein geht vor.
held-pending = Nicht erlaubt, bis Sie den Link in unserer Mail vom { $since } öffnen und dort bestätigen.
held-denied = Nicht erlaubt: Sie haben am { $since } Nein gesagt.
held-withdrawn = Nicht erlaubt: Sie haben es am { $since } widerrufen.
held-expired = Nicht mehr erlaubt: Ihre Erlaubnis ist am { $since } abgelaufen.

signal-badge = durch Ihren Browser abgelehnt
signal-prevails = Solange Ihr Browser das ablehnt (Global Privacy Control), gilt ein Ja hier nicht. Wenn Sie es erlauben möchten, schalten Sie das Signal in Ihrem Browser aus.
signal-yields = Ihr Browser lehnt das ab (Global Privacy Control). Wenn Sie es hier trotzdem einschalten, gilt Ihr Ja für das, womit Sie angemeldet sind, und in der Quittung steht, dass das Signal gesetzt war.
signal-yielded = Ihr Browser lehnt das ab (Global Privacy Control); Ihr Ja geht dem Signal vor.

basis-consent = Die Grundlage ist Ihre Einwilligung (Art. 6 Abs. 1 lit. a DSGVO).
basis-contract = Die Grundlage ist Ihr Vertrag mit uns (Art. 6 Abs. 1 lit. b DSGVO).
basis-law = Die Grundlage ist ein Gesetz (Art. 6 Abs. 1 lit. c DSGVO).
basis-interest = Die Grundlage ist unser berechtigtes Interesse (Art. 6 Abs. 1 lit. f DSGVO).

recipient-profile = unsere Kundendatenbank ({ $name })
recipient-file = unser Archiv ({ $name })
recipient-webhook = ein anderes Unternehmen oder System ({ $name })

receipt-read = Quittung lesen
receipt-file = Quittung als Datei

history-title = Was Sie entschieden haben
history-intro = Jede Entscheidung mit Quittung. Die Quittung beweist, was Sie wann entschieden haben, auch ohne uns.
history-part = Sie sehen hier nur Entscheidungen, die mit dem getroffen wurden, womit Sie sich angemeldet haben.
history-empty = Noch nichts.
decided-granted = ja
decided-pending = noch nicht bestätigt
decided-denied = nein
decided-withdrawn = widerrufen
method-banner = im Banner
method-portal = hier im Portal
method-spoken = mündlich
method-paper = auf Papier
method-import = übernommen
method-event = auf der Website
method-request = auf Ihre Anfrage
method-signal = durch ein Signal Ihres Browsers

preferences-title = Was Sie mögen, und wie wir Sie erreichen
preferences-intro = Sagen Sie über sich, was Sie möchten, und sonst nichts. Jede Angabe ist freiwillig.
preferences-rule = Verwendet wird eine Angabe nur für das, was dabeisteht, und nur, solange Sie es erlauben.
preferences-permissions = Zu Ihren Erlaubnissen
preferences-part = Zu Ihrem Profil gehört noch etwas anderes, zum Beispiel eine Kundennummer, die Sie hier nicht nachgewiesen haben. Zu Ihrem Schutz sehen Sie nur, was mit dem gesagt wurde, womit Sie sich angemeldet haben, und können hier nichts ändern. Melden Sie sich über die Website an, oder wenden Sie sich an uns. Werbung beenden Sie bei Ihren Erlaubnissen.
preferences-empty = Hier steht nichts.
preferences-about = Über Sie
preferences-channels = Wie wir Sie mit Werbung erreichen dürfen
preferences-save = Speichern
preferences-forget = Vergessen
preferences-stored = Gespeichert ist:
preferences-said = Gesagt am { $day } { $place }, aufbewahrt bis { $until }.
preferences-done-saved = Gespeichert.
preferences-done-forgotten = Vergessen, auch im Verlauf. Dort steht nur noch, dass Sie es wollten.
preferences-changed = Inzwischen wurde etwas geändert, zum Beispiel an der Kasse. Deshalb ist nichts gespeichert. Ihre Eingaben stehen noch hier; bitte sehen Sie sie durch und speichern Sie noch einmal.
preferences-wrong = { $count ->
    [one] Eine Angabe passt nicht. Es ist nichts gespeichert.
   *[other] { $count } Angaben passen nicht. Es ist nichts gespeichert.
 }
preferences-wrong-choice = Bitte wählen Sie eine der Möglichkeiten.
preferences-wrong-multi_choice = Bitte wählen Sie höchstens { $most } davon.
preferences-wrong-number = Bitte schreiben Sie eine ganze Zahl von { $min } bis { $max }.
preferences-wrong-text = Bitte schreiben Sie höchstens { $most } Zeichen, ohne Steuerzeichen.
preferences-wrong-date = Bitte geben Sie einen Tag an, den es gibt.
preferences-wrong-date_from = Bitte geben Sie einen Tag an, den es gibt, frühestens den { $first }.
preferences-wrong-date_until = Bitte geben Sie einen Tag an, den es gibt, spätestens den { $last }.
preferences-wrong-date_between = Bitte geben Sie einen Tag zwischen dem { $first } und dem { $last } an.
preferences-hint-multi_choice = Höchstens { $most }.
preferences-hint-number = Eine ganze Zahl von { $min } bis { $max }. Leer lassen, wenn Sie nichts sagen möchten.
preferences-hint-text = Höchstens { $most } Zeichen. Leer lassen, wenn Sie nichts sagen möchten.
preferences-nothing = keine Angabe
preferences-none = nichts davon
preferences-gone = zurückgenommen
preferences-wish-implied = keine Angabe: wie in der Erlaubnis
preferences-wish-none = keine Angabe: also nicht
preferences-history = Was Sie wann gesagt haben
wish-yes = ja, ohne Grenze
wish-daily = ja, höchstens einmal am Tag
wish-weekly = ja, höchstens einmal in der Woche
wish-monthly = ja, höchstens einmal im Monat
wish-quarterly = ja, höchstens einmal im Vierteljahr
wish-no = nein
place-portal = hier im Portal
place-website = auf der Website
place-app = in der App
place-newsletter = im Newsletter
place-till = an der Kasse
place-service = beim Kundendienst
place-import = in einem anderen System
place-company = bei uns im Haus
use-now = wird dafür verwendet
use-on = erlaubt, würde dafür verwendet
use-off = nicht erlaubt, wird dafür nicht verwendet
use-pending = noch nicht bestätigt, wird dafür nicht verwendet
use-elsewhere = wird dafür im Moment nicht verwendet
contact-allowed = Im Moment dürfen wir Ihnen so Werbung schicken.
contact-refused = Im Moment schicken wir Ihnen so keine Werbung: Sie haben Nein gesagt.
contact-not_chosen = Im Moment schicken wir Ihnen so keine Werbung: Sie haben diesen Weg nicht gewählt.
contact-pending = Im Moment schicken wir Ihnen so keine Werbung: Öffnen Sie zuerst den Link in unserer Mail, und bestätigen Sie dort.
contact-purpose = Im Moment schicken wir Ihnen so keine Werbung: Sie erlauben es nicht.

data-title = Was wir über Sie wissen
data-part = Zu Ihrem Profil gehört noch etwas anderes, das Sie hier nicht nachgewiesen haben. Was dazu gespeichert ist, bekommen Sie über eine Auskunft: Dann prüft jemand, dass es Ihre Daten sind.
data-identifiers = Woran wir Sie erkennen
data-proven-mail = Nachgewiesen durch einen Link in einer Mail.
data-proven-website = Bestätigt von der Website, auf der Sie angemeldet sind.
data-device-own = Ein Browser oder eine App; die Kennung endet auf { $tail }.
data-device-shared = Ein Browser oder eine App, die auch andere verwenden; die Kennung endet auf { $tail }.
data-unlink = Gehört nicht zu mir
data-unlinked = Das Gerät gehört für uns nicht mehr zu Ihnen, und kein Ereignis verknüpft es wieder. Was Empfänger bis dahin gesehen haben, haben sie gesehen.
data-correct = Etwas davon ist falsch
data-reached = Wer etwas von Ihnen bekommen hat
data-reached-nobody = Bisher niemand.
data-reached-part = Das steht in Ihrer Auskunft.
data-events = { $count ->
    [one] 1 Ereignis
   *[other] { $count } Ereignisse
 }
data-span = Zuerst am { $first }, zuletzt am { $last }.
data-access = Alles anfordern (Auskunft)
data-sign-ins = Wo Sie angemeldet sind
data-sign-ins-text = Eine Anmeldung endet von selbst nach 30 Minuten ohne Benutzung, spätestens nach 8 Stunden.
data-since = Angemeldet seit { $at }
data-seen = Zuletzt benutzt: { $at }
data-this = diese hier
data-end = Abmelden
data-end-all = Überall abmelden

identifier-email = E-Mail-Adresse
identifier-phone = Telefonnummer
identifier-user = Kundennummer
identifier-card = Kundenkarte
identifier-device = Gerät
identifier-other = Kennung

requests-title = Ihre Rechte
requests-intro = Worum Sie bitten können, was dann geschieht und bis wann.
requests-yours = Ihre Anfragen
requests-kinds = Worum Sie bitten können
requests-done-asked = Ihre Anfrage liegt uns vor. Eine Mail bestätigt es, wenn wir Ihre Adresse haben.
requests-done-cancelled = Ihre Anfrage ist zurückgenommen. Es geschieht nichts weiter.
requests-done-lifted = Die Einschränkung wird aufgehoben. Danach gilt wieder, was Sie entschieden haben.
requests-received = Eingegangen am { $day }.
requests-due = Antwort spätestens am { $day }.
requests-until = Abrufbar bis { $day }.
requests-cancel = Zurücknehmen
requests-lift = Einschränkung aufheben
requests-authority = Sind Sie mit einer Antwort nicht einverstanden? Sie können sich jederzeit bei einer Datenschutz-Aufsichtsbehörde beschweren (Art. 77 DSGVO).
request-state-identity_unclear = noch zu klären
request-state-in_review = wird geprüft
request-state-running = wird ausgeführt
request-state-in_force = in Kraft
request-state-done = erledigt
request-state-refused = abgelehnt
request-state-cancelled = zurückgenommen
request-next-identity_unclear = Es ist noch nicht klar, dass es um Ihre Daten geht. Bitte sehen Sie in Ihr Postfach.
request-next-in_review = Jemand sieht sich Ihre Anfrage an. Danach schreiben wir Ihnen.
request-next-running = Wenn alle ihren Teil getan haben, schreiben wir Ihnen.
request-next-in_force = Ihre Daten bleiben gespeichert, sonst geschieht nichts mit ihnen.
request-next-done = Es geschieht nichts weiter.
request-next-refused = Den Grund haben wir Ihnen geschrieben, und was Sie dagegen tun können.
request-next-cancelled = Es geschieht nichts weiter.
request-next-fetch = Ihre Daten liegen bereit. Geben Sie die Dateien niemandem, der sie nicht sehen soll.
package-html = Zum Lesen (HTML)
package-csv = Als Tabelle (CSV)
package-json = Alles, für Programme (JSON)

ask-title-access = Auskunft
ask-title-portability = Daten mitnehmen
ask-title-rectification = Berichtigung
ask-title-objection = Widerspruch
ask-title-restriction = Einschränkung
ask-title-erasure = Alles löschen
ask-short-access = Alles sehen, was über Sie gespeichert ist, und als Datei bekommen (Art. 15 DSGVO).
ask-short-portability = Was Sie uns gegeben haben, so bekommen, dass ein anderer es weiterverwenden kann (Art. 20 DSGVO).
ask-short-rectification = Etwas ist falsch? Wir bringen es in Ordnung, auch bei denen, die es bekommen haben (Art. 16 DSGVO).
ask-short-objection = Einzelne Verwendungen beenden, auch wo wir nicht fragen müssen (Art. 21 DSGVO).
ask-short-restriction = Nichts wird gelöscht, aber auch nichts mehr damit getan, bis Sie es anders wollen (Art. 18 DSGVO).
ask-short-erasure = Alles geht, hier und bei denen, die etwas bekommen haben. Sie bekommen eine Bescheinigung (Art. 17 DSGVO).
ask-intro-access = Sie bekommen alles, was über Sie gespeichert ist, wofür es verwendet wird und wer etwas davon bekommen hat.
ask-intro-portability = Sie bekommen, was Sie uns gegeben oder durch Ihr Verhalten erzeugt haben, in einer Form, die andere Programme lesen.
ask-intro-rectification = Sagen Sie uns, was falsch ist und was richtig wäre.
ask-intro-objection = Wählen Sie, wofür Ihre Daten nicht mehr verwendet werden sollen.
ask-intro-restriction = Ihre Daten bleiben gespeichert, aber niemand verwendet sie. Das hilft, solange etwas strittig ist.
ask-intro-erasure = Das lässt sich nicht rückgängig machen. Was ein Gesetz uns aufzubewahren zwingt, wie Rechnungen, bleibt bis zu dessen Frist, getrennt von allem anderen.
ask-next = Was dann geschieht
ask-step-mail = Ihre Anfrage ist sofort bei uns. Sie sehen hier jederzeit, wie weit sie ist, und können sie zurücknehmen, solange nichts entschieden ist.
ask-step-review = Eine Person bei uns sieht sie sich an. Sie haben unsere Antwort spätestens am { $due }.
ask-then-access = Danach holen Sie hier 30 Tage lang ab, was Sie angefordert haben.
ask-then-portability = Danach holen Sie hier 30 Tage lang ab, was Sie angefordert haben.
ask-then-rectification = Danach wird es hier berichtigt, und alle, die das Falsche bekommen haben, erfahren das Richtige.
ask-then-objection = Danach ist diese Verwendung beendet, und alle, die Daten dafür bekommen haben, erfahren es.
ask-then-restriction = Danach geschieht mit Ihren Daten nichts mehr. Hier können Sie die Einschränkung wieder aufheben.
ask-then-erasure = Danach ist hier nichts Lesbares mehr von Ihnen, alle Empfänger werden aufgefordert zu löschen, und Sie werden abgemeldet. Die Bescheinigung kommt per Mail.
ask-purposes = Wofür sollen wir Ihre Daten nicht mehr verwenden?
ask-which = Was ist falsch?
ask-value = Was ist richtig?
ask-value-hint = Leer lassen, wenn die Adresse oder Nummer einfach nicht Ihre ist.
ask-note = Möchten Sie etwas dazu sagen?
ask-note-hint = Freiwillig. Höchstens 1000 Zeichen.
ask-send = Anfrage absenden
ask-send-erasure = Löschung beantragen
ask-back = Doch nicht
ask-wrong-note = Das ist zu lang. Höchstens 1000 Zeichen sind möglich.
ask-wrong-purposes = Bitte wählen Sie mindestens einen Zweck.
ask-wrong-which = Bitte wählen Sie, was falsch ist.
ask-wrong-value = Das passt nicht. Bitte schreiben Sie den richtigen Wert ohne weitere Angaben.
ask-wrong-many = Sie haben schon sehr viele offene Anfragen. Bitte warten Sie auf eine Antwort oder nehmen Sie eine zurück.
trait-firstName = Vorname
trait-lastName = Nachname
trait-birthday = Geburtstag
trait-city = Wohnort
trait-company = Firma
trait-title = Anrede oder Titel
