"""Titles and names of people."""

import re
from dataclasses import dataclass

MAX_TITLE = 500  # characters


@dataclass(frozen=True, slots=True)
class Title:
    """`seniority`: c_level, vp, head, director, manager, staff or board. `department` is None where none is named."""

    seniority: str
    department: str | None


# Short forms are words only in capitals: "coo" and "cmo" are not.
_CHIEFS = {
    "CEO": "general", "CTO": "engineering", "CFO": "finance", "COO": "operations", "CIO": "it", "CISO": "it",
    "CMO": "marketing", "CPO": "product", "CRO": "sales", "CHRO": "hr", "CDO": "it", "CCO": "sales", "CLO": "legal",
    "CGO": "marketing", "CSO": None, "CAIO": "engineering",
}  # fmt: skip
_CHIEF_OF = {
    "executive": "general", "technology": "engineering", "technical": "engineering", "financial": "finance",
    "finance": "finance", "operating": "operations", "operations": "operations", "information": "it",
    "information security": "it", "security": "it", "digital": "it", "data": "it", "marketing": "marketing",
    "brand": "marketing", "growth": "marketing", "communications": "marketing", "product": "product",
    "revenue": "sales", "commercial": "sales", "sales": "sales", "customer": "sales", "people": "hr",
    "human resources": "hr", "hr": "hr", "talent": "hr", "legal": "legal", "compliance": "legal", "risk": "legal",
    "engineering": "engineering", "scientific": "engineering", "science": "engineering", "ai": "engineering",
    "strategy": None, "medical": None, "investment": "finance", "sustainability": None, "business": "sales",
    "administrative": "operations", "supply chain": "operations", "procurement": "operations",
}  # fmt: skip
_CHIEF = re.compile(
    rf"\bchief ({'|'.join(sorted(map(re.escape, _CHIEF_OF), key=len, reverse=True))})(?:(?: and| &)? \w+)? officer\b"
    r"|\bchief (executive)\b(?! assistant)",
    re.IGNORECASE,
)
# As headlines say it: "finance chief".
_BOSS = re.compile(
    r"\b(finance|technology|marketing|sales|operations|product|people|legal|security|data|digital|"
    r"commercial) (?:chief|boss)\b"
    r"|\bnew boss\b|\bchief exec\b",
    re.IGNORECASE,
)
_SHORT = re.compile(rf"\b(?:{'|'.join(_CHIEFS)})\b")
_GENERAL = re.compile(
    r"\b(?:managing (?:director|partner)|general counsel|(?:co-?)?founder|proprietor|business owner)\b"
    r"|(?<!vice )(?<!vice-)\bpresident\b|\bMD\b",
    re.IGNORECASE,
)
# Who works for a chief is none: "executive assistant to the CEO", "chief of staff to the COO".
_FOR_SOMEBODY = re.compile(
    r"\b(?:assistant|secretary|PA|EA|aide|adviser|advisor|office|support) (?:to|of|for) (?:the |our )?"
    r"|\b(?:executive|personal|virtual|team|management) assistant\b|\breporting to\b",
    re.IGNORECASE,
)
_BOARD = re.compile(
    r"\bnon[- ]?exec(?:utive|s)?\b|\bNEDs?\b|\b(?:vice[- ])?chair(?:man|woman|person)?\b(?! of the (?:dep|fac))"
    r"|\bboard (?:member|adviser|advisor|director|observer)\b|\btrustee\b|\bschool governor\b",
    re.IGNORECASE,
)
_VP = re.compile(r"\b(?:[SEAG]?VP|V\.P\.|[Vv]ice[- ][Pp]resident|VICE[- ]PRESIDENT)\b")
_HEAD = re.compile(r"\bheads? (?:of|for)\b|\b(?:group|global|regional|uk|department|practice) head\b|\bhead ?[,\u2013-]"
                   r"|\b(?:marketing|sales|finance|hr|it|engineering|product|operations|legal|people) head\b",
                   re.IGNORECASE)  # fmt: skip
_DIRECTOR = re.compile(r"(?<!funeral )(?<!of )\bdirectors?\b(?!['\u2019]s)(?! reports?)", re.IGNORECASE)
_MANAGER = re.compile(
    r"\b(?:manager|supervisor|foreman|team[- ]lead(?:er)?|tech(?:nical)? lead|shift leader|"
    r"(?:engineering|project|delivery) lead)\b",
    re.IGNORECASE,
)
_STAFF = re.compile(
    r"\b(?:engineer|developer|programmer|analyst|administrator|assistant|executive|officer|consultant|designer|auditor|"
    r"accountant|bookkeeper|chef|cook|porter|driver|nurse|technician|representative|rep|adviser|advisor|specialist|"
    r"co-?ordinator|clerk|recruiter|paralegal|solicitor|lawyer|counsel|associate|intern|internship|apprentice|trainee|"
    r"graduate|secretary|scientist|architect|tester|writer|copywriter|editor|buyer|planner|operative|operator|cleaner|"
    r"receptionist|teacher|tutor|carer|worker|labourer|electrician|plumber|mechanic|fitter|welder|"
    r"machinist|host|waiter|"
    r"waitress|barista|bartender|agent|negotiator|partner|controller|researcher|strategist|marketer|owner|steward|"
    r"housekeeper|gardener|joiner|carpenter|surveyor|physiotherapist|therapist|pharmacist|dentist|lead|"
    r"practitioner|SDR|BDR|BDM|"
    r"sysadmin|devops|lecturer|packer|picker|handler|guard|sommelier|photographer|videographer|scrum master|"
    r"expert|principal|treasurer|actuary|underwriter|broker|trader|chemist|biologist|geologist|nanny|stylist)s?\b",
    re.IGNORECASE,
)
# What names a department, in the order in which they count where two begin at one place.
_DEPARTMENTS = {
    "marketing": (
        r"\bproduct market\w*",
        r"\bmarketing\b",
        r"\bmarketer",
        r"\bbrand\b",
        r"\bcommunications\b",
        r"\bcomms\b",
        r"\bpublic relations\b",
        r"\bcontent\b",
        r"\bSEO\b",
        r"\bPPC\b",
        r"\bsocial media\b",
        r"\bdemand gen\w*",
        r"\bcopywriter",
        r"\bcreative\b",
        r"\bcommunity\b",
        r"\bPR\b",
        r"\bCRM (?:exec|man|mark)\w*",
    ),
    "sales": (
        r"\bsales\b",
        r"\bbusiness development\b",
        r"\bcommercial\b",
        r"\brevenue\b",
        r"\bpartnerships\b",
        r"\baccount (?:executive|manager|director)",
        r"\bkey accounts?\b",
        r"\b(?:SDR|BDR|BDM)\b",
        r"\bpre-?sales\b",
        r"\bcustomer success\b",
        r"\bclient (?:partner|services|director)",
    ),
    "hr": (
        r"\bHR\b",
        r"\bhuman resources\b",
        r"\bpeople\b",
        r"\btalent\b",
        r"\brecruit\w*",
        r"\blearning (?:and|&) development\b",
        r"\bL&D\b",
        r"\breward\b",
    ),
    "finance": (
        r"\bfinanc\w+",
        r"\baccountan\w+",
        r"\baccounting\b",
        r"\baccounts (?:assistant|payable|receivable|administrator|clerk|manager|senior)",
        r"\bpurchase ledger\b",
        r"\bpayroll\b",
        r"\btreasur\w+",
        r"\btax\b",
        r"\baudit\w*",
        r"\bfinancial controller\b",
        r"\bbookkeep\w+",
        r"\bcredit control\w*",
        r"\bFP&A\b",
        r"\binvestor relations\b",
        r"\bactuar\w+",
        r"\bbilling\b",
    ),
    "legal": (
        r"\blegal\b",
        r"\bsolicitor",
        r"\blawyer",
        r"\bcounsel\b",
        r"\bparalegal",
        r"\bcompliance\b",
        r"\bcompany secretar\w+",
        r"\bregulatory\b",
        r"\bdata protection\b",
    ),
    "it_short": (
        r"\bIT\b",
        r"\bICT\b",
    ),
    "it": (
        r"\binformation (?:technology|systems|security)\b",
        r"\bhelp ?desk\b",
        r"\bservice desk\b",
        r"\bsystems? administrator",
        r"\bsysadmin",
        r"\bnetwork (?:engineer|administrator|manager|architect)",
        r"\bcyber\w*",
        r"\bdesktop support\b",
        r"\b(?:1st|2nd|3rd|first|second|third) line\b",
        r"\binfrastructure (?:engineer|manager|analyst)",
        r"\btechnical support\b",
        r"\bsupport engineer",
        r"\bdatabase administrator",
        r"\bsecurity (?:engineer|analyst|architect)",
        r"\bdigital transformation\b",
    ),
    "product": (
        r"\bproducts?\b",
        r"\bUX\b",
        r"\buser experience\b",
        r"\bUI\b",
    ),
    "operations": (
        r"\boperations\b",
        r"\boperational\b",
        r"\bops\b",
        r"\bsupply chain\b",
        r"\blogistics\b",
        r"\bwarehouse\b",
        r"\bprocurement\b",
        r"\bpurchasing\b",
        r"\bbuyer",
        r"\bproduction\b",
        r"\bmanufacturing\b",
        r"\bfacilities\b",
        r"\bfleet\b",
        r"\bcustomer (?:service|support|care)\b",
        r"\boffice manager\b",
        r"\btransport\b",
        r"\bmaintenance manager\b",
        r"\bdelivery\b",
        r"\bprocess improvement\b",
    ),
    "engineering": (
        r"\bengineer\w*",
        r"\bsoftware\b",
        r"\bdevelopers?\b",
        r"\bprogrammer",
        r"\bdevops\b",
        r"\bSRE\b",
        r"\bQA\b",
        r"\btester",
        r"\bdata\b",
        r"\bmachine learning\b",
        r"\barchitect(?:ure)?\b",
        r"\btechnical\b",
        r"\btechnology\b",
        r"\btech\b",
        r"\bfull[- ]?stack\b",
        r"\bR&D\b",
        r"\bresearch and development\b",
        r"\bfront[- ]?end\b",
        r"\bback[- ]?end\b",
        r"\bplatform\b",
        r"\bscientist",
        r"\bAI\b",
    ),
}
_DEPARTMENT_PATTERNS = tuple(
    (name.removesuffix("_short"), re.compile("|".join(forms), 0 if name.endswith("_short") else re.IGNORECASE))
    for name, forms in _DEPARTMENTS.items()
)
_EXECUTIVE = frozenset({"c_level", "vp", "head", "director", "board"})
_HONORIFICS = frozenset({
    "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "dame", "lord", "lady", "rev", "hon",
    "obe", "mbe", "cbe"
})  # fmt: skip


def title_of(text: str) -> Title | None:
    """The first title in `text`, best a title alone ("SVP, Sales"); None where no word of it is one."""
    text = text[:MAX_TITLE]
    if assistant := _FOR_SOMEBODY.search(text):
        text = text[: max(assistant.end() - len(" to the "), 1)] if assistant.start() else text[: assistant.end()]
        text = re.sub(r"\b(?:to|of|for) (?:the |our )?$", "", text)
        return Title("staff", None) if assistant.start() == 0 or _STAFF.search(text) else title_of(text)
    if chief := _chief(text):
        return chief
    seniority = _seniority(text)
    if seniority is None:
        return None
    return Title(seniority, _department(text) or ("general" if seniority == "board" else None))


def is_executive(title: Title | None) -> bool:
    """Whether somebody with this title decides. A director of unknown department is taken to sit on the board."""
    return title is not None and title.seniority in _EXECUTIVE


def person_key(name: str) -> tuple[str, str]:
    """Surname and first forename in lower case, from "SMITH, Jane Anne" or "Dr Jane Anne Smith". ("", "") for none."""
    name = re.sub(r"[^\w\s,'\u2019-]", " ", name[:200]).strip().lower()
    if "," in name:
        surname, _, rest = name.partition(",")
        forenames = [word for word in rest.split() if word not in _HONORIFICS]
        return " ".join(surname.split()), forenames[0].strip(",") if forenames else ""
    words = [word for word in name.split() if word not in _HONORIFICS]
    if not words:
        return "", ""
    return words[-1], words[0] if len(words) > 1 else ""


def _chief(text: str) -> Title | None:
    found: list[tuple[int, str | None]] = []
    if match := _CHIEF.search(text):
        found.append((match.start(), _CHIEF_OF[(match[1] or match[2]).lower()]))
    if match := _SHORT.search(text):
        found.append((match.start(), _CHIEFS[match.group()]))
    if found:
        return Title("c_level", min(found, key=lambda item: item[0])[1])
    if match := _BOSS.search(text):
        return Title("c_level", _CHIEF_OF.get((match[1] or "executive").lower(), "general"))
    if (match := _GENERAL.search(text)) and (match.group() != "md" and match.group() != "Md"):
        return Title("c_level", "legal" if match.group().lower() == "general counsel" else "general")
    return None


def _seniority(text: str) -> str | None:
    if _BOARD.search(text):
        return "board"
    for seniority, pattern in (("vp", _VP), ("head", _HEAD), ("director", _DIRECTOR), ("manager", _MANAGER)):
        if pattern.search(text):
            return seniority
    return "staff" if _STAFF.search(text) else None


def _department(text: str) -> str | None:
    if re.search(r"\b(?:general|country|branch|regional) manager\b", text, re.IGNORECASE):
        return "general"
    found = [
        (match.start(), rank, name)
        for rank, (name, pattern) in enumerate(_DEPARTMENT_PATTERNS)
        if (match := pattern.search(text))
    ]
    if not found:
        return None
    return min(found)[2]
