#include "userspace/upstream/breaker.h"

#include "userspace/base/must.h"

enum { DOUBLINGS = 6 };

static void open(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms)
{
	b->state = BREAKER_OPEN;
	b->until_ms = now_ms + ((uint64_t)rules->time_ms << b->openings);
	if (b->openings < DOUBLINGS)
		b->openings++;
	b->good = 0;
}

static void close(struct breaker *b, uint64_t now_ms)
{
	b->state = BREAKER_CLOSED;
	b->since_ms = now_ms;
	b->until_ms = 0;
	b->tried = b->failed = 0;
}

bool breaker_may(const struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms)
{
	return rules->failed_percent == 0 || b->state == BREAKER_CLOSED ||
	       (b->trials == 0 && (b->state == BREAKER_HALF_OPEN || now_ms >= b->until_ms));
}

enum breaker_pass breaker_ask(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms)
{
	if (rules->failed_percent == 0 || b->state == BREAKER_CLOSED)
		return BREAKER_PASS;
	if (!breaker_may(b, rules, now_ms))
		return BREAKER_REFUSED;
	b->state = BREAKER_HALF_OPEN;
	b->trials++;
	return BREAKER_TRIAL;
}

void breaker_drop(struct breaker *b)
{
	MUST(b->trials > 0);
	b->trials--;
}

/* What was under way before it opened says nothing new. */
static bool judge_trial(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms,
			bool failed)
{
	breaker_drop(b);
	if (b->state != BREAKER_HALF_OPEN)
		return false;
	if (failed) {
		open(b, rules, now_ms);
		return true;
	}
	if (++b->good < rules->trials)
		return false;
	close(b, now_ms);
	return true;
}

bool breaker_note(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms, bool trial,
		  bool failed)
{
	if (trial)
		return judge_trial(b, rules, now_ms, failed);
	if (rules->failed_percent == 0 || b->state != BREAKER_CLOSED)
		return false;
	if (now_ms - b->since_ms >= rules->window_ms) {
		/* A whole window that went well: what was before it is not held against it. */
		if (b->tried >= rules->least)
			b->openings = 0;
		b->since_ms = now_ms;
		b->tried = b->failed = 0;
	}
	b->tried++;
	b->failed += failed;
	if (!failed || b->tried < rules->least ||
	    (uint64_t)b->failed * 100 < (uint64_t)b->tried * rules->failed_percent)
		return false;
	open(b, rules, now_ms);
	return true;
}

bool breaker_spoil(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms)
{
	if (b->state == BREAKER_CLOSED && b->tried > 0)
		b->tried--;
	return breaker_note(b, rules, now_ms, false, true);
}

uint64_t breaker_left_ms(const struct breaker *b, uint64_t now_ms)
{
	return b->state == BREAKER_OPEN && b->until_ms > now_ms ? b->until_ms - now_ms : 0;
}
