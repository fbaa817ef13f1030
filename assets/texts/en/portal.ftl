# The portal for customers.

portal-area = Your data
portal-tab-home = Permissions
portal-tab-preferences = Preferences
portal-tab-data = My data
portal-tab-requests = My rights
portal-tab-history = History

portal-refused-title-gone = There is nothing here
portal-refused-text-gone = This page is not there, or not any more, or it is somebody else's.
portal-refused-title-form = That did not work
portal-refused-text-form = The form belongs to an earlier sign-in or does not come from this page. Nothing was changed. Please load the page again and try once more.
portal-refused-title-busy = One moment, please
portal-refused-text-busy = There were very many requests just now. Please try again in a moment.
portal-refused-title-input = We could not read that
portal-refused-text-input = Something that you entered does not fit. Nothing was changed.
portal-refused-title-failed = That did not work
portal-refused-text-failed = We cannot do that right now. Nothing was changed. Please try again later.
portal-refused-next = To the start page

sign-in-title = Your data, your decision
sign-in-intro = See what we know about you and what we use it for. Change what you do not like.
sign-in-email = Your e-mail address
sign-in-hint = We send you a link that signs you in.
sign-in-send = Send the link
sign-in-no-password = You need no password and no account.
sign-in-no-address = That is no complete e-mail address. It looks like this: name@provider.com
sign-in-sent-title = Please look into your mailbox
sign-in-sent-text = We have sent a mail to the address. Open the link in it on this device. It works for 15 minutes, and once.
sign-in-sent-nothing = Nothing there after a few minutes? Look into the spam folder, or check the address. An address gets at most five mails an hour.
sign-in-again = Ask for a new link
sign-in-dead-title-unknown = There is no such link
sign-in-dead-text-unknown = Please open the whole link in our mail.
sign-in-dead-title-used = This link was used already
sign-in-dead-text-used = Each link signs in once. Please ask for a new one.
sign-in-dead-title-expired = This link is not good any more
sign-in-dead-text-expired = Links work for 15 minutes. Please ask for a new one.
sign-in-dead-title-statement = Signing in did not work
sign-in-dead-text-statement = Please try again on the website, or sign in with your e-mail address.
sign-in-mail-subject = Your link to your data at { $company }
sign-in-mail-greeting = Hello,
sign-in-mail-text = with this link you see and change what { $company } does with your data. It works for 15 minutes, and once:
sign-in-mail-not-you = If you did not ask for it you need not do anything: without the link nobody can sign in.

enter-title = Sign in
enter-text = You are almost there: one click, and you see what { $company } does with your data.
enter-button = Sign in now
enter-why = Why another click? Programs that check mails open every link. With the button nobody but you uses it up.

home-title = What may we use your data for?
home-intro = You decide for each purpose. What you change holds at once.
home-as = Signed in as
home-summary = { $on ->
    [0] At the moment you allow none of it.
    [one] At the moment you allow one of { $all } purposes.
   *[other] At the moment you allow { $on } of { $all } purposes.
 }
home-unknown = We have stored nothing for this address. You can allow or refuse something all the same; we will remember it.
home-part = Something else belongs to your profile, such as a customer number, that you have not proven here. For your protection you see only what was decided with your address. A No from here counts for everything. You get everything else by asking for access.
home-restricted = The processing of your data is restricted: they are stored, and nothing else is done with them, whatever it says here.
home-saved-granted = Saved: “{ $purpose }” is allowed now.
home-saved-pending = Saved: “{ $purpose }” counts once you open the link in our mail and confirm there.
home-saved-denied = Saved: “{ $purpose }” is not allowed.
home-saved-withdrawn = Saved: “{ $purpose }” is withdrawn. From now on nothing is passed on for it.
home-saved-signal = Your browser refuses “{ $purpose }” for you (Global Privacy Control). That holds, and nothing is passed on for it.
home-signal = Your browser sends a signal that refuses some of this for you (Global Privacy Control). What it does to a purpose stands there.
home-leave = No, not any more
home-take-back = Rather not
home-widen = Allow it for these as well
home-left-out = Since you allowed it these have come: { $names }. Nothing goes there unless you allow it for them as well.
home-more = Who gets it, for how long, and why
home-to = Those who get it:
home-to-nobody = At the moment nobody gets it.
home-kept = { $days ->
    [one] It is kept for one day.
   *[other] It is kept for { $days } days.
 }
home-rest = What happens without permission
home-withdraw = You can withdraw a consent at any time, as easily as here. What happened until then stays lawful (Art. 7(3) GDPR).
switch-on = on
switch-off = off

held-unasked = We do not ask for this.
held-unobjected = Allowed as long as you do not object.
held-undecided = Not allowed: you have not decided yet.
held-granted = Allowed since { $since }.
held-granted-until = Allowed since { $since }, until { $until } at the latest.
held-outdated = Not allowed: since your Yes of { $since } the terms have changed. Nothing is passed on. You may allow it again or leave it.
held-outweighed = Not allowed: on one of your devices or under one of your numbers you said No, and a No comes first.
held-pending = Not allowed until you open the link in our mail of { $since } and confirm there.
held-denied = Not allowed: you said No on { $since }.
held-withdrawn = Not allowed: you withdrew it on { $since }.
held-expired = Not allowed any more: your permission ended on { $since }.

signal-badge = refused by your browser
signal-prevails = As long as your browser refuses this (Global Privacy Control), a Yes here does not count. If you want to allow it, switch the signal off in your browser.
signal-yields = Your browser refuses this (Global Privacy Control). If you switch it on here all the same, your Yes counts for what you signed in with, and the receipt says that the signal was set.
signal-yielded = Your browser refuses this (Global Privacy Control); your Yes prevails over the signal.

basis-consent = The basis is your consent (Art. 6(1)(a) GDPR).
basis-contract = The basis is your contract with us (Art. 6(1)(b) GDPR).
basis-law = The basis is a law (Art. 6(1)(c) GDPR).
basis-interest = The basis is our legitimate interest (Art. 6(1)(f) GDPR).

recipient-profile = our customer database ({ $name })
recipient-file = our archive ({ $name })
recipient-webhook = another company or system ({ $name })

receipt-read = Read the receipt
receipt-file = Receipt as a file

history-title = What you decided
history-intro = Every decision with its receipt. The receipt proves what you decided and when, without us as well.
history-part = Here you see only decisions that were taken with what you signed in with.
history-empty = Nothing yet.
decided-granted = yes
decided-pending = not confirmed yet
decided-denied = no
decided-withdrawn = withdrawn
method-banner = on the banner
method-portal = here in the portal
method-spoken = by word of mouth
method-paper = on paper
method-import = taken over
method-event = on the website
method-request = by your request
method-signal = by a signal of your browser

preferences-title = What you like, and how we reach you
preferences-intro = Say about yourself what you want to, and nothing else. Everything is voluntary.
preferences-rule = What you say is used for what stands beside it and nothing else, and only as long as you allow that.
preferences-permissions = To your permissions
preferences-part = Something else belongs to your profile, such as a customer number, that you have not proven here. For your protection you see only what was said with what you signed in with, and can change nothing here. Sign in from the website, or ask us. You end advertising among your permissions.
preferences-empty = There is nothing here.
preferences-about = About you
preferences-channels = How we may reach you with advertising
preferences-save = Save
preferences-forget = Forget this
preferences-stored = Stored is:
preferences-said = Said on { $day } { $place }, kept until { $until }.
preferences-done-saved = Saved.
preferences-done-forgotten = Forgotten, in the history as well. It says only that you wanted it.
preferences-changed = Something was changed meanwhile, at the till for example. So nothing is saved. What you filled in is still here; please look at it and save once more.
preferences-wrong = { $count ->
    [one] One answer does not fit. Nothing is saved.
   *[other] { $count } answers do not fit. Nothing is saved.
 }
preferences-wrong-choice = Please choose one of the answers.
preferences-wrong-multi_choice = Please choose { $most } of them at most.
preferences-wrong-number = Please write a whole number from { $min } to { $max }.
preferences-wrong-text = Please write { $most } characters at most, without control characters.
preferences-wrong-date = Please say a day that there is.
preferences-wrong-date_from = Please say a day that there is, { $first } at the earliest.
preferences-wrong-date_until = Please say a day that there is, { $last } at the latest.
preferences-wrong-date_between = Please say a day between { $first } and { $last }.
preferences-hint-multi_choice = { $most } at most.
preferences-hint-number = A whole number from { $min } to { $max }. Leave it empty if you want to say nothing.
preferences-hint-text = { $most } characters at most. Leave it empty if you want to say nothing.
preferences-nothing = not said
preferences-none = none of these
preferences-gone = taken back
preferences-wish-implied = not said: as you allowed it
preferences-wish-none = not said: so not
preferences-history = What you said when
wish-yes = yes, without a limit
wish-daily = yes, once a day at most
wish-weekly = yes, once a week at most
wish-monthly = yes, once a month at most
wish-quarterly = yes, once a quarter at most
wish-no = no
place-portal = here in the portal
place-website = on the website
place-app = in the app
place-newsletter = in the newsletter
place-till = at the till
place-service = at the service desk
place-import = in another system
place-company = in our house
use-now = is used for it
use-on = allowed, would be used for it
use-off = not allowed, is not used for it
use-pending = not confirmed yet, is not used for it
use-elsewhere = is not used for it at the moment
contact-allowed = At the moment we may send you advertising this way.
contact-refused = At the moment we send you no advertising this way: you said No.
contact-not_chosen = At the moment we send you no advertising this way: you have not chosen it.
contact-pending = At the moment we send you no advertising this way: first open the link in our mail, and confirm there.
contact-purpose = At the moment we send you no advertising this way: you do not allow it.

data-title = What we know about you
data-part = Something else belongs to your profile that you have not proven here. What is stored for it you get by asking for access: then somebody checks that these are your data.
data-identifiers = How we recognise you
data-proven-mail = Proven by a link in a mail.
data-proven-website = Confirmed by the website where you are signed in.
data-device-own = A browser or an app; its ID ends with { $tail }.
data-device-shared = A browser or an app that others use as well; its ID ends with { $tail }.
data-unlink = Does not belong to me
data-unlinked = To us the device is not yours any more, and no event links it again. What recipients had seen by then they have seen.
data-correct = Something is wrong
data-reached = Who has received something of you
data-reached-nobody = Nobody so far.
data-reached-part = That is part of the answer when you ask for access.
data-events = { $count ->
    [one] 1 event
   *[other] { $count } events
 }
data-span = First on { $first }, last on { $last }.
data-access = Ask for everything (access)
data-sign-ins = Where you are signed in
data-sign-ins-text = A sign-in ends by itself after 30 minutes without use, and after 8 hours at the latest.
data-since = Signed in since { $at }
data-seen = Last used: { $at }
data-this = this one
data-end = Sign out
data-end-all = Sign out everywhere

identifier-email = E-mail address
identifier-phone = Phone number
identifier-user = Customer number
identifier-card = Loyalty card
identifier-device = Device
identifier-other = Identifier

requests-title = Your rights
requests-intro = What you can ask for, what happens then, and by when.
requests-yours = Your requests
requests-kinds = What you can ask for
requests-done-asked = We have your request. A mail confirms it if we have your address.
requests-done-cancelled = Your request is taken back. Nothing more happens.
requests-done-lifted = The restriction is being lifted. Then what you decided holds again.
requests-received = Received on { $day }.
requests-due = Answer on { $day } at the latest.
requests-until = Can be fetched until { $day }.
requests-cancel = Take it back
requests-lift = Lift the restriction
requests-authority = You do not agree with an answer? You can complain to a data-protection authority at any time (Art. 77 GDPR).
request-state-identity_unclear = to be clarified
request-state-in_review = being looked at
request-state-running = being done
request-state-in_force = in force
request-state-done = done
request-state-refused = refused
request-state-cancelled = taken back
request-next-identity_unclear = It is not clear yet that these are your data. Please look into your mailbox.
request-next-in_review = Somebody looks at your request. Then we write to you.
request-next-running = When everybody has done their part we write to you.
request-next-in_force = Your data stay stored, and nothing else is done with them.
request-next-done = Nothing more happens.
request-next-refused = We have written to you why, and what you can do about it.
request-next-cancelled = Nothing more happens.
request-next-fetch = Your data are ready. Give the files to nobody who shall not see them.
package-html = To read (HTML)
package-csv = As a table (CSV)
package-json = Everything, for programs (JSON)

ask-title-access = Access
ask-title-portability = Take your data with you
ask-title-rectification = Rectification
ask-title-objection = Objection
ask-title-restriction = Restriction
ask-title-erasure = Erase everything
ask-short-access = See everything that is stored about you, and get it as a file (Art. 15 GDPR).
ask-short-portability = Get what you gave us in a form that somebody else can use (Art. 20 GDPR).
ask-short-rectification = Something is wrong? We put it right, also with those who received it (Art. 16 GDPR).
ask-short-objection = End single uses, also where we need not ask (Art. 21 GDPR).
ask-short-restriction = Nothing is erased, and nothing is done with it either, until you want it otherwise (Art. 18 GDPR).
ask-short-erasure = Everything goes, here and with those who received something. You get a certificate (Art. 17 GDPR).
ask-intro-access = You get everything that is stored about you, what it is used for, and who has received something of it.
ask-intro-portability = You get what you gave us or caused by what you did, in a form that other programs read.
ask-intro-rectification = Tell us what is wrong, and what would be right.
ask-intro-objection = Choose what your data shall not be used for any more.
ask-intro-restriction = Your data stay stored, but nobody uses them. That helps as long as something is disputed.
ask-intro-erasure = This cannot be undone. What a law makes us keep, such as invoices, stays until its term, apart from everything else.
ask-next = What happens then
ask-step-mail = Your request is with us at once. You see here at any time where it is, and can take it back as long as nothing was decided.
ask-step-review = A person looks at it. You have our answer on { $due } at the latest.
ask-then-access = Then you can fetch here for 30 days what you asked for.
ask-then-portability = Then you can fetch here for 30 days what you asked for.
ask-then-rectification = Then it is put right here, and everybody who received what was wrong is told what is right.
ask-then-objection = Then this use is over, and everybody who received data for it is told.
ask-then-restriction = Then nothing more is done with your data. You can lift the restriction here.
ask-then-erasure = Then nothing readable of you is left here, all recipients are told to erase, and you are signed out. The certificate comes by mail.
ask-purposes = What shall we not use your data for any more?
ask-which = What is wrong?
ask-value = What is right?
ask-value-hint = Leave it empty if the address or number is simply not yours.
ask-note = Do you want to say something about it?
ask-note-hint = Voluntary. At most 1000 characters.
ask-send = Send the request
ask-send-erasure = Ask for erasure
ask-back = Rather not
ask-wrong-note = That is too long. At most 1000 characters are possible.
ask-wrong-purposes = Please choose at least one purpose.
ask-wrong-which = Please choose what is wrong.
ask-wrong-value = That does not fit. Please write the right value and nothing else.
ask-wrong-many = Very many requests of yours are open already. Please wait for an answer, or take one back.
trait-firstName = First name
trait-lastName = Last name
trait-birthday = Birthday
trait-city = City
trait-company = Company
trait-title = Title
