"""What the demo data's companies ask, and what they are answered: in every state and priority.

`{number}`, `{again}`, `{total}` and `{month}` in a text are of the invoice that the ticket is about: its number, that of
the one which replaced it, its total, its month.
"""

from __future__ import annotations

from dataclasses import dataclass

from db.tickets import TicketPriority, TicketStatus
from local.demo.moments import When
from local.demo.people import COMPANIES, INES, PRIYA, SHOWCASE, STAFF, TOMASZ, Company

LOW, NORMAL, HIGH, URGENT = TicketPriority
OPEN, IN_PROGRESS, WAITING, RESOLVED, CLOSED = TicketStatus

MARA = SHOWCASE.contact
PIPELINE = "deploy pipeline"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing said, or only a change of status where `text` is None."""

    when: When
    by: str
    text: str | None
    then: TicketStatus | None
    internal: bool

    @property
    def by_staff(self) -> bool:
        return self.by in STAFF


@dataclass(frozen=True, slots=True)
class Ticket:
    """`about` tells the month of the invoice that it is about; the first step opens it."""

    company: Company
    priority: TicketPriority
    subject: str
    steps: tuple[Step, ...]
    about: int | None = None


def _at(ago: int, day: int, time: str) -> When:
    hour, minute = time.split(":")
    return When(ago, day, int(hour), int(minute))


def _said(ago: int, day: int, time: str, by: str, text: str, then: TicketStatus | None = None) -> Step:
    return Step(_at(ago, day, time), by, text, then, internal=False)


def _noted(ago: int, day: int, time: str, by: str, text: str) -> Step:
    """Among operators."""
    return Step(_at(ago, day, time), by, text, None, internal=True)


def _moved(ago: int, day: int, time: str, by: str, then: TicketStatus) -> Step:
    return Step(_at(ago, day, time), by, None, then, internal=False)


def _mara(priority: TicketPriority, subject: str, *steps: Step, about: int | None = None) -> Ticket:
    return Ticket(SHOWCASE, priority, subject, steps, about)


def _other(slug: str, priority: TicketPriority, subject: str, *steps: Step, about: int | None = None) -> Ticket:
    company = next(company for company in COMPANIES if company.slug == slug)
    return Ticket(company, priority, subject, steps, about)


TICKETS: tuple[Ticket, ...] = (
    _mara(
        NORMAL,
        "From which day on are we billed?",
        _said(12, 3, "14:02", MARA, "We were set up in the last week of the month before. Is that week on the bill?"),
        _said(
            12, 3, "16:40", INES, "No: billing starts on the first of this month. The days before it are free.", WAITING
        ),
        _said(12, 4, "08:15", MARA, "Good, thank you.", CLOSED),
    ),
    _mara(
        LOW,
        "Purchase order number on invoices",
        _said(12, 11, "09:30", MARA, "Our bookkeeping needs PO 4500-7719 on every invoice. Can that be done?"),
        _said(12, 12, "08:05", TOMASZ, "Not on the invoice itself yet. The payment reference takes any text.", WAITING),
        _said(12, 13, "10:44", MARA, "Then we put it there.", RESOLVED),
        _moved(12, 20, "07:00", TOMASZ, CLOSED),
    ),
    _mara(
        NORMAL,
        "Log storage of the archive account looks low",
        _said(11, 6, "11:20", MARA, "The archive account holds about 900 GB, and usage shows hardly more than before."),
        _said(11, 6, "15:10", PRIYA, "Storage is the month's peak, read at midnight. The copy ran after it.", WAITING),
        _said(11, 8, "09:00", MARA, "Today's number is right."),
        _moved(11, 9, "09:12", MARA, CLOSED),
    ),
    _mara(
        HIGH,
        "No CloudTrail events from us-west-2 in one account",
        _said(11, 19, "06:48", MARA, "Since 02:00 UTC there is nothing from us-west-2 in the payments-ledger account."),
        _said(11, 19, "07:31", PRIYA, "Looking. The trail is there, its bucket refuses the writes.", IN_PROGRESS),
        _noted(11, 19, "07:55", PRIYA, "Their new SCP denies PutObject without the organization's own condition key."),
        _said(
            11,
            19,
            "08:20",
            PRIYA,
            "An SCP of last night denies the delivery. With the exception below it flows.",
            WAITING,
        ),
        _said(11, 19, "09:05", MARA, "Applied, events are coming in.", RESOLVED),
        _moved(11, 26, "07:00", PRIYA, CLOSED),
    ),
    _mara(
        NORMAL,
        "More than 50 SSO users",
        _said(10, 8, "13:15", MARA, "We hire, and will be at 54 users by the end of the month. Is that a problem?"),
        _said(
            10, 9, "09:40", INES, "Nothing is cut off. Fintech comes with 250 and would fit you better by now.", WAITING
        ),
        _said(10, 9, "10:02", MARA, "Let us talk about that in spring.", CLOSED),
    ),
    _mara(
        LOW,
        "A typing error in the guide to SCP names",
        _said(10, 22, "15:51", MARA, "Section 3 says `deny-regoin-*`. Copying it costs an hour of searching."),
        _said(10, 23, "08:12", TOMASZ, "Sorry for the hour. It is corrected.", RESOLVED),
        _moved(9, 2, "07:00", TOMASZ, CLOSED),
    ),
    _mara(
        URGENT,
        "The break-glass role cannot be assumed",
        _said(9, 14, "22:07", MARA, "During tonight's exercise nobody could assume the break-glass role."),
        _said(
            9,
            14,
            "22:26",
            PRIYA,
            "On it. The role is there; your tier does not come with it, so its trust is empty.",
            IN_PROGRESS,
        ),
        _noted(9, 14, "22:40", PRIYA, "Standard has no break-glass role. They were told otherwise by our own guide."),
        _said(
            9,
            15,
            "08:30",
            INES,
            "The guide promised it wrongly. It stays open to you free of charge until summer.",
            WAITING,
        ),
        _said(9, 15, "09:10", MARA, "That was unexpected. Thank you.", CLOSED),
    ),
    _mara(
        NORMAL,
        "We will pay {number} in two parts",
        _said(
            8, 4, "10:20", MARA, "For a change of our banks we would pay half of {total} first, the rest days later."
        ),
        _said(8, 4, "12:00", TOMASZ, "Fine: the number as reference both times, and nothing will remind you.", WAITING),
        _moved(8, 24, "08:00", MARA, CLOSED),
        about=9,
    ),
    _mara(
        NORMAL,
        "Moving to Fintech: what changes on the bill?",
        _said(8, 9, "09:25", MARA, "If we changed in the middle of next month, would we pay both tiers?"),
        _said(
            8,
            9,
            "11:48",
            INES,
            "Each for its days. Allowances are those of the last day's tier, for the whole month.",
            WAITING,
        ),
        _said(8, 11, "16:30", MARA, "Then the 16th of next month, please."),
        _said(8, 12, "08:10", INES, "Planned. Your tier history shows it from the day before on.", RESOLVED),
        _moved(7, 17, "09:00", MARA, CLOSED),
    ),
    _mara(
        HIGH,
        "Config evaluations doubled overnight",
        _said(8, 25, "05:58", PIPELINE, "Alarm: configEvaluations above 2 x the mean of 14 days in account 4711."),
        _said(8, 25, "08:33", PRIYA, "A rule with the trigger on every change was added at 01:12. Intended?", WAITING),
        _said(8, 25, "09:47", MARA, "No. It is periodic again."),
        _said(8, 26, "07:05", PRIYA, "Back to the usual figure.", RESOLVED),
        _moved(7, 5, "07:00", PRIYA, CLOSED),
    ),
    _mara(
        NORMAL,
        "A webhook for issued invoices",
        _said(7, 3, "14:36", MARA, "Can our bookkeeping hear of a new invoice without asking every hour?"),
        _said(
            7, 3, "16:05", TOMASZ, "Yes: an endpoint with the event `invoice.issued`. Verify the signature.", WAITING
        ),
        _said(7, 8, "11:11", MARA, "Works.", CLOSED),
    ),
    _mara(
        LOW,
        "Two lines of base price on {number}",
        _said(
            6, 3, "10:04", MARA, "{month} has a Standard and a Fintech line. I take it that this is the change of tier?"
        ),
        _said(
            6, 3, "11:30", TOMASZ, "It is: 15 days of the one, the rest of the other, each rounded to cents.", RESOLVED
        ),
        _moved(6, 10, "07:00", TOMASZ, CLOSED),
        about=7,
    ),
    _mara(
        LOW,
        "The audit trail as a file",
        _said(6, 12, "13:20", MARA, "Our auditors like files. Is there a way to get a month of the trail at once?"),
        _said(6, 13, "09:02", INES, "Page through `auditEvents` with `since` and `until`, 500 at a time.", WAITING),
        _said(6, 18, "15:45", MARA, "Done with ten lines of shell."),
        _moved(6, 19, "08:00", INES, RESOLVED),
    ),
    _mara(
        HIGH,
        "Account vending times out",
        _said(6, 21, "03:14", PIPELINE, "create-account: no answer after 900 s, request 7f31. Third time tonight."),
        _said(
            6, 21, "07:40", PRIYA, "AWS answers CreateAccount slowly in us-east-1 tonight. Retrying is safe.", WAITING
        ),
        _said(6, 21, "09:15", PIPELINE, "create-account: succeeded after 212 s."),
        _moved(6, 21, "10:00", MARA, CLOSED),
    ),
    _mara(
        NORMAL,
        "Add eu-west-1 to the landing zone",
        _said(5, 5, "09:50", MARA, "From next quarter on we need Ireland. What do you need from us?"),
        _said(5, 5, "13:22", PRIYA, "The list of OUs that may use it, and a change window.", WAITING),
        _said(5, 7, "10:30", MARA, "Workloads and Sandbox; any Tuesday before seven."),
        _moved(5, 7, "10:45", PRIYA, IN_PROGRESS),
        _said(5, 12, "06:52", PRIYA, "Done: trails, Config and the baseline are in place.", RESOLVED),
        _moved(5, 19, "07:00", PRIYA, CLOSED),
    ),
    _mara(
        URGENT,
        "GuardDuty findings are not forwarded",
        _said(5, 18, "17:03", MARA, "A finding of severity 8 is in the console and never reached our SIEM."),
        _said(5, 18, "17:20", PRIYA, "The forwarding rule points at the old bus. Correcting it now.", IN_PROGRESS),
        _said(5, 18, "17:58", PRIYA, "Corrected; 14 findings of the last two days were sent again.", RESOLVED),
        _noted(5, 19, "08:15", PRIYA, "All other customers checked: nobody else had a rule from before the migration."),
        _moved(5, 25, "07:00", PRIYA, CLOSED),
    ),
    _mara(
        NORMAL,
        "Use of {month} was counted too low",
        _said(4, 8, "15:12", PRIYA, "One of your trails was read two days short. We record {month} again tomorrow."),
        _said(4, 8, "16:01", MARA, "Does {number} change?"),
        _said(
            4, 9, "14:40", PRIYA, "It stays. The difference comes as one adjustment line on your next invoice.", WAITING
        ),
        _said(4, 10, "08:20", MARA, "Clear, thank you.", CLOSED),
        about=5,
    ),
    _mara(
        LOW,
        "Renaming an organizational unit",
        _said(3, 6, "11:41", MARA, "May `Legacy` become `Retired` without breaking a policy?"),
        _said(
            3, 6, "14:19", PRIYA, "Yes, policies are attached by ID. Two of your own scripts name it, though.", WAITING
        ),
        _said(3, 9, "09:33", MARA, "Found both."),
        _moved(3, 9, "09:40", PRIYA, RESOLVED),
    ),
    _mara(
        NORMAL,
        "SOC 2 report for this year's auditors",
        _said(3, 20, "10:10", MARA, "They ask for evidence of encryption at rest and of MFA for every account."),
        _said(
            3, 20, "15:34", INES, "Both are in the compliance report. For which period, and from which day on?", WAITING
        ),
    ),
    _mara(
        HIGH,
        "{number}: transfer between our own regions is billed",
        _said(
            2, 5, "09:18", MARA, "{number} bills 4.5 TB more than our own count. It is replication between our regions."
        ),
        _said(2, 5, "11:02", TOMASZ, "We look at the flow logs. Until then nothing is due.", IN_PROGRESS),
        _noted(2, 9, "13:47", PRIYA, "She is right: the collector missed the prefix list of the new peering."),
        _said(
            2, 14, "13:10", TOMASZ, "You are right. A credit note of 412.38 takes it off; please pay the rest.", WAITING
        ),
        _said(2, 14, "15:55", MARA, "Thank you, that was quick."),
        _said(2, 14, "16:10", TOMASZ, "The collector is mended, so it cannot come back.", RESOLVED),
        about=3,
    ),
    _mara(
        NORMAL,
        "What do the build machines cost in NAT?",
        _said(2, 18, "08:52", MARA, "NAT is our largest line. Can you say how much of it the build fleet makes?"),
        _said(
            2, 18, "13:30", PRIYA, "About two thirds. Endpoints for S3 and ECR would take most of that away.", WAITING
        ),
        _said(2, 20, "09:45", MARA, "We would like that. What is the plan?"),
        _said(2, 23, "10:20", PRIYA, "First the shared services OU, then the others week by week.", IN_PROGRESS),
        _noted(1, 6, "09:00", PRIYA, "Shared services done, three OUs to go."),
    ),
    _mara(
        URGENT,
        "SSO users go round in circles when signing in",
        _said(1, 7, "06:30", MARA, "Since the certificate changed nobody gets past the portal."),
        _said(
            1,
            7,
            "06:41",
            PRIYA,
            "The new certificate is in place on our side only. Uploading it to yours.",
            IN_PROGRESS,
        ),
        _said(1, 7, "07:02", PRIYA, "Please try again.", WAITING),
        _said(1, 7, "07:10", MARA, "All in.", RESOLVED),
    ),
    _mara(
        LOW,
        "Which regions come with Fintech?",
        _said(1, 13, "14:14", MARA, "The price list says four. Do the two for disaster recovery count?"),
        _said(1, 13, "16:50", INES, "They do. Would a fifth one help you, or is it only to be sure?", WAITING),
    ),
    _mara(
        HIGH,
        "Two accounts drift from the baseline",
        _said(1, 21, "04:04", PIPELINE, "Drift: 2 of 59 accounts, baseline 2.14, resources: 3 security groups."),
        _said(1, 21, "08:22", PRIYA, "Two were opened by hand for a test. Shall we close them?", WAITING),
        _said(1, 22, "09:30", MARA, "The test is over, please do."),
        _said(1, 22, "10:05", PRIYA, "Closing them with tonight's change.", IN_PROGRESS),
    ),
    _mara(
        NORMAL,
        "How many accounts until we pay more for each?",
        _said(1, 26, "13:37", MARA, "We plan 20 new accounts. Which band do they fall into?"),
        _said(1, 26, "15:00", TOMASZ, "The first: 25.00 each up to a hundred over the allowance, then 20.00.", WAITING),
        _said(1, 27, "09:12", MARA, "And is that by the month's peak, or by its end?", OPEN),
    ),
    _mara(
        LOW,
        "Values of the tag `cost-center`",
        _said(1, 28, "16:05", MARA, "Could the tag policy also take values with a slash?"),
        _said(0, 2, "09:20", PRIYA, "It can. Shall it be for all OUs?", WAITING),
    ),
    _mara(
        HIGH,
        "No flow logs from the sandbox",
        _said(0, 3, "08:08", MARA, "Since the weekend there are no VPC flow logs from the Sandbox OU."),
        _said(
            0,
            3,
            "10:12",
            PRIYA,
            "The role's boundary was tightened on Friday. A correction is being tested.",
            IN_PROGRESS,
        ),
        _noted(0, 4, "09:00", PRIYA, "Goes out with the next baseline; same finding at Larkspur."),
    ),
    _mara(
        NORMAL,
        "What will this month come to?",
        _said(0, 9, "11:25", MARA, "Is there a way to see it before the invoice?"),
        _said(
            0,
            9,
            "13:44",
            TOMASZ,
            "`invoicePreview` bills what is recorded so far, with the whole month's base.",
            WAITING,
        ),
    ),
    _mara(
        URGENT,
        "The alarm for root logins went off twice",
        _said(0, 15, "02:31", PIPELINE, "Alarm: root login, accounts 4711 and 4718, within 90 s."),
        _said(0, 15, "02:49", PRIYA, "Both from your office. Is somebody rotating the root credentials?", WAITING),
        _said(0, 15, "07:15", MARA, "Yes, announced and then forgotten. Sorry for the night."),
        _said(0, 16, "08:00", PRIYA, "No harm done.", RESOLVED),
    ),
    _mara(
        LOW,
        "Where do I see which key was used?",
        _said(0, 20, "10:40", MARA, "We would like to remove old keys, and don't know which are still in use."),
    ),
    _other(
        "hinageshi",
        NORMAL,
        "請求書の発行日について",
        _said(7, 6, "01:20", "小野寺 澪", "請求書は毎月何日に発行されますか。"),
        _said(7, 6, "07:45", INES, "毎月1日 (UTC) に前月分を発行します。お支払期限は発行日の30日後です。", WAITING),
        _said(7, 7, "00:35", "小野寺 澪", "承知しました。ありがとうございます。", CLOSED),
    ),
    _other(
        "hinageshi",
        HIGH,
        "Config rules time out in ap-northeast-3",
        _said(1, 16, "02:11", "小野寺 澪", "Evaluations in Osaka have been timing out since this morning."),
        _said(1, 16, "06:58", PRIYA, "Seen in two accounts; the conformance pack is being redeployed.", IN_PROGRESS),
    ),
    _other(
        "sundus",
        NORMAL,
        "طلب إضافة مستخدمين إلى الدخول الموحد",
        _said(5, 10, "07:05", "ليلى الحمادي", "نحتاج إلى إضافة ستة مستخدمين جدد إلى الدخول الموحد هذا الأسبوع."),
        _said(5, 10, "08:40", INES, "تمت الإضافة، وستصلهم رسالة الدعوة خلال ساعة.", RESOLVED),
        _moved(5, 17, "07:00", INES, CLOSED),
    ),
    _other(
        "mesquite-ridge",
        HIGH,
        "We dispute {number}",
        _said(
            2,
            26,
            "15:40",
            "Rosalind Teague",
            "We paid half of {total}. For the rest we wait until the account count is explained.",
        ),
        _noted(
            2, 27, "09:10", TOMASZ, "The count is the month's peak; three accounts lived for two days. It is right."
        ),
        _said(
            1,
            2,
            "10:30",
            TOMASZ,
            "It is the month's peak: three accounts of a test lived from the 9th to the 11th.",
            WAITING,
        ),
        _said(
            1,
            12,
            "17:25",
            "Rosalind Teague",
            "A test of two days at the price of a month is not what we agreed to.",
            OPEN,
        ),
        _noted(1, 14, "09:00", TOMASZ, "With Ines: credit note or not? Contract, section 4, says peak."),
        about=3,
    ),
    _other(
        "ostrich-vale",
        NORMAL,
        "A plan for what is overdue",
        _said(3, 27, "11:02", "Gideon Sharpe", "Could we pay the open invoices in monthly parts?"),
        _said(2, 2, "12:15", TOMASZ, "Yes, if the first part comes by the 15th. What can you pay a month?", WAITING),
        _noted(2, 20, "09:05", TOMASZ, "Nothing came and nobody answers: suspended."),
    ),
    _other(
        "driftless",
        NORMAL,
        "Ending our contract",
        _said(4, 20, "18:22", "Wren Halvorsen", "We shut the studio down. Our last day is the 11th of next month."),
        _said(
            4, 21, "08:30", INES, "Sorry to see you go. You pay for eleven days of that month, and no more.", WAITING
        ),
        _said(4, 21, "16:44", "Wren Halvorsen", "Thanks for everything.", CLOSED),
    ),
    _other(
        "foxglove",
        URGENT,
        "{number} is far too high",
        _said(5, 3, "08:12", "Imogen Castellane", "Our events cannot have grown by a third in one month."),
        _said(5, 3, "08:50", TOMASZ, "We compare with the collector's own files.", IN_PROGRESS),
        _said(5, 6, "15:30", TOMASZ, "A neighbour's use was read into yours. {number} is cancelled.", WAITING),
        _said(5, 7, "09:45", TOMASZ, "{again} replaces it, with the right figures."),
        _said(5, 7, "13:00", "Imogen Castellane", "Much better.", CLOSED),
        about=6,
    ),
    _other(
        "polder-kade",
        NORMAL,
        "VAT is reversed to us",
        _said(12, 26, "10:15", "Sanne Verhulst", "We have a Dutch VAT number. Our invoices should be without tax."),
        _said(11, 2, "09:45", TOMASZ, "Entered: reverse charge from your first invoice on.", RESOLVED),
        _moved(11, 9, "07:00", TOMASZ, CLOSED),
    ),
    _other(
        "tidewater",
        URGENT,
        "An assessor needs the change log today",
        _said(
            2,
            10,
            "13:04",
            "Harlan Whitcombe",
            "Our assessor asks for every change of the boundary in the last quarter.",
        ),
        _said(2, 10, "13:31", PRIYA, "41 changes, each with who approved it, are in your audit trail.", WAITING),
        _said(2, 10, "15:20", "Harlan Whitcombe", "Accepted.", CLOSED),
    ),
    _other(
        "copperleaf",
        NORMAL,
        "First steps",
        _said(6, 18, "16:16", "Anselm Ngata", "Which of our existing accounts may join the landing zone first?"),
        _said(
            6, 18, "18:02", INES, "Begin with logging and security, then a workload that can rest for an hour.", WAITING
        ),
        _said(6, 24, "10:50", "Anselm Ngata", "Both are in. On to the workloads.", RESOLVED),
    ),
    _other(
        "larkspur",
        LOW,
        "Fintech from next month on",
        _said(1, 23, "17:30", "Theo Marchetti", "Please move us to Fintech on the first of the month after next."),
        _said(1, 24, "10:35", INES, "Planned; your tier history shows it.", RESOLVED),
    ),
    _other(
        "gruenspecht",
        NORMAL,
        "Use of {month} was counted twice",
        _said(7, 10, "09:30", "Annegret Vollrath", "{month} has more transfer than our lines can carry."),
        _said(7, 11, "09:50", PRIYA, "Corrected: the difference comes off your next invoice.", RESOLVED),
        _moved(7, 18, "07:00", PRIYA, CLOSED),
        about=8,
    ),
    _other(
        "thistledown",
        HIGH,
        "No invoice this month?",
        _said(3, 2, "10:00", "Oluwaseun Adeyemi", "We have not had an invoice for {month}. Is something wrong?"),
        _said(3, 2, "11:40", PRIYA, "Your use was not read in time. It is being read now.", IN_PROGRESS),
        _said(3, 4, "09:00", PRIYA, "{number} is out.", RESOLVED),
        about=4,
    ),
)
