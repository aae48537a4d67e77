#include "userspace/upstream/breaker.h"

#include "userspace/base/must.h"

enum { DOUBLINGS = 6 };

void breaker_init(struct breaker *b)
{
	*b = (struct breaker){ 0 };
	MUST(pthread_mutex_init(&b->lock, NULL) == 0);
}

void breaker_fini(struct breaker *b)
{
	pthread_mutex_destroy(&b->lock);
}

static void begin_window(const struct breaker_use *use)
{
	struct counts now = shards_sum(use->all);

	atomic_store(&use->of->then_tried, now.tried);
	atomic_store(&use->of->then_failed, now.failed);
	atomic_store(&use->of->since_ms, use->now_ms);
}

/* Under the lock, like all that changes the state. */
static void open(const struct breaker_use *use)
{
	struct breaker *b = use->of;

	atomic_store(&b->until_ms, use->now_ms + ((uint64_t)use->rules->time_ms << b->openings));
	atomic_store(&b->state, BREAKER_OPEN);
	if (b->openings < DOUBLINGS)
		b->openings++;
	b->good = 0;
}

static void close(const struct breaker_use *use)
{
	begin_window(use);
	atomic_store(&use->of->closed_ms, use->now_ms);
	atomic_store(&use->of->state, BREAKER_CLOSED);
}

bool breaker_may(const struct breaker_use *use)
{
	const struct breaker *b = use->of;
	unsigned state = atomic_load(&b->state);

	return use->rules->failed_percent == 0 || state == BREAKER_CLOSED ||
	       (atomic_load(&b->trials) == 0 &&
		(state == BREAKER_HALF_OPEN || use->now_ms >= atomic_load(&b->until_ms)));
}

enum breaker_pass breaker_ask(const struct breaker_use *use)
{
	struct breaker *b = use->of;
	enum breaker_pass pass = BREAKER_REFUSED;

	if (use->rules->failed_percent == 0 ||
	    atomic_load_explicit(&b->state, memory_order_relaxed) == BREAKER_CLOSED)
		return BREAKER_PASS;
	if (!breaker_may(use))
		return BREAKER_REFUSED;
	pthread_mutex_lock(&b->lock);
	if (atomic_load(&b->state) == BREAKER_CLOSED) {
		pass = BREAKER_PASS;
	} else if (breaker_may(use)) {
		atomic_store(&b->state, BREAKER_HALF_OPEN);
		atomic_fetch_add(&b->trials, 1);
		pass = BREAKER_TRIAL;
	}
	pthread_mutex_unlock(&b->lock);
	return pass;
}

void breaker_drop(struct breaker *b)
{
	MUST(atomic_fetch_sub(&b->trials, 1) > 0);
}

/* What was under way before it opened says nothing new. */
static enum breaker_change judge_trial(const struct breaker_use *use, bool failed)
{
	struct breaker *b = use->of;
	enum breaker_change change = BREAKER_STAYS;

	pthread_mutex_lock(&b->lock);
	if (atomic_load(&b->state) == BREAKER_HALF_OPEN && failed) {
		open(use);
		change = BREAKER_OPENS;
	} else if (atomic_load(&b->state) == BREAKER_HALF_OPEN && ++b->good >= use->rules->trials) {
		close(use);
		change = BREAKER_CLOSES;
	}
	breaker_drop(b);
	pthread_mutex_unlock(&b->lock);
	return change;
}

/* Nobody was there before: what is counted meanwhile is of this window or of that. */
static void end_window(const struct breaker_use *use)
{
	struct breaker *b = use->of;

	pthread_mutex_lock(&b->lock);
	if (use->now_ms >= atomic_load(&b->since_ms) + use->rules->window_ms) {
		struct counts now = shards_sum(use->all);

		/* A whole window that went well: what was before it is not held against it. */
		if (atomic_load(&b->state) == BREAKER_CLOSED &&
		    now.tried - atomic_load(&b->then_tried) >= use->rules->least)
			b->openings = 0;
		begin_window(use);
	}
	pthread_mutex_unlock(&b->lock);
}

/* What broke off later was counted when it was tried, perhaps in the window before. */
static bool is_too_much(const struct breaker_use *use)
{
	struct counts now = shards_sum(use->all);
	uint64_t tried = now.tried - atomic_load(&use->of->then_tried);
	uint64_t failed = now.failed - atomic_load(&use->of->then_failed);

	tried = tried < failed ? failed : tried;
	return tried >= use->rules->least && failed * 100 >= tried * use->rules->failed_percent;
}

static enum breaker_change judge(const struct breaker_use *use)
{
	struct breaker *b = use->of;
	enum breaker_change change = BREAKER_STAYS;

	if (!is_too_much(use))
		return BREAKER_STAYS;
	pthread_mutex_lock(&b->lock);
	if (atomic_load(&b->state) == BREAKER_CLOSED && is_too_much(use)) {
		open(use);
		change = BREAKER_OPENS;
	}
	pthread_mutex_unlock(&b->lock);
	return change;
}

static enum breaker_change count(const struct breaker_use *use, bool tried, bool failed)
{
	struct breaker *b = use->of;

	if (use->rules->failed_percent == 0 ||
	    atomic_load_explicit(&b->state, memory_order_relaxed) != BREAKER_CLOSED ||
	    use->sent_ms < atomic_load_explicit(&b->closed_ms, memory_order_relaxed))
		return BREAKER_STAYS;
	if (use->now_ms >=
	    atomic_load_explicit(&b->since_ms, memory_order_relaxed) + use->rules->window_ms)
		end_window(use);
	if (tried)
		shard_add(&use->own->tried, 1);
	if (!failed)
		return BREAKER_STAYS;
	/* Of those who fail at once, the last to add up sees all. */
	atomic_fetch_add(&use->own->failed, 1);
	return judge(use);
}

enum breaker_change breaker_note(const struct breaker_use *use, bool trial, bool failed)
{
	return trial ? judge_trial(use, failed) : count(use, true, failed);
}

enum breaker_change breaker_spoil(const struct breaker_use *use)
{
	return count(use, false, true);
}

uint64_t breaker_left_ms(const struct breaker *b, uint64_t now_ms)
{
	uint64_t until_ms = atomic_load(&b->until_ms);

	return atomic_load(&b->state) == BREAKER_OPEN && until_ms > now_ms ? until_ms - now_ms : 0;
}

enum breaker_state breaker_look(const struct breaker_use *use)
{
	enum breaker_state state = (enum breaker_state)atomic_load(&use->of->state);

	if (use->rules->failed_percent == 0)
		return BREAKER_CLOSED;
	return state == BREAKER_OPEN && breaker_left_ms(use->of, use->now_ms) == 0
		       ? BREAKER_HALF_OPEN
		       : state;
}
