"""What Typeform knows: two forms and who filled them in."""

from __future__ import annotations

from sandbox.seeding import dirt
from sandbox.seeding.calendar import Calendar
from sandbox.seeding.world import Person, World
from sandbox.simulator import Simulator
from sandbox.state import Json

QUESTIONS = (
    ("email", "email", "Your work e-mail?"),
    ("first_name", "short_text", "Your first name?"),
    ("last_name", "short_text", "Your last name?"),
    ("company", "short_text", "Where do you work?"),
    ("job_title", "short_text", "What do you do there?"),
    ("message", "long_text", "What can we do for you?"),
    ("consent", "yes_no", "May we write to you?"),
)


def fill(typeform: Simulator, world: World, calendar: Calendar) -> None:
    """Answers of those who are known, of a tester, and of a shared mailbox."""
    calendar.go(100)
    asked: Json = {"questions": [list(question) for question in QUESTIONS]}
    forms = [typeform.make("forms", title=title, **asked)["id"] for title in ("Talk to sales", "Newsletter")]
    for n, person in enumerate(world.of("typeform")):
        _respond(typeform, calendar, forms[n % 2], person)
    at = calendar.go(6)
    for name in ("Test", "Tester"):
        answers = {"email": dirt.TEST_ADDRESS, "first_name": name, "message": "does this work"}
        typeform.make("responses", form_id=forms[0], submitted_at=at, answers=answers)
    shared = {"email": dirt.shared_mailbox(world.companies[5]), "first_name": "Jonas", "last_name": "Feld"}
    typeform.make("responses", form_id=forms[0], submitted_at=at, answers=shared)
    verbose = {"email": f"otto.lang@{world.companies[8].domain}", "first_name": "Otto", "last_name": "Lang"}
    typeform.make("responses", form_id=forms[0], submitted_at=at, answers={**verbose, "job_title": dirt.long_title()})


def _respond(typeform: Simulator, calendar: Calendar, form: str, person: Person) -> None:
    answers: Json = {
        "email": dirt.email_in_form(person),
        "first_name": person.first.lower() if person.n % 8 == 0 else person.first,
        "last_name": person.last,
        "message": "We would like to know more about the Team plan.",
        "consent": person.n % 3 == 0,
    }
    if person.company:
        answers |= {"company": person.company.name, "job_title": person.title}
    hidden = {"utm_source": ("newsletter", "linkedin", "google")[person.n % 3], "utm_medium": "cpc"}
    at = calendar.go(15 - person.n % 14)
    typeform.make("responses", form_id=form, submitted_at=at, answers=answers, hidden=hidden)
