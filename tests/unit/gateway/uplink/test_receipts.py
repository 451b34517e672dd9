"""The send window goes back to the receipt after silence, and never runs ahead of it too far."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.uplink.receipts import SILENCE_FACTOR_MAX, SendWindow


def make_window() -> SendWindow:
    """Return a window of 4 with a time-out of 5 s."""
    return SendWindow(window=4, receipt_timeout_s=5.0)


def test_room_shrinks_with_what_is_on_its_way() -> None:
    """No more than the window is sent without a receipt, and a receipt makes room."""
    window = make_window()
    for number in (1, 2, 3, 4):
        assert window.room
        window.note_sent(number, 0.0)
    assert window.room == 0
    window.note_receipt(3, 1.0)

    assert window.room == 3


def test_silence_sends_again_from_the_receipt() -> None:
    """A broker that acknowledged and forgot is overruled after the time-out."""
    window = make_window()
    window.note_sent(1, 0.0)
    window.note_sent(2, 1.0)

    assert not window.check_silence(4.9)
    assert window.check_silence(5.0)
    assert (window.sent, window.room) == (0, 4)


def test_silence_grows_longer_while_nothing_comes() -> None:
    """A backend that is down is not flooded: the waits double up to a bound."""
    window = make_window()
    now_s, waits = 0.0, list[float]()
    for _ in range(6):
        window.note_sent(1, now_s)
        wait_s = window.wait_s(now_s)
        assert wait_s is not None
        waits.append(wait_s)
        now_s += wait_s
        assert window.check_silence(now_s)

    assert waits == [5, 10, 20, 40, 40, 40]
    assert waits[-1] == 5 * SILENCE_FACTOR_MAX
    window.note_sent(1, now_s)
    window.note_receipt(1, now_s)
    window.note_sent(2, now_s)
    assert window.wait_s(now_s) == 5


def test_nothing_on_its_way_waits_for_nothing() -> None:
    """An idle gateway has no time-out running."""
    window = make_window()
    window.begin(7, 0.0)

    assert window.wait_s(100.0) is None
    assert not window.check_silence(100.0)


def test_a_repeated_receipt_goes_back_at_once_but_only_once() -> None:
    """A gap at the backend is filled without waiting; a burst of the same receipt is one hint."""
    window = make_window()
    for number in (1, 2, 3):
        window.note_sent(number, 0.0)
    window.note_receipt(1, 1.0)
    window.note_receipt(1, 1.1)
    assert window.sent == 1
    window.note_sent(2, 1.2)
    window.note_receipt(1, 1.3)

    assert window.sent == 2
    window.note_receipt(1, 2.1)
    assert window.sent == 1


def test_answers_to_what_was_sent_twice_are_no_hint() -> None:
    """A slow backend answers both copies: the second answers do not send the window once more."""
    window = make_window()
    for number in (1, 2, 3, 4):
        window.note_sent(number, 0.0)
    assert window.check_silence(5.0)
    for number in (1, 2, 3, 4):
        window.note_sent(number, 5.0)
    for number in (1, 2, 3, 4):  # To the first copies, all late.
        window.note_receipt(number, 5.5)
    for number in (5, 6, 7, 8):
        window.note_sent(number, 5.5)
    for now_s in (6.0, 6.5, 7.0, 7.5):  # To the second copies: the backend holds 4 still.
        window.note_receipt(4, now_s)

    assert window.sent == 8
    window.note_receipt(4, 8.0)  # One more than that is to a later one: 5 is missing.
    assert window.sent == 4


def test_new_session_expects_answers_to_what_the_last_one_sent() -> None:
    """What the broker still delivered of the last session is answered twice as well."""
    window = make_window()
    for number in (1, 2, 3, 4):
        window.note_sent(number, 0.0)
    window.begin(0, 1.0)
    for number in (1, 2, 3, 4):
        window.note_sent(number, 1.0)
    window.note_receipt(4, 1.5)
    window.note_sent(5, 1.5)
    for now_s in (2.0, 2.5, 3.0):
        window.note_receipt(4, now_s)

    assert window.sent == 5


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "receipt", "silence"]), st.integers(0, 40)), max_size=60
    )
)
def test_bounds_hold_whatever_comes(steps: list[tuple[str, int]]) -> None:
    """Receipted <= sent <= receipted + window, at every moment."""
    window = make_window()
    now_s = 0.0
    for what, number in steps:
        now_s += 1.0
        if what == "send" and window.room:
            window.note_sent(window.sent + 1, now_s)
        elif what == "receipt" and number >= window.receipted:
            window.note_receipt(number, now_s)
        elif what == "silence":
            window.check_silence(now_s + number)
        assert window.receipted <= window.sent <= window.receipted + window.window
