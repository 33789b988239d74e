"""Two replicas that reserve, settle, crash, repeat and lose their clocks; and the sums that hold.

The machine keeps its own account of every call in the plainest way, a list, and adds it up anew for
each look at the ledger. Nothing of the ledger's arithmetic is used for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rung.core.budgets import Account, Budget, Mark, Payer, Per, Scope, caps_of, start_of
from rung.ledger import holds
from rung.ledger.database import Backend, database_at
from rung.ledger.holds import Claim, Granted, Watched

CAPS = {"all": 1000, "a-day": 300, "projects": 600, "keys": 3000, "talks": 400, "own": 350}
BUDGETS = (
    Budget("all", 1000, marks={Mark.WARN: 800}),
    Budget("a-day", 300, Scope.PROJECT, "a", Per.DAY),
    Budget("projects", 600, Scope.PROJECT, per=Per.WEEK, marks={Mark.PAUSE: 400}),
    Budget("keys", 3000, Scope.KEY, per=Per.EVER),
    Budget("talks", 400, Scope.CONVERSATION, per=Per.WEEK),
)
MAKER, CHILD = Account("maker"), Account("child", caps={Per.DAY: 350})
DAY, HOUR = 86_400, 3600
# The last hours of a month: days, weeks and months turn over within reach of the clock's rules.
BEGIN = 1_767_225_600 - 2 * HOUR

amounts = st.integers(0, 130)
replicas = st.sampled_from(["r0", "r1"])


@dataclass
class Call:
    """One call as it happened. ``counters`` are the sums that it is in."""

    id: str
    claim: Claim
    counters: frozenset
    state: str = "open"
    cost: int = 0

    @property
    def amount(self):
        return self.claim.amount_nanousd

    @property
    def replica(self):
        return self.claim.process_id


class Money(RuleBasedStateMachine):
    """`place` says where a fresh ledger is; set by the test."""

    place = None
    steps = 0

    @initialize()
    def begin(self):
        self.database = database_at(self.place())
        self.database.prepare(create=True)
        self.connections = {name: self.database.connect() for name in ("r0", "r1")}
        if self.database.backend is Backend.SQLITE:
            for connection in self.connections.values():
                connection.execute("PRAGMA synchronous=OFF")  # sums are looked at here, not disks
        self.names = count()
        self.calls = {}
        self.newest = {}
        self.now = float(BEGIN)
        self.told = []
        self.seeded = {}

    def teardown(self):
        for connection in getattr(self, "connections", {}).values():
            connection.close()
        if hasattr(self, "database"):
            self.database.close()

    def run(self, replica, job):
        type(self).steps += 1
        connection = self.connections[replica]
        with self.database.transaction(connection):
            return job(connection)

    # -------------------------------------------------------------- what happens

    @rule(
        replica=replicas,
        amount=amounts,
        project=st.sampled_from([None, "a", "b"]),
        key=st.sampled_from([(), (MAKER,), (CHILD, MAKER)]),
        talk=st.sampled_from(["", "t1", "t2"]),
        patient=st.booleans(),
    )
    def reserve(self, replica, amount, project, key, talk, patient):
        name = f"c{next(self.names)}"
        caps = caps_of(BUDGETS, Payer(project, key, talk, patient))
        claim = Claim(name, f"q{name}", replica, amount, caps, {}, patient)
        limits = self.limits(project, key, talk, patient)
        found = self.run(replica, lambda c: holds.reserve(c, claim, self.now))
        fits = all(sum(self.sums(place)) + amount <= limit for place, limit in limits.items())
        assert isinstance(found, Granted) == fits
        if fits:
            self.calls[name] = Call(name, claim, frozenset(limits))
        else:
            hopeless = any(self.sums(p)[0] + amount > limit for p, limit in limits.items())
            assert hopeless or found.fit == "held"

    @precondition(lambda self: self.open())
    @rule(data=st.data(), replica=replicas)
    def reserve_again(self, data, replica):
        """The same claim, as after a commit whose acknowledgement was lost: it holds once."""
        call = data.draw(st.sampled_from(self.open()))
        self.run(replica, lambda c: holds.reserve(c, call.claim, self.now))

    @precondition(lambda self: self.open())
    @rule(data=st.data(), replica=replicas, cost=st.integers(-5, 200))
    def settle(self, data, replica, cost):
        """For less, for more (its price has changed), for nothing, or by the other replica."""
        self.end(data.draw(st.sampled_from(self.open())), replica, "settled", max(0, cost))

    @precondition(lambda self: self.open())
    @rule(data=st.data(), replica=replicas)
    def release(self, data, replica):
        self.end(data.draw(st.sampled_from(self.open())), replica, "void", 0)

    @precondition(lambda self: self.ended())
    @rule(data=st.data(), replica=replicas, cost=amounts)
    def settle_again(self, data, replica, cost):
        call = data.draw(st.sampled_from(self.ended()))
        assert not self.run(replica, lambda c: holds.settle(c, call.id, cost, self.now)).changed

    @rule(replica=replicas)
    def settle_what_is_none(self, replica):
        assert not self.run(replica, lambda c: holds.settle(c, "none", 7, self.now)).changed

    @rule(replica=replicas)
    def crash(self, replica):
        """One dies, and the other finds what it held."""
        other = {"r0": "r1", "r1": "r0"}[replica]
        found = self.run(other, lambda c: holds.resolve(c, replica, self.now))
        lost = [call for call in self.open() if call.replica == replica]
        assert {row["id"] for row in found} >= {call.id for call in lost if call.amount}
        for call in lost:
            call.state, call.cost = "unknown", call.amount
        again = self.run(other, lambda c: holds.resolve(c, replica, self.now))
        assert list(map(tuple, again)) == list(map(tuple, found))

    @precondition(lambda self: self.unknown())
    @rule(data=st.data(), replica=replicas, cost=amounts)
    def turn_up(self, data, replica, cost):
        """The one that was taken for dead settles after all: what was unknown is known."""
        self.end(data.draw(st.sampled_from(self.unknown())), replica, "settled", cost)

    @rule(seconds=st.sampled_from([0, 3 * HOUR, DAY, 2 * DAY, 9 * DAY, 40 * DAY]))
    def turn_the_clock(self, seconds):
        """On, or back: a day's, a week's and a month's end lie within three hours."""
        self.now = float(BEGIN + seconds)

    @precondition(lambda self: self.ended())
    @rule(data=st.data())
    def forget(self, data):
        """Its request is in the ledger now: the hold goes, the sums stay."""
        call = data.draw(st.sampled_from(self.ended()))
        row = {"id": call.id, "request_id": f"q{call.id}", "reserved_nanousd": call.amount}
        self.run("r0", lambda c: holds.booked(c, [row | {"cost_nanousd": call.cost}], self.now))

    @precondition(lambda self: self.open() + self.unknown())
    @rule(data=st.data(), replica=replicas, cost=amounts)
    def book_unsettled(self, data, replica, cost):
        """Its settlement was lost; its row says what it cost."""
        call = data.draw(st.sampled_from(self.open() + self.unknown()))
        row = {"id": call.id, "request_id": f"q{call.id}", "reserved_nanousd": call.amount}
        self.run(replica, lambda c: holds.booked(c, [row | {"cost_nanousd": cost}], self.now))
        call.state, call.cost = "settled", cost

    # -------------------------------------------------------------- the plain account

    def end(self, call, replica, state, cost):
        caps = caps_of(BUDGETS, Payer())
        job = (
            (lambda c: holds.settle(c, call.id, cost, self.now, Watched(caps)))
            if state == "settled"
            else (lambda c: holds.release(c, call.id, self.now))
        )
        found = self.run(replica, job)
        assert found.changed
        self.told += [(each.cap, each.mark, each.level.start_unix) for each in found.reached]
        call.state, call.cost = state, cost

    def open(self):
        return [call for call in self.calls.values() if call.state == "open"]

    def ended(self):
        return [call for call in self.calls.values() if call.state in {"settled", "void"}]

    def unknown(self):
        return [call for call in self.calls.values() if call.state == "unknown"]

    def period(self, counter):
        """The own period; one that began before, while the clock was ahead, goes on."""
        per = counter[2]
        own, newest = start_of(per, self.now), self.newest.get(counter, -1)
        following = {"day": 1, "week": 7, "month": 31, "ever": 0}[per]
        ahead = own < newest <= start_of(per, own + following * DAY)
        return newest if ahead else own

    def limits(self, project, key, talk, patient):
        """All sums that a call is in, with the least of their limits."""
        wanted = [(("total", "", "month"), CAPS["all"])]
        wanted += [(("project", "a", "day"), CAPS["a-day"])] if project == "a" else []
        limit = 400 if patient else CAPS["projects"]
        wanted.append((("project", project or "", "week"), limit))
        wanted += [(("key", each.id, "ever"), CAPS["keys"]) for each in key]
        wanted += [] if key else [(("key", "", "ever"), CAPS["keys"])]
        wanted += [(("key", "child", "day"), CAPS["own"])] if CHILD in key else []
        wanted += [(("conversation", talk, "week"), CAPS["talks"])] if talk else []
        found = {}
        for counter, limit in wanted:
            start = self.period(counter)
            found[(*counter, start)] = limit
        return found

    def sums(self, place):
        """Spent and held."""
        inside = [call for call in self.calls.values() if place in call.counters]
        return sum(c.cost for c in inside), sum(c.amount for c in inside if c.state == "open")

    # -------------------------------------------------------------- what always holds

    @invariant()
    def sums_agree(self):
        if not hasattr(self, "connections"):
            return
        rows = self.connections["r0"].execute(
            "SELECT scope, name, per, start_unix, spent_nanousd, held_nanousd FROM budgets"
        )
        stored = {tuple(row)[:4]: tuple(row)[4:] for row in rows}
        for counter in stored:
            self.newest[counter[:3]] = max(self.newest.get(counter[:3], -1), counter[3])
        places = {place for call in self.calls.values() for place in call.counters}
        assert places <= stored.keys()
        assert {place: tuple(self.sums(place)) for place in stored} == stored

    @invariant()
    def each_mark_is_told_once(self):
        if not hasattr(self, "told"):
            return
        assert all(self.told.count(each) == 1 for each in self.told)
