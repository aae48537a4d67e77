/* Who is left alone: after failing in a row, or for doing worse than the others. */
#include "userspace/upstream/roster_parts.h"

enum {
	DOUBLINGS = 6,     /* of the time of an ejection */
	SLOWER_LEAST = 20, /* milliseconds: what is less is nobody's fault */
};

/* Whether one more may be away. */
static bool may_eject(const struct roster *r, uint64_t now_ms)
{
	const struct upstream *u = r->upstream;
	uint64_t away = 1, all = 0;

	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		bool serves = r->snapshot->orders[u->endpoints[i].index].service == SERVICE_ON;

		all += serves;
		away += serves && roster_is_ejected(r, i, now_ms);
	}
	return away * 100 <= all * u->eject.most_percent;
}

static void eject(struct roster *r, struct member *m, uint64_t now_ms)
{
	uint64_t time_ms = r->upstream->eject.time_ms;

	/* Who was well for long is not held to what was before. */
	if (m->ejections > 0 && now_ms - m->ejected_until_ms > time_ms << DOUBLINGS)
		m->ejections = 0;
	m->ejected_until_ms = now_ms + (time_ms << m->ejections);
	m->fit_since_ms = m->ejected_until_ms; /* then it warms up */
	if (m->ejections < DOUBLINGS)
		m->ejections++;
	m->failures = 0;
}

void roster_answered(struct roster *r, uint32_t place, uint64_t took_ms)
{
	struct sample *s = &r->members[place]->sample;

	s->tried++;
	s->answered++;
	s->answered_ms += took_ms;
}

void roster_served(struct roster *r, uint32_t place)
{
	r->members[place]->failures = 0;
}

bool roster_failed(struct roster *r, uint32_t place, uint64_t now_ms)
{
	r->members[place]->sample.tried++;
	return roster_cut(r, place, now_ms);
}

bool roster_cut(struct roster *r, uint32_t place, uint64_t now_ms)
{
	const struct eject *rules = &r->upstream->eject;
	struct member *m = r->members[place];

	m->sample.failed++;
	if (rules->failures == 0 || roster_is_ejected(r, place, now_ms) ||
	    ++m->failures < rules->failures || !may_eject(r, now_ms))
		return false;
	eject(r, m, now_ms);
	return true;
}

static struct sample of_all(const struct roster *r)
{
	struct sample sum = { 0 };

	for (uint32_t i = 0; i < r->upstream->endpoint_count; i++) {
		const struct sample *s = &r->members[i]->sample;

		sum.tried += s->tried;
		sum.failed += s->failed;
		sum.answered += s->answered;
		sum.answered_ms += s->answered_ms;
	}
	return sum;
}

/* Samples stand still while they are compared. */
static struct sample but(const struct sample *all, const struct sample *own)
{
	return (struct sample){ .tried = all->tried - own->tried,
				.failed = all->failed - own->failed,
				.answered = all->answered - own->answered,
				.answered_ms = all->answered_ms - own->answered_ms };
}

/* own failed% >= others' failed% + rate */
static bool fails_more(const struct eject *rules, const struct sample *own,
		       const struct sample *others)
{
	return rules->rate > 0 && own->tried >= rules->least && others->tried >= rules->least &&
	       (uint64_t)own->failed * 100 * others->tried >=
		       ((uint64_t)others->failed * 100 + (uint64_t)rules->rate * others->tried) *
			       own->tried;
}

static bool is_slower(const struct eject *rules, const struct sample *own,
		      const struct sample *others)
{
	uint64_t own_ms, others_ms;

	if (rules->slow == 0 || own->answered < rules->least || others->answered < rules->least)
		return false;
	own_ms = own->answered_ms / own->answered;
	others_ms = others->answered_ms / others->answered;
	return own_ms >= others_ms * rules->slow && own_ms >= others_ms + SLOWER_LEAST;
}

static void begin_window(struct roster *r, uint64_t now_ms)
{
	r->crowd->window_ms = now_ms;
	r->crowd->looked = 0;
	for (uint32_t i = 0; i < r->upstream->endpoint_count; i++)
		r->members[i]->sample = (struct sample){ 0 };
}

enum eject_cause roster_outlier(struct roster *r, uint64_t now_ms, uint32_t *out_place)
{
	const struct eject *rules = &r->upstream->eject;
	struct crowd *c = r->crowd;
	struct sample all;

	if ((rules->rate == 0 && rules->slow == 0) || now_ms - c->window_ms < rules->window_ms)
		return EJECT_NOT;
	all = of_all(r);
	while (c->looked < r->upstream->endpoint_count) {
		uint32_t i = c->looked++;
		const struct sample *own = &r->members[i]->sample;
		struct sample others = but(&all, own);
		bool fails = fails_more(rules, own, &others);

		if (roster_is_ejected(r, i, now_ms) || !(fails || is_slower(rules, own, &others)))
			continue;
		if (!may_eject(r, now_ms))
			break; /* nor may any of the others */
		eject(r, r->members[i], now_ms);
		*out_place = i;
		return fails ? EJECT_RATE : EJECT_SLOW;
	}
	begin_window(r, now_ms);
	return EJECT_NOT;
}
