"""The two kinds that are to come, declared as data: the engine must carry them as it is."""

from backend.applications.types.machine import Field, FieldKind, Kind, Seat, Stage, Step

AMOUNT = Field(
    name="amount_minor", label="Amount", kind=FieldKind.MONEY, at_least=1, at_most=10**15
)
CURRENCY = Field(name="currency", label="Currency", kind=FieldKind.CURRENCY, at_least=3, at_most=3)
REASON = Field(name="reason", label="Why", kind=FieldKind.TEXT, at_least=1, at_most=500)
LENT = "contract"


def step(name: str, actor: Seat, begins: str, becomes: str, stage: str = "") -> Step:
    """Return a step that needs nothing; ``begins`` are states with blanks between."""
    return Step(
        name=name,
        title=name,
        stage=stage or name,
        actor=actor,
        begins=tuple(begins.split()),
        becomes=becomes,
        fields=() if begins else (AMOUNT, CURRENCY),
    )


def signed(name: str, actor: Seat, begins: str, becomes: str, stage: str, document: str) -> Step:
    """Return a step that is signed."""
    return Step(
        name=name,
        title=name,
        stage=stage,
        actor=actor,
        begins=(begins,),
        becomes=becomes,
        signs=document,
    )


def side(name: str, actor: Seat, begins: str, becomes: str, stage: str) -> Step:
    """Return a step that leads off the way, with a reason."""
    return Step(
        name=name,
        title=name,
        stage=stage,
        actor=actor,
        begins=tuple(begins.split()),
        becomes=becomes,
        fields=(REASON,),
        side=True,
    )


def expiry(begins: str, stage: str) -> Step:
    """Return what time does."""
    return Step(
        name="expire",
        title="expire",
        stage=stage,
        actor=Seat.PLATFORM,
        begins=tuple(begins.split()),
        becomes="expired",
        side=True,
        timed=True,
    )


# domain.md 3: seven steps.
RECEIVABLE = Kind(
    name="receivable",
    title="Loan against a receivable",
    seats=frozenset({Seat.SUPPLIER, Seat.CORE_ENTERPRISE, Seat.LENDER, Seat.PLATFORM}),
    stages=tuple(
        Stage(name=name, title=title)
        for name, title in (
            ("trade", "The trade creates the debt"),
            ("apply", "Apply, pledging it"),
            ("check", "Trade background and credit report"),
            ("confirm", "The right is confirmed and valued"),
            ("contract", "Contract"),
            ("disburse", "Disburse"),
            ("repay", "Proceeds repay"),
        )
    ),
    states=(
        "traded",
        "confirmed_debt",
        "applied",
        "checked",
        "valued",
        "offered",
        "signed",
        "contracted",
        "drawn",
        "closed",
        "withdrawn",
        "declined",
        "expired",
    ),
    ends=frozenset({"closed", "withdrawn", "declined", "expired"}),
    steps=(
        step("trade", Seat.SUPPLIER, "", "traded"),
        signed("confirm_debt", Seat.CORE_ENTERPRISE, "traded", "confirmed_debt", "trade", "debt"),
        step("apply", Seat.SUPPLIER, "confirmed_debt", "applied"),
        step("check", Seat.PLATFORM, "applied", "checked"),
        step("confirm", Seat.LENDER, "checked", "valued"),
        step("offer", Seat.LENDER, "valued", "offered", "contract"),
        signed("sign", Seat.SUPPLIER, "offered", "signed", "contract", LENT),
        signed("countersign", Seat.LENDER, "signed", "contracted", "contract", LENT),
        expiry("offered signed", "contract"),
        step("disburse", Seat.LENDER, "contracted", "drawn"),
        step("repay", Seat.CORE_ENTERPRISE, "drawn", "closed"),
        side("withdraw", Seat.SUPPLIER, "traded confirmed_debt applied", "withdrawn", "apply"),
        side("decline", Seat.LENDER, "checked valued", "declined", "confirm"),
    ),
)

# domain.md 3: nine steps.
IP = Kind(
    name="ip",
    title="Loan against licence income",
    seats=frozenset({Seat.BORROWER, Seat.LICENSEE, Seat.APPRAISER, Seat.LENDER, Seat.PLATFORM}),
    stages=tuple(
        Stage(name=name, title=title)
        for name, title in (
            ("right", "Register the right to be licensed"),
            ("licence", "Licence contract"),
            ("apply", "Apply on its future income"),
            ("appraise", "Appraisal by a qualified institution"),
            ("file", "File submitted"),
            ("decide", "Credit decision"),
            ("contract", "Contract"),
            ("disburse", "Disburse"),
            ("repay", "The licensee repays"),
        )
    ),
    states=(
        "registered",
        "offered_licence",
        "licensed",
        "applied",
        "appraised",
        "filed",
        "offered",
        "signed",
        "contracted",
        "drawn",
        "closed",
        "withdrawn",
        "declined",
        "expired",
    ),
    ends=frozenset({"closed", "withdrawn", "declined", "expired"}),
    steps=(
        step("right", Seat.BORROWER, "", "registered"),
        signed("license", Seat.BORROWER, "registered", "offered_licence", "licence", "licence"),
        signed("take", Seat.LICENSEE, "offered_licence", "licensed", "licence", "licence"),
        step("apply", Seat.BORROWER, "licensed", "applied"),
        signed("appraise", Seat.APPRAISER, "applied", "appraised", "appraise", "appraisal"),
        step("file", Seat.BORROWER, "appraised", "filed"),
        step("decide", Seat.LENDER, "filed", "offered"),
        signed("sign", Seat.BORROWER, "offered", "signed", "contract", LENT),
        signed("countersign", Seat.LENDER, "signed", "contracted", "contract", LENT),
        expiry("offered signed", "contract"),
        step("disburse", Seat.LENDER, "contracted", "drawn"),
        step("repay", Seat.LICENSEE, "drawn", "drawn"),
        step("close", Seat.LENDER, "drawn", "closed", "repay"),
        side("withdraw", Seat.BORROWER, "registered licensed applied", "withdrawn", "apply"),
        side("decline", Seat.LENDER, "filed", "declined", "decide"),
    ),
)
