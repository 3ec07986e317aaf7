"""Words that name nobody although a sentence may begin with them."""

_ORDINARY = """
a an the this that these those it its it's they their them he she his her we our us you your i i'm i'd i'll i've
we're we've we'd you're you've they're there here who whom whose what which when where why how whether
and or but nor so yet for if then else than because since as while until unless although though whereas once
after before during between among through throughout within without across along around about above below under
over into onto upon from to of on in at by with against toward towards near beyond despite per via amid
not no none nothing neither either both each every all any some many much most more less few several other another
such same own only just also too even still again already always never often sometimes usually recently currently
now today soon later earlier previously formerly lately meanwhile moreover furthermore however therefore thus hence
additionally finally overall instead otherwise nevertheless nonetheless similarly likewise accordingly notably
specifically generally typically particularly especially approximately roughly nearly almost exactly
is are was were be been being am has have had having does do did doing can could should would must shall might
consider contact ask call write mention note see start begin open offer suggest propose use keep check confirm
refer congratulate lead focus highlight emphasise show explain discuss learn look find read review compare
based given according following regarding concerning including compared founded incorporated registered listed
known unknown new old first second third last next recent current several likely possible unclear
one two company business firm organisation organization companies businesses directors director's
dear hello hi hey thanks thank regards sincerely best kind yours congratulations subject please let
evidence version
talk visit speak email phone send run runs source sources summary snapshot overview details signals signal news
records record data facts fact filings filing accounts
reason reasons approach opening question questions point points
yes perhaps maybe indeed together what's that's there's here's let's don't isn't didn't can't won't
"""
ORDINARY = frozenset(_ORDINARY.split()) - {"may", "will", "mark"} | {
    "co"
}  # those are names, too; "Company" is compared as "co"

_TITLES = """
mr mrs ms miss mx dr prof professor sir dame lord lady
ceo cto cfo coo cmo chief executive officer director managing chairman chairwoman chair president secretary founder
partner head manager
"""
TITLES = frozenset(_TITLES.split())
HONORIFICS = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor"})
