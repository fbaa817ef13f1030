# The console.
console-area = Privacy console
console-to-start = To the beginning
console-back = To the list of requests
console-yes = Yes
console-no = No
console-off = switched off
console-stop = This does not work here
console-stop-role = Your role may not do this. What you may do stands under “My account”.
console-stop-nothing = There is nothing here, or not any more.
console-as-table = As a table (CSV)
console-percent = { $number } %
console-since = since { $at }
console-until = until { $at }
console-identified-by = { $kind } ({ $id })
console-identifier-email = e-mail address
console-identifier-phone = phone number
console-identifier-user-id = customer number
console-identifier-loyalty-card = loyalty card
console-identifier-device = device
console-identifier-custom = identifier
console-version = version { $number }
console-days = { $number ->
     [one] one day
    *[other] { $number } days
 }
console-years = { $number ->
     [one] one year
    *[other] { $number } years
 }, from the end of the calendar year
console-events = { $number ->
     [one] one event
    *[other] { $number } events
 }
console-chunks = { $number ->
     [0] nothing
     [one] one batch
    *[other] { $number } batches
 }
console-more = and { $number } more
console-tab-requests = Requests
console-tab-proof = Proof of consent
console-tab-consents = Consent rates
console-tab-policy = Policy
console-tab-processing = Processing
console-tab-destinations = Destinations
console-tab-ledger = Ledger
console-tab-audit = Audit
console-tab-officers = Accounts
console-tab-account = My account

# The way in.
console-sign-in = Sign in
console-sign-in-button = Sign in
console-sign-in-first = There is no account yet. On the machine of the gateway this command prints a link that sets up the first one:
console-sign-in-refused = Name, password or code is not right. A code works once: wait for the next one if need be.
console-sign-in-wait = Too many tries. Please wait { $number ->
     [one] a minute
    *[other] { $number } minutes
 }.
console-name = Name
console-name-hint = A short name of a–z, 0–9, dot, hyphen and underscore. It stands in the audit and is never given twice.
console-password = Password
console-code = Code
console-code-hint = Six digits of your authenticator app, or a recovery code.
console-new-password = New password
console-new-password-hint = At least 12 characters. A sentence that nobody else says is better than special characters.
console-password-again = The same once more
console-join = Set up your account
console-join-lead = For { $name }, role: { $role }. The link works once.
console-join-renews = For { $name }: password and second factor are set anew. All sessions end.
console-join-password = 1. Password
console-join-factor = 2. Second factor
console-join-factor-text = Read the picture with an authenticator app, and enter the code that it shows.
console-join-qr = QR code with the key for the authenticator app
console-join-by-hand = Enter the key by hand
console-join-code = Code of the app
console-join-button = Set up the account
console-join-dead = This link works no more
console-join-dead-text = It was used, is over or incomplete. Ask for a new one.
console-join-error-differs = The two passwords differ.
console-join-error-code = The code is not right. Check the clock of your phone.
console-join-error-short = The password is too short.
console-join-error-unfit = The password is too long or holds your name.
console-joined = The account is set up
console-joined-lead = { $name } can sign in now.
console-joined-codes = Recovery codes in case your phone is lost. Each works once. They stand here and nowhere else: print them, and keep them apart from the phone.
console-joined-button = To the sign-in

# Roles.
console-role-dpo = Data protection
console-role-auditor = Auditor (read only)
console-role-support = Support
console-role-admin = Admin
console-may-reader = see requests, without whom they are about
console-may-desk = see whom they are about; file requests, clear up who asks, assign, note
console-may-dpo = decide: approve, refuse, extend, cancel; fetch packages
console-may-inspector = prove consent, read certificates, register and audit
console-may-admin = look after accounts, send again what was left lying

# The list of requests.
console-file = File a request
console-register = Register (CSV)
console-filter = Selection
console-filter-button = Show
console-filter-state = State
console-filter-kind = Kind
console-filter-whose = Assigned to
console-queue-all = { $number ->
     [0] No request
     [one] One request
    *[other] { $number } requests
 }
console-queue-caption = Requests, the most urgent first
console-queue-empty = There is nothing to do here.
console-pages = Pages
console-page-before = Back
console-page-after = Next
console-waits-second = waits for a second person
console-recipient-failed = recipient not reached
console-whose-all = Everybody
console-whose-mine = Me
console-whose-nobody = Nobody
console-kind-all = All kinds
console-kind-access = Access (Art. 15)
console-kind-erasure = Erasure (Art. 17)
console-kind-rectification = Rectification (Art. 16)
console-kind-restriction = Restriction (Art. 18)
console-kind-objection = Objection (Art. 21)
console-kind-portability = Portability (Art. 20)
console-state-open = All that are open
console-state-late = Late
console-state-over = All that are over
console-state-identity-unclear = Identity unclear
console-state-in-review = To be decided
console-state-running = Running
console-state-done = Done
console-state-refused = Refused
console-state-cancelled = Cancelled
console-light-late = { $number ->
     [one] one day
    *[other] { $number } days
 } late
console-light-urgent = { $number ->
     [0] Due today
     [one] One day left
    *[other] { $number } days left
 }
console-light-soon = { $number ->
     [0] Due today
     [one] One day left
    *[other] { $number } days left
 }
console-light-fine = { $number ->
     [0] Due today
     [one] One day left
    *[other] { $number } days left
 }
console-light-rests = Deadline rests
console-light-off = No deadline
console-col-due = Deadline
console-col-request = Request
console-col-state = State
console-col-received = Received
console-col-assigned = Assigned to
console-col-recipient = Recipient
console-col-events = Events
console-col-hand = Erasure by hand
console-col-at = Time
console-col-who = Who
console-col-what = What
console-col-why = Reason
console-col-mail = Mail
console-col-reason = Cause
console-col-day = Day
console-col-kind = Kind
console-col-form = Addresses
console-col-erasure = Erasure
console-col-law = Law
console-col-attempts = Tries
console-col-first = First
console-col-last = Last
console-col-number = No.
console-col-until = Valid until

# One request.
console-asks = What is asked
console-asks-hidden = Your role does not show whom it is about.
console-asks-gone = Whom it was about is forgotten.
console-asks-purpose = Purpose
console-asks-correct = Put right: { $name }
console-asks-trait = Trait: { $name }
console-asks-words = In their words
console-asks-suppress = Not to be brought back by imports
console-asks-origin = Sent by
console-asks-language = Language
console-deadline = Deadline
console-deadline-months = Received on { $received }, plus { $months ->
     [one] one month
    *[other] { $months } months
 }: { $end }.
console-deadline-extended = The deadline was extended by two months (Art. 12(3) GDPR).
console-deadline-rested = It rested for { $number ->
     [one] one day
    *[other] { $number } days
 }, because it was unclear who asks.
console-deadline-due = The last day, a working day: { $day }.
console-deadline-rests = The deadline rests as long as it is unclear who asks.
console-identity = Identity
console-identity-waits-own = The person asked without a desk; the link in their mail is not confirmed yet.
console-identity-waits-desk = It is unclear whether the person asks whose data these are.
console-identity-clear-own = Confirmed by a link that went to the stated address.
console-identity-clear-desk = Made clear by staff.
console-rested = Unclear from { $from } until { $until }.
console-rests = Unclear since { $from }.
console-reach = What is concerned
console-reach-people = { $number ->
     [0] Nobody is known here
     [one] One person or device
    *[other] { $number } people and devices
 }
console-reach-events = { $number ->
     [0] No events
     [one] One event
    *[other] { $number } events
 } in the profile store
console-reach-decisions = { $number ->
     [0] No decisions
     [one] One decision
    *[other] { $number } decisions
 } about consent
console-reach-shared = { $number ->
     [one] One device is
    *[other] { $number } devices are
 } left alone, because others use it as well
console-reach-kept = { $number ->
     [one] One record stays
    *[other] { $number } records stay
 } for the duty “{ $duty }”
console-reach-recipients = Who has received something
console-recipients = Recipients
console-look-again = Load the state again
console-confirm = Confirm by hand
console-fate-confirmed = proven
console-fate-pending = being told
console-fate-delivered = told
console-fate-signed = confirmed with a signature
console-fate-failed = not reached
console-fate-not-supported = offers nothing
console-fate-open = to be done by hand
console-fate-confirmed-by-hand = confirmed by hand
console-fact-concerned = Concerned
console-fact-shredded = Erased
console-fact-shredded-value = { $number ->
     [one] one key
    *[other] { $number } keys
 } destroyed, { $at }
console-fact-kept = Kept
console-fact-kept-value = { $law }: { $number ->
     [one] one record
    *[other] { $number } records
 } until { $until }
console-fact-ground = Ground
console-fact-corrected = Put right
console-decide = Decide
console-four-eyes = Two persons have to approve this.
console-approved-by = Approved by: { $who }.
console-approved-by-you = You have approved. Now somebody else has to agree.
console-do-identify = It is clear who asks
console-do-send-link = Send a new link to confirm
console-do-approve = Approve
console-do-approve-sure = I have checked what is stated
console-do-refuse = Refuse …
console-do-refuse-button = Refuse
console-do-extend = Extend the deadline …
console-do-extend-button = Extend by two months
console-do-doubt = Ask for identification …
console-do-doubt-button = It is unclear who asks
console-do-cancel = Taken back …
console-do-cancel-button = The person takes it back
console-do-lift = End the restriction
console-ground = Ground that the law knows
console-ground-not-identified = Not identified (Art. 11(2), 12(2))
console-ground-manifestly-unfounded = Manifestly unfounded (Art. 12(5))
console-ground-excessive = Excessive, in particular repeated (Art. 12(5))
console-ground-legal-obligation = A law obliges to keep it (Art. 17(3)(b))
console-ground-legal-claims = Needed for legal claims (Art. 17(3)(e))
console-reason = Reason
console-reason-told = Why
console-reason-extend = Why: complexity or number of requests
console-reason-lift = Why it ends
console-words-hint = Name nobody here: these words stay as you write them.
console-package = Package
console-package-until = It can be fetched until { $until }. The person has fetched it { $number ->
     [0] not yet
     [one] once
    *[other] { $number } times
 }.
console-package-progress = { $written } of { $events } events are written.
console-package-noted = Whoever fetches it is in the audit.
console-certificate = Certificate
console-certificate-text = The signed statement of the erasure. It holds nothing personal.
console-certificate-button = Download the certificate
console-do-assign-me = I see to it
console-do-assign = Assign …
console-do-assign-button = Assign
console-assign-to = Name (empty: nobody)
console-do-note = Note
console-note-text = Text
console-do-note-button = Note
console-history = History
console-mails = Mails to the person
console-done-identify = It is clear who asks; the deadline runs.
console-done-doubt = It is unclear who asks; the deadline rests.
console-done-send-link = A new link is on its way.
console-done-approve = Approved.
console-done-refuse = Refused.
console-done-extend = The deadline is extended.
console-done-cancel = Taken back.
console-done-lift = The restriction is being ended.
console-done-assign = Assigned.
console-done-note = Noted.
console-done-confirm = Confirmed.
console-done-filed = The request is filed.
console-wrong-sure = Please confirm that you have checked what is stated.
console-wrong-ground = Please choose a ground.
console-wrong-recipient = Nothing is open at this recipient.
console-wrong-long = The text is too long.
console-wrong-assignee = This is no name of an account.
console-wrong-state = The request is in another state by now.
console-wrong-too-late = Extending works once, in the first month.
console-wrong-no-reason = Please give a reason.
console-wrong-underway = An erasure of the same person is being done. Look again in a moment.
console-wrong-same-person = You have approved already; somebody else has to agree.
console-wrong-full = The request holds no more words.
console-wrong-corrections = What is to be put right is not this person’s, or the right value belongs to somebody else.
console-wrong-no-address = No mail address is known to which a link could go.
console-wrong-identifier = This cannot be read.
console-wrong-nobody = Please say whom it is about.
console-wrong-purposes = These purposes cannot be objected to.
console-wrong-nothing-corrected = Please say what is to be put right.
console-wrong-suppress = Not to be brought back goes with an erasure, and with a note of what was said.
console-wrong-too-many = Too many requests wait right now.
console-wrong-kind = Please choose a kind.
console-wrong-only-rectification = What is to be put right belongs to a rectification.
console-wrong-correction-type = Please say of which type the identifier is.
console-wrong-correction-from = Please say what is wrong.
console-wrong-correction-device = Devices cannot be put right.
console-wrong-correction-once = Name each identifier once; what is wrong and what is right must differ.
console-wrong-trait-name = Please say how the trait is called.
console-wrong-trait-value = Please say what is right.
console-wrong-trait-number = This is no number.
console-wrong-trait-yes-no = With yes and no the field beside stays empty.
console-wrong-trait-twice = This trait is there already.
console-wrong-trait-unfit = The name of a trait has letters, digits and “_”. Its value has at most 500 characters and nothing that points to a person: addresses and numbers are identifiers.

# What was done, in histories and in the audit.
console-act-received = received
console-act-identified = identified
console-act-identity-doubted = identity doubted
console-act-link-sent = link sent
console-act-approved = approved
console-act-approved-by-one = approved by one
console-act-refused = refused
console-act-extended = extended
console-act-cancelled = cancelled
console-act-lifted = lifted
console-act-assigned = assigned
console-act-note = note
console-act-confirmed-by-hand = recipient confirmed by hand
console-act-address-confirmed = address confirmed
console-act-available = package available
console-act-conflict = conflict, back to review
console-act-done = done
console-act-erased = erased
console-act-never-confirmed = never confirmed
console-act-package-fetched = package fetched
console-act-suppressed = kept away from imports
console-act-callback-not-heard = callback not heard
console-act-shown = looked at
console-act-searched = searched
console-act-package = package fetched
console-act-certificate = certificate fetched
console-act-register = register fetched
console-act-consent-proof = consent looked up
console-act-signed-in = signed in
console-act-signed-in-by-recovery = signed in by a recovery code
console-act-signed-out = signed out
console-act-sign-in-failed = sign-in failed
console-act-password-changed = password changed
console-act-role-changed = role changed
console-act-officer-removed = account removed
console-act-invited = invited
console-act-renewal-offered = renewal offered
console-act-enrolled = account set up
console-act-renewed = account renewed
console-act-replayed = sent again
console-act-sessions-ended = sessions ended
console-act-audit-exported = audit fetched
console-who-gateway = the gateway
console-who-operator = operator (command line)
console-who-person = the person
console-who-nobody = unknown
console-who-key = key { $id }
console-mail-confirm = asks to confirm
console-mail-received = received
console-mail-more-needed = asks for more
console-mail-extended = extended
console-mail-refused = refused
console-mail-available = package available
console-mail-done = done
console-mail-restricted = restricted
console-mail-lifting = restriction ends
console-mail-cancelled = cancelled
console-mail-state-waiting = waits
console-mail-state-sent = sent
console-mail-state-written = written to the folder
console-mail-state-failed = failed

# Filing a request.
console-file-lead = For requests that come by phone, in the shop or by letter.
console-file-kind = What is asked for?
console-file-type = Type of identifier
console-file-value = Identifier, exactly as it is
console-file-language = Language of the person
console-file-note = Note
console-file-identified = It is clear that the person asks whose data these are
console-file-suppress = The person does not want to be brought back by imports (erasure only; needs a note)
console-file-wrong = What is to be put right (rectification only)
console-file-wrong-hint = If more is to be put right than fits in here: file a second request.
console-file-wrong-row = Identifier { $number }
console-file-wrong-type = What kind of identifier
console-file-from = What is wrong
console-file-to = What is right (empty: it is not theirs)
console-file-trait-row = Trait { $number }
console-file-trait-name = Name of the trait
console-file-trait-value = What is right
console-file-trait-form = As
console-file-form-text = text
console-file-form-number = number
console-file-form-yes = yes
console-file-form-no = no
console-file-row = Row { $number }: { $wrong }
console-file-button = File

# Proof of consent.
console-proof-lead = What somebody decided, under which notice, and where it stands in the ledger (Art. 7(1) GDPR).
console-proof-reason = Why do you look?
console-proof-reason-hint = It stands in the audit. Name nobody here.
console-proof-button = Look
console-proof-found = { $number ->
     [0] No decision found
     [one] One decision
    *[other] { $number } decisions
 }
console-proof-ledger = in the ledger: entry { $index } of { $size }
console-proof-waits = not in the ledger yet
console-proof-how = How
console-proof-source = Source
console-proof-notice = Notice
console-proof-no-notice = none configured
console-proof-words = The words
console-proof-today-same = These words are still in force.
console-proof-today-other = Other words are in force today: version { $number }.
console-proof-today-none = This notice is there no more.
console-proof-older = The words of then are not kept: this decision is older than that is done.
console-proof-policy = Policy
console-proof-receipt = Receipt
console-decided-granted = Agreed
console-decided-denied = Denied
console-decided-withdrawn = Withdrawn
console-decided-pending = Not confirmed yet
console-method-banner = banner
console-method-portal = portal
console-method-spoken = spoken
console-method-paper = on paper
console-method-import = taken over
console-method-event = the site’s own banner
console-method-signal = signal of the browser
console-method-request = objection (request)

# Consent rates.
console-consents-lead = How many of a hundred decisions were a yes. Numbers alone, of nobody.
console-consents-period = Period
console-consents-days = { $number } days
console-consents-none = No decisions in this period yet.
console-consents-sum = { $percent } of { $number ->
     [one] one decision
    *[other] { $number } decisions
 }
console-consents-plot = Consent to “{ $purpose }” from { $from } to { $to }; the table beside it has the numbers
console-consents-table = As a table

# Policy and processing.
console-policy-lead = What is asked, in which words, for which purpose.
console-policy-version = Version of the policy:
console-policy-notices = Notices
console-policy-purposes = Purposes
console-policy-asks = asks for: { $purposes }
console-policy-sources = shown by: { $sources }
console-policy-earlier = This is how the policy was; another one is in force today.
console-versions = Versions of the policy
console-versions-lead = Which policy was in force when. Each is kept before it is in force, with everything that people are shown under it.
console-versions-back = To the versions of the policy
console-versions-back-to-policy = To the policy that is in force today
console-versions-old = Old
console-versions-new = New
console-versions-since = In force since
console-versions-until = In force until
console-versions-now = today
console-versions-version = Version
console-versions-compare = Compare
console-versions-canonical = JSON is the policy in the form that the version is made of (RFC 8785): the SHA-256 checksum of the file is the version.
console-versions-comparison = What has changed
console-versions-from-to = It was in force from { $from } until { $to }.
console-versions-from = It is in force since { $from }.
console-versions-with-today = Compare with what is in force today
console-versions-nothing = Nothing has changed.
console-versions-asks = People are asked again.
console-versions-asks-nobody = Nobody is asked again.
console-versions-badge = asks again
console-versions-changes = Changes
console-versions-words = Words
console-versions-legend = What has changed is marked like this:
console-versions-gone = removed:
console-versions-added = new:
console-versions-notice = Notice, version { $version }:
console-versions-unreadable = This program does not know all that this policy says. Its words are kept and can be fetched as JSON.
console-basis-consent = consent (Art. 6(1)(a))
console-basis-contract = contract (Art. 6(1)(b))
console-basis-legal-obligation = legal obligation (Art. 6(1)(c))
console-basis-legitimate-interest = legitimate interest (Art. 6(1)(f))
console-processing-lead = Record of processing activities (Art. 30(1) GDPR), from the policy in force.
console-processing-controller = Controller
console-processing-contact = Data protection
console-processing-version = Policy
console-processing-basis = Legal basis
console-processing-data = Categories of data
console-processing-sources = Sources
console-processing-kept = Kept for
console-processing-asked = A grant holds for
console-processing-nobody = No recipient.
console-processing-duties = Kept because a law says so
console-processing-rest = What does not stand here
console-processing-rest-text = Transfers to third countries (Art. 30(1)(e)) and what happens outside of this gateway the policy does not know: add them. On security (g): everything personal is sealed per person, recipients get pseudonyms alone, every look is in the audit.
console-destination-profile = profile store
console-destination-file = files
console-destination-webhook = webhook
console-form-keyed = keyed hash
console-form-none = none
console-form-partner = hash as the partner asks
console-erasure-itself = forgets by itself
console-erasure-message = signed message
console-erasure-opendsr = OpenDSR
console-erasure-segment = Segment
console-erasure-manual = by hand
console-erasure-none = offers nothing

# Destinations.
console-destinations-lead = How far each recipient is. Numbers since the start of the gateway.
console-destination-state-off = switched off
console-destination-state-dead = needs help
console-destination-state-waits = tries again
console-destination-state-fine = runs
console-destination-delivered = Delivered
console-destination-lag = Behind
console-destination-waiting = Wait for another try
console-destination-retried = Tried again
console-destination-dead = Given up
console-destination-withheld = Withheld at dispatch
console-dead-caption = What was given up
console-replay = Send all again
console-replayed = { $number ->
     [one] One event passes
    *[other] { $number } events pass
 } the gate again; { $skipped } stay.

# Ledger and audit.
console-ledger-lead = Every decision and every step of a request stands as a salted hash in a log that anybody can check.
console-ledger-entries = Entries
console-ledger-size = { $number }
console-ledger-root = Root
console-ledger-key = Key
console-ledger-head = Head that was signed last
console-ledger-check = Check it yourself
console-ledger-check-text = On any machine with the program:
console-audit-lead = Who did what, and who looked. Entries are never changed; they go after four years.
console-audit-who = Who (such as officer:ines)
console-audit-request = Request (req_…)
console-audit-empty = No entries.
console-audit-older = Older

# Accounts.
console-officers-link = Link for { $name }. It stands here alone, works once and for three days. Hand it over in person.
console-officers-removed = removed on { $at }
console-officers-created = Set up { $at }, invited by { $by }
console-officers-signed-in = last signed in { $at }
console-officers-sessions = { $number ->
     [0] signed in nowhere
     [one] signed in at one place
    *[other] signed in at { $number } places
 }
console-officers-me = This is you. Somebody else changes your own role.
console-officers-change = Change …
console-officers-role = Role
console-officers-role-button = Change the role
console-officers-renew = Link to set up anew
console-officers-end = End sessions
console-officers-remove = Remove the account
console-officers-remove-sure = The account shall end; the name stays taken
console-officers-invitations = Open invitations
console-officers-renewal = Set up anew
console-officers-invite = Invite
console-officers-invite-button = Make a link
console-officers-done-role = The role is changed; the sessions have ended.
console-officers-done-remove = The account is removed.
console-officers-done-end = The sessions have ended.
console-officers-wrong-name = An account cannot be called like this.
console-officers-wrong-taken = This name is or was taken.
console-officers-wrong-nobody = There is no such account.
console-officers-wrong-last-admin = This is the last admin: invite somebody before.
console-officers-wrong-too-many = There are too many accounts.
console-officers-wrong-conflict = Somebody changed something at the same moment. Please try again.
console-officers-wrong-role = Please choose a role.
console-officers-wrong-sure = Please confirm the removal.
console-officers-wrong-me = Only somebody else can do this.
console-account = Signed in as { $name }
console-recovery-used = You have used a recovery code. If the phone is lost, ask for a link to set up anew.
console-sessions = Sessions
console-sessions-began = Begun
console-sessions-seen = Last used
console-sessions-end = End
console-sessions-this = this one
console-sessions-end-others = End all others
console-password-change = Change the password
console-password-change-text = Afterwards you sign in again everywhere.
console-password-now = Present password
console-password-button = Change the password
console-password-differs = The two new passwords differ.
console-password-present = The present password is not right.
console-password-short = The new password is too short.
console-password-unfit = The new password is too long or holds your name.
console-password-wait = Please wait a moment.
