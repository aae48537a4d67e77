/* Who is left alone by all workers: after failing in a row, or for doing worse than the others. */
#include "userspace/upstream/roster_parts.h"

enum { SLOWER_LEAST = 20 /* milliseconds: what is less is nobody's fault */ };

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

/* Under the lock, so that no more than may are away, and each is ejected once. */
static bool eject(struct roster *r, uint32_t place, uint64_t now_ms)
{
	if (roster_is_ejected(r, place, now_ms) || !may_eject(r, now_ms))
		return false;
	court_eject(r->crowd->tally->court, &r->members[place]->tally->standing, now_ms,
		    r->upstream->eject.time_ms);
	return true;
}

/* Where results are compared, and this is one of those that count; else NULL. */
static struct shard *counts_at(const struct member *m, uint64_t sent_ms)
{
	return m->shard && sent_ms >= standing_until_ms(&m->tally->standing) ? m->shard : NULL;
}

void roster_answered(struct roster *r, uint32_t place, uint64_t sent_ms, uint64_t took_ms)
{
	struct shard *own = counts_at(r->members[place], sent_ms);

	if (!own)
		return;
	shard_add(&own->tried, 1);
	shard_add(&own->answered, 1);
	shard_add_ms(&own->answered_ms, took_ms);
}

void roster_served(struct roster *r, uint32_t place)
{
	standing_served(&r->members[place]->tally->standing);
}

void roster_reached(struct roster *r, uint32_t place, uint64_t sent_ms)
{
	struct shard *own = counts_at(r->members[place], sent_ms);

	if (own)
		shard_add(&own->tried, 1);
	roster_served(r, place);
}

bool roster_failed(struct roster *r, uint32_t place, uint64_t sent_ms, uint64_t now_ms)
{
	struct shard *own = counts_at(r->members[place], sent_ms);

	if (own)
		shard_add(&own->tried, 1);
	return roster_cut(r, place, sent_ms, now_ms);
}

bool roster_cut(struct roster *r, uint32_t place, uint64_t sent_ms, uint64_t now_ms)
{
	const struct eject *rules = &r->upstream->eject;
	struct shard *own = counts_at(r->members[place], sent_ms);
	struct standing *all = &r->members[place]->tally->standing;
	struct court *court = r->crowd->tally->court;
	bool ejected;

	if (own)
		shard_add(&own->failed, 1);
	/* Where as many are away as may be, who goes on failing needs no lock to learn it. */
	if (rules->failures == 0 || standing_failed(all, sent_ms) < rules->failures ||
	    !may_eject(r, now_ms))
		return false;
	pthread_mutex_lock(&court->lock);
	ejected = standing_failures(all) >= rules->failures && eject(r, place, now_ms);
	pthread_mutex_unlock(&court->lock);
	return ejected;
}

/* What each did in the window that is over; it stands still while it is compared. */
static void end_window(struct roster *r)
{
	struct court *court = r->crowd->tally->court;

	court->all = (struct counts){ 0 };
	for (uint32_t i = 0; i < r->upstream->endpoint_count; i++) {
		struct tally *t = r->members[i]->tally;
		struct counts now = shards_sum(&t->shards);

		t->standing.window = counts_since(&now, &t->standing.then);
		t->standing.then = now;
		court->all.tried += t->standing.window.tried;
		court->all.failed += t->standing.window.failed;
		court->all.answered += t->standing.window.answered;
		court->all.answered_ms += t->standing.window.answered_ms;
	}
	court->looked = 0;
	court->compares = true;
}

/* own failed% >= others' failed% + rate */
static bool fails_more(const struct eject *rules, const struct counts *own,
		       const struct counts *others)
{
	return rules->rate > 0 && own->tried >= rules->least && others->tried >= rules->least &&
	       (uint64_t)own->failed * 100 * others->tried >=
		       ((uint64_t)others->failed * 100 + (uint64_t)rules->rate * others->tried) *
			       own->tried;
}

static bool is_slower(const struct eject *rules, const struct counts *own,
		      const struct counts *others)
{
	uint64_t own_ms, others_ms;

	if (rules->slow == 0 || own->answered < rules->least || others->answered < rules->least)
		return false;
	own_ms = own->answered_ms / own->answered;
	others_ms = others->answered_ms / others->answered;
	return own_ms >= others_ms * rules->slow && own_ms >= others_ms + SLOWER_LEAST;
}

/* The next that does worse, from where whoever looked before has stopped. */
static enum eject_cause compare(struct roster *r, uint64_t now_ms, uint32_t *out_place)
{
	const struct eject *rules = &r->upstream->eject;
	struct court *court = r->crowd->tally->court;

	while (court->looked < r->upstream->endpoint_count) {
		uint32_t i = court->looked++;
		const struct counts *own = &r->members[i]->tally->standing.window;
		struct counts others = counts_since(&court->all, own);
		bool fails = fails_more(rules, own, &others);

		if (roster_is_ejected(r, i, now_ms) || !(fails || is_slower(rules, own, &others)))
			continue;
		if (!eject(r, i, now_ms))
			break; /* nor may any of the others */
		*out_place = i;
		return fails ? EJECT_RATE : EJECT_SLOW;
	}
	court->compares = false;
	atomic_store(&court->window_ms, now_ms);
	return EJECT_NOT;
}

enum eject_cause roster_outlier(struct roster *r, uint64_t now_ms, uint32_t *out_place)
{
	const struct eject *rules = &r->upstream->eject;
	struct court *court = r->crowd->tally->court;
	enum eject_cause cause = EJECT_NOT;

	if ((rules->rate == 0 && rules->slow == 0) ||
	    now_ms < atomic_load_explicit(&court->window_ms, memory_order_relaxed) +
			     rules->window_ms)
		return EJECT_NOT;
	pthread_mutex_lock(&court->lock);
	/* It may just have been looked at by somebody else. */
	if (now_ms >= atomic_load(&court->window_ms) + rules->window_ms) {
		if (!court->compares)
			end_window(r);
		cause = compare(r, now_ms, out_place);
	}
	pthread_mutex_unlock(&court->lock);
	return cause;
}
