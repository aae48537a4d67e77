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

static struct breaker_use breaker_of(const struct session *s)
{
	return roster_breaker(s->ex.roster, loop_now_ms(s->proxy->options.loop));
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
	struct breaker_use breaker = breaker_of(s);
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
	roster_pending(ex->roster, true);
	ex->pending = true;
	pass = breaker_ask(&breaker);
	if (pass == BREAKER_REFUSED) {
		refuse(s, END_BREAKER_OPEN);
		return false;
	}
	ex->trial = pass == BREAKER_TRIAL;
	return true;
}

bool exchange_breaker_refuses(struct session *s)
{
	struct breaker_use breaker;
	enum breaker_pass pass;

	if (s->ex.trial)
		return false;
	breaker = breaker_of(s);
	pass = breaker_ask(&breaker);
	s->ex.trial = pass == BREAKER_TRIAL;
	return pass == BREAKER_REFUSED && s->state != SESSION_HELLO;
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
	if (!s->ex.pending)
		return;
	if (rules_of(s)->pending > 0)
		tally_leave(&roster_tally(s->ex.roster)->pending);
	roster_pending(s->ex.roster, false);
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
		breaker_drop(breaker_of(s).of);
	ex->admitted = ex->trial = false;
}

uint64_t exchange_breaker_left_ms(const struct session *s)
{
	struct breaker_use breaker;

	if (!s->ex.roster)
		return 0;
	breaker = breaker_of(s);
	return breaker_left_ms(breaker.of, breaker.now_ms);
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
	struct breaker_use breaker = breaker_of(s);
	enum breaker_change change;
	bool trial = ex->trial;

	breaker.sent_ms = ex->chosen_ms;
	eject_outliers(s, breaker.now_ms);
	ex->trial = false;
	change = result == RESULT_CUT ? breaker_spoil(&breaker)
				      : breaker_note(&breaker, trial, result == RESULT_BAD);
	if (change == BREAKER_STAYS)
		return;
	stat_add(change == BREAKER_CLOSES ? &session_stats(s)->breaker_closed
					  : &session_stats(s)->breaker_opened,
		 1);
	LOG_OFTEN(LOG_WARNING, "upstream %s: its breaker %s", ex->upstream->name,
		  change == BREAKER_CLOSES ? "closes: it answers again"
					   : "opens: too much has failed");
}
