#include "userspace/upstream/name_set.h"

#include <stdlib.h>
#include <string.h>

struct slot {
	struct name_answer answer;
	uint64_t gone_ms;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct name_answer)); /* a slot begins with its answer */
}

static bool has(const struct name_answer *answers, uint32_t count, const struct name_answer *one)
{
	for (uint32_t i = 0; i < count; i++)
		if (addr_is(&answers[i].address, &one->address))
			return true;
	return false;
}

static bool is_over(uint64_t gone_ms, const struct name_hold *hold, uint64_t now_ms)
{
	return now_ms - gone_ms >= hold->for_ms;
}

/* Behind the answer's own, in slots: those of before that it lacks and that may stay. */
static uint32_t add_held(const struct name_set *set, struct slot *slots, uint32_t count,
			 const struct name_answer *answers, const struct name_hold *hold,
			 uint64_t now_ms)
{
	uint32_t own = count;

	for (uint32_t i = 0; i < set->count && count < NAME_ANSWERS_MAX; i++) {
		uint64_t gone_ms = set->gone_ms[i] ? set->gone_ms[i] : now_ms;

		if (has(answers, own, &set->answers[i]) || is_over(gone_ms, hold, now_ms) ||
		    !hold->may_stay(hold->context, &set->answers[i]))
			continue;
		slots[count++] = (struct slot){ set->answers[i], gone_ms };
	}
	return count;
}

bool name_set_take(struct name_set *set, const struct name_answer *answers, uint32_t count,
		   const struct name_hold *hold, uint64_t now_ms)
{
	struct slot slots[NAME_ANSWERS_MAX];
	bool same = true;

	for (uint32_t i = 0; i < count; i++)
		slots[i] = (struct slot){ answers[i], 0 };
	count = add_held(set, slots, count, answers, hold, now_ms);
	qsort(slots, count, sizeof(slots[0]), compare);
	for (uint32_t i = 0; i < count; i++) {
		same = same && i < set->count && compare(&slots[i], &set->answers[i]) == 0;
		set->answers[i] = slots[i].answer;
		set->gone_ms[i] = slots[i].gone_ms;
	}
	same = same && count == set->count;
	set->count = count;
	return !same;
}

bool name_set_expire(struct name_set *set, const struct name_hold *hold, uint64_t now_ms)
{
	struct name_answer here[NAME_ANSWERS_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < set->count; i++)
		if (!set->gone_ms[i])
			here[count++] = set->answers[i];
	return name_set_take(set, here, count, hold, now_ms);
}

uint64_t name_set_expires_ms(const struct name_set *set, const struct name_hold *hold)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < set->count; i++)
		if (set->gone_ms[i] && set->gone_ms[i] + hold->for_ms < first)
			first = set->gone_ms[i] + hold->for_ms;
	return first;
}

uint64_t name_set_tell_ms(struct name_set *set, uint64_t now_ms)
{
	if (now_ms - set->told_ms >= (uint64_t)set->pause_ms * NAME_CALM_PAUSES)
		set->pause_ms = 0;
	return now_ms > set->told_ms + set->pause_ms ? now_ms : set->told_ms + set->pause_ms;
}

void name_set_told(struct name_set *set, uint64_t now_ms)
{
	set->told_ms = now_ms;
	set->pause_ms = set->pause_ms ? set->pause_ms * 2 : NAME_PAUSE_MS;
	if (set->pause_ms > NAME_PAUSE_MS_MAX)
		set->pause_ms = NAME_PAUSE_MS_MAX;
}
