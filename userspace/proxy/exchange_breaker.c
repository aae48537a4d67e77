/* Whether an upstream as a whole is asked, or another one: its ceilings, and what came of what it
 * was asked before.
 */
#include "userspace/base/log.h"
#include "userspace/proxy/session.h"
#include "userspace/upstream/breaker.h"

static const struct breaker_rules *rules_of(const struct session *s)
{
	return &s->ex.upstream->breaker;
}

static void refuse(struct session *s, enum end_reason why)
{
	stat_add(&session_stats(s)->breaker_refused, 1);
	exchange_reply(s, 503, why);
}

/* False: it has been answered. */
static bool may_enter(struct session *s)
{
	const struct breaker_rules *rules = rules_of(s);
	struct exchange *ex = &s->ex;
	struct tally *all = roster_tally(ex->roster);
	enum breaker_pass pass;

	if (rules->active > 0 && !tally_enter(&all->active, rules->active)) {
		refuse(s, END_BREAKER_FULL);
		return false;
	}
	ex->admitted = rules->active > 0;
	if (rules->pending > 0 && !tally_enter(&all->pending, rules->pending)) {
		refuse(s, END_BREAKER_FULL);
		return false;
	}
	ex->pending = rules->pending > 0;
	pass = breaker_ask(roster_breaker(ex->roster), rules, loop_now_ms(s->proxy->options.loop));
	if (pass == BREAKER_REFUSED) {
		refuse(s, END_BREAKER_OPEN);
		return false;
	}
	ex->trial = pass == BREAKER_TRIAL;
	return true;
}

const struct upstream *exchange_fail_over(struct session *s, const struct upstream *upstream)
{
	const struct upstream *to = upstream;

	if (upstream->failover)
		to = rosters_fail_over(s->proxy->rosters, s->snapshot, upstream,
				       loop_now_ms(s->proxy->options.loop),
				       balance_mix(&s->proxy->chance));
	if (to == upstream)
		return upstream;
	stat_add(&session_stats(s)->failovers, 1);
	LOG_OFTEN(LOG_WARNING, "upstream %s is down, or was until lately: %s stands in for it",
		  upstream->name, to->name);
	return to;
}

void exchange_enter(struct session *s)
{
	struct exchange *ex = &s->ex;

	ex->roster = roster_take(s->proxy->rosters, s->snapshot, ex->upstream,
				 loop_now_ms(s->proxy->options.loop));
	if (may_enter(s))
		exchange_connect(s);
}

static void settle(struct session *s)
{
	if (s->ex.pending)
		tally_leave(&roster_tally(s->ex.roster)->pending);
	s->ex.pending = false;
}

void exchange_connected(struct session *s)
{
	exchange_reached(s, &s->ex.times.connected);
	s->ex.asked_ms = loop_now_ms(s->proxy->options.loop);
	settle(s);
}

void exchange_breaker_end(struct session *s)
{
	struct exchange *ex = &s->ex;

	settle(s);
	if (ex->admitted)
		tally_leave(&roster_tally(ex->roster)->active);
	if (ex->trial)
		breaker_drop(roster_breaker(ex->roster));
	ex->admitted = ex->trial = false;
}

uint64_t exchange_breaker_left_ms(const struct session *s)
{
	return s->ex.roster ? breaker_left_ms(roster_breaker(s->ex.roster),
					      loop_now_ms(s->proxy->options.loop))
			    : 0;
}

/* Who does worse than the others, now that a window is over. */
static void eject_outliers(struct session *s, uint64_t now_ms)
{
	const struct upstream *u = s->ex.upstream;
	enum eject_cause cause;
	uint32_t place;

	while ((cause = roster_outlier(s->ex.roster, now_ms, &place)) != EJECT_NOT) {
		struct stats *stats = session_stats(s);

		stat_add(&stats->endpoints_ejected, 1);
		stat_add(cause == EJECT_RATE ? &stats->endpoints_ejected_rate
					     : &stats->endpoints_ejected_slow,
			 1);
		LOG_OFTEN(LOG_WARNING,
			  "endpoint %s of upstream %s is ejected: it %s than the others",
			  addr_print(&u->endpoints[place].address).text, u->name,
			  cause == EJECT_RATE ? "fails more often" : "is slower");
	}
}

void exchange_note_result(struct session *s, enum exchange_result result)
{
	struct exchange *ex = &s->ex;
	struct breaker *b = roster_breaker(ex->roster);
	uint64_t now_ms = loop_now_ms(s->proxy->options.loop);
	bool trial = ex->trial, changed;

	eject_outliers(s, now_ms);
	ex->trial = false;
	changed = result == RESULT_CUT
			  ? breaker_spoil(b, rules_of(s), now_ms)
			  : breaker_note(b, rules_of(s), now_ms, trial, result == RESULT_BAD);
	if (!changed)
		return;
	stat_add(b->state == BREAKER_CLOSED ? &session_stats(s)->breaker_closed
					    : &session_stats(s)->breaker_opened,
		 1);
	LOG_OFTEN(LOG_WARNING, "upstream %s: its breaker %s", ex->upstream->name,
		  b->state == BREAKER_CLOSED ? "closes: it answers again"
					     : "opens: too much has failed");
}
